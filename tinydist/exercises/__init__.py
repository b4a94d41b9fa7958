"""Exercises, in which a learner writes functions of tinydist. Start with ``python -m tinydist.exercises``."""

from tinydist.exercises.entry import check
from tinydist.exercises.exercise import NotWrittenYet

__all__ = ["NotWrittenYet", "check"]
