"""The decision rule: what runs show, refute or leave open, corrected for the number of comparisons made together.

Runs speak for a statement with one p-value and against it with another, see
:mod:`tinydist.reproduce.evidence.comparisons`. Holm's correction is made twice, over all p for and over all p against,
of the statements that are decided together. Then a statement is *shown* if its corrected p for it is below ``ALPHA``,
*refuted* if its corrected p against it is, and *open* otherwise. So of the statements decided together a false one is
said to be shown, and a true one refuted, with a probability of at most ``ALPHA`` each, as far as the tests' own
assumptions go.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tinydist.analysis.statistics import holm

ALPHA = 0.05
SHOWN, REFUTED, OPEN = "shown", "refuted", "open"

Statement = TypeVar("Statement", bound=Hashable)


@dataclass(frozen=True)
class Finding:
    """The evidence of runs on one statement, before any correction.

    Attributes:
        for_it: how often runs would speak for the statement at least this much if it were false.
        against_it: how often runs would speak against it at least this much if it were true.
        numbers: what the two come from, in words.
        brief: the one number among these that says most.
    """

    for_it: float
    against_it: float
    numbers: str = ""
    brief: str = ""


@dataclass(frozen=True)
class Decision:
    """The decision on one statement.

    Attributes:
        statement: in words; where it could not be decided, what is missing.
        word: "shown", "refuted" or "open".
        for_it, against_it: the corrected p-values; 1 where it could not be decided.
        numbers: of the finding; empty where it could not be decided.
        brief: of the finding; where it could not be decided, why, in a few words.
    """

    statement: str
    word: str = OPEN
    for_it: float = 1.0
    against_it: float = 1.0
    numbers: str = ""
    brief: str = ""

    @property
    def text(self) -> str:
        """Return the statement and, if there were runs to decide it on, its corrected p-values."""
        if not self.numbers:
            return self.statement
        return f"{self.statement}; p for it {p_text(self.for_it)}, against it {p_text(self.against_it)}"


def decide(findings: Mapping[Statement, Finding]) -> dict[Statement, Decision]:
    """Decide on statements together.

    Args:
        findings: by statement, whose text is taken into the decision.

    Returns:
        The decision on each statement.
    """
    shown = holm([finding.for_it for finding in findings.values()])
    refuted = holm([finding.against_it for finding in findings.values()])
    return {
        statement: Decision(
            str(statement), SHOWN if p < ALPHA else REFUTED if q < ALPHA else OPEN, p, q, finding.numbers, finding.brief
        )
        for (statement, finding), p, q in zip(findings.items(), shown, refuted, strict=True)
    }


def p_text(p: float) -> str:
    """Return a p-value in two significant digits; below 0.0001, return "< 0.0001"."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
