"""The course of a comparison: whether, by the learning curves, its number is on its way past where the verdict turns.

A run of fewer epochs than a claim is about shows where training has come to, not where it goes. So the number of a
comparison after half of the epochs is set beside the one at the end. Errors fall about evenly from one doubling of the
epochs to the next, and ever less; so a number that would not pass a value where its statement turns at the pace of
that last doubling is said to have come to rest, and one that would still moves.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinydist.reproduce.evidence.comparisons import Comparison
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes, by_model
from tinydist.reproduce.runs.settings import Setting


@dataclass(frozen=True)
class Before:
    """Runs of one setting as they were before their end.

    Attributes:
        epoch: after which they were measured.
        results: what they would have been, had they ended there.
    """

    epoch: int
    results: Outcomes


@dataclass(frozen=True)
class Course:
    """The course of a comparison.

    Attributes:
        moves: whether its number would pass a value where the statement turns, at the pace of the last doubling.
        words: its numbers then and now.
    """

    moves: bool
    words: str


def halfway(curves: Sequence[Curve], setting: Setting) -> Before | None:
    """Return the successful runs of one setting at the last epoch up to the half at which all were measured.

    Returns:
        None if there is no such epoch, or no run.
    """
    common = set[int].intersection(*(set(curve) for curve in curves)) if curves else set[int]()
    epoch = max((epoch for epoch in common if 0 < 2 * epoch <= setting.epochs), default=0)
    return Before(epoch, by_model([curve[epoch] for curve in curves], Counter(), setting)) if epoch else None


def course(comparison: Comparison, results: Outcomes, before: Before, epochs: int, until: int) -> Course:
    """Return the course of a comparison on runs of `epochs` epochs, for a claim about `until` epochs."""
    then, now = comparison.quantity(before.results), comparison.quantity(results)
    then_to_now, left = math.log2(epochs / before.epoch), math.log2(until / epochs)
    to = now + (now - then) / then_to_now * left
    moves = any((now - turn) * (to - turn) < 0 for turn in comparison.turns)
    return Course(moves, f"{comparison}: {then:.3g} after {before.epoch:,} epochs, {now:.3g} after {epochs:,}")
