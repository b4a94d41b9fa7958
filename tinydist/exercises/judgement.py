"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinydist.exercises.exercise import Exercise

Status = Literal["passed", "not written", "wrong", "unusable", "unchecked"]


@dataclass(frozen=True)
class Judgement:
    """The result of a check.

    Attributes:
        exercise: the exercise that was checked.
        status: "passed", "not written", "wrong", "unusable" (no answer could be taken from the file) or "unchecked"
            (the file was changed after its last check).
        message: the message for the learner; for a pass a remark, or "".
    """

    exercise: Exercise
    status: Status
    message: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the answer is right."""
        return self.status == "passed"
