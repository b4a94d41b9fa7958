"""The exercises: what each asks for, its hints, its check, and the wrong answers that are known."""
