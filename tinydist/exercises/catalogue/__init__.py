"""The exercises: for each its task, its hints, its check, and the wrong answers that are known."""
