"""The course of a comparison: whether, by the learning curves, its number is on its way past where the verdict turns.

A run of fewer epochs than a claim is about shows where training has come to, not where it goes. So the number of a
comparison at about half of the epochs is set beside the one at the end. Errors fall about evenly from one doubling of
the epochs to the next, and ever less. So a number that would not pass a value where its statement turns, at the pace
between the two, is said to have come to rest, and one that would still moves.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinydist.reproduce.evidence.comparisons import Comparison
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes, by_model, epochs_of_all
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
        moves: whether its number would pass a value where the statement turns.
        words: that in words, with its numbers then and now.
    """

    moves: bool
    words: str


def halfway(curves: Sequence[Curve], setting: Setting) -> Before | None:
    """Return the successful runs of one setting at the last epoch up to the half at which all were measured.

    Returns:
        None if there is no run, or no such epoch in the second quarter of the training.
    """
    epochs = [epoch for epoch in epochs_of_all(curves) if setting.epochs <= 4 * epoch <= 2 * setting.epochs]
    if not epochs:
        return None
    return Before(epochs[-1], by_model([curve[epochs[-1]] for curve in curves], Counter(), setting))


def course(comparison: Comparison, results: Outcomes, before: Before, epochs: int, until: int) -> Course | None:
    """Return the course of a comparison on runs of `epochs` epochs, for a claim about `until` epochs.

    Returns:
        None if the number that decides is not known, of all runs, both then and now.
    """
    for model in comparison.models:
        then, now = before.results.get(model), results.get(model)
        if then is None or now is None or now.failed or sorted(then.seeds) != sorted(now.seeds):
            return None
        if any(getattr(found, name) is None for found in (then, now) for name in comparison.needs):
            return None
    was, is_now = comparison.quantity(before.results), comparison.quantity(results)
    if not (math.isfinite(was) and math.isfinite(is_now)):
        return None
    to = is_now + (is_now - was) / math.log2(epochs / before.epoch) * math.log2(until / epochs)
    moves = any((is_now > turn) != (to > turn) for turn in comparison.turns)
    word = f"still moves, and could turn before epoch {until:,}" if moves else "has come to rest"
    return Course(
        moves, f"{word}: {comparison}: {was:.3g} after {before.epoch:,} epochs, {is_now:.3g} after {epochs:,}"
    )
