"""Exercise cohens_d: the size of a difference in units of the spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinydist.analysis.statistics import cohens_d
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import raised

Sample = Sequence[float]


def check_cohens_d(cohens_d: Any) -> Iterator[Observation]:
    """Yield observations on small samples whose variances are whole numbers; the truth is worked out by hand."""
    cases: list[tuple[list[float], list[float], float, str]] = [
        ([6.0, 8.0, 10.0], [1.0, 3.0, 5.0], 2.5, "means 8 and 3, both variances 4"),
        ([1.0, 3.0, 5.0], [6.0, 8.0, 10.0], -2.5, "the same, swapped"),
        ([0.0, 0.0, 8.0, 8.0, 4.0], [0.0, 2.0], 3 / np.sqrt(13.2), "variances 16 and 2, sizes 5 and 2"),
        ([2.0, 2.0], [1.0, 1.0], float("inf"), "they differ, and neither varies"),
        ([1.0, 1.0], [2.0, 2.0], float("-inf"), "the same, swapped"),
        ([1.0, 1.0], [1.0, 1.0], float("nan"), "nothing differs at all"),
    ]
    for a, b, expected, why in cases:
        given = {"why": why, "a": list(a), "b": list(b)}
        yield about_to_try(given)
        yield Observation("d", cohens_d(a, b), float(expected), given)
    given = {"a": [1.0], "b": [2.0, 3.0]}
    yield about_to_try(given)
    yield Observation("the error", raised(lambda: cohens_d([1.0], [2.0, 3.0]), ValueError), "ValueError", given)


def _d(a: Sample, b: Sample, spread: float) -> float:
    """Return the difference of the means over a spread; infinite or NaN if there is no spread at all."""
    if min(len(a), len(b)) < 2:
        raise ValueError("at least two values each")
    difference = float(np.mean(a) - np.mean(b))
    if spread == 0:
        return float(np.copysign(np.inf, difference)) if difference else float("nan")
    return difference / spread


def _pooled_variance(a: Sample, b: Sample) -> float:
    squares = (len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)
    return float(squares / (len(a) + len(b) - 2))


def d_of_populations(a: Sample, b: Sample) -> float:
    variance = (len(a) * np.var(a) + len(b) * np.var(b)) / (len(a) + len(b))
    return _d(a, b, float(np.sqrt(variance)))


def d_by_variance(a: Sample, b: Sample) -> float:
    return _d(a, b, _pooled_variance(a, b))


def d_flipped(a: Sample, b: Sample) -> float:
    return _d(b, a, float(np.sqrt(_pooled_variance(a, b))))


def d_absolute(a: Sample, b: Sample) -> float:
    return abs(_d(a, b, float(np.sqrt(_pooled_variance(a, b)))))


def d_unweighted(a: Sample, b: Sample) -> float:
    return _d(a, b, float(np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)))


def d_by_the_second(a: Sample, b: Sample) -> float:
    return _d(a, b, float(np.std(b, ddof=1)))


def d_by_all(a: Sample, b: Sample) -> float:
    return _d(a, b, float(np.std([*a, *b], ddof=1)))


def d_dividing_by_zero(a: Sample, b: Sample) -> float:
    if min(len(a), len(b)) < 2:
        raise ValueError("at least two values each")
    return float(np.mean(a) - np.mean(b)) / float(np.sqrt(_pooled_variance(a, b)))


COHENS_D = Exercise(
    name="cohens_d",
    title="how large a difference is",
    library=cohens_d,
    lesson="13_judging_a_claim",
    task="""
    A p-value says whether two models differ; with many runs it says so for the smallest difference. Cohen's d says how
    much they differ: the difference of the means in units of the spread from run to run.

    Look out: the spread is pooled from both samples, each weighted by its n - 1. If neither sample varies, d is
    infinite (with a sign), or nan if the means are equal too. Fewer than two values: raise ValueError.
    """,
    hints=(
        "np.var(a, ddof=1) divides by n - 1.",
        "Pooled variance: the sums of squares of both samples together, over (n_a - 1) + (n_b - 1). Then the root.",
        "np.copysign(np.inf, difference) is infinite with the right sign.",
    ),
    check=check_cohens_d,
    mistakes=(
        Mistake(
            d_of_populations,
            "This divides by n, as if the few runs were all there are. The variance of a sample divides by n - 1 "
            "(ddof=1).",
        ),
        Mistake(d_by_variance, "The root is missing: d is in units of the standard deviation, not of the variance."),
        Mistake(d_flipped, "The sign is flipped: d is positive where a is larger."),
        Mistake(d_by_all, "This pools the values, so the difference itself counts as spread. Pool the two variances."),
        Mistake(d_absolute, "The sign is lost: d is negative where a is smaller."),
        Mistake(
            d_unweighted,
            "The two variances are averaged as if the samples were of the same size. Weight each by its n - 1.",
        ),
        Mistake(d_by_the_second, "Only the spread of b is used. Pool the spreads of both samples."),
        Mistake(
            d_dividing_by_zero,
            "If neither sample varies, this divides by zero. Answer infinity with the sign of the difference, or nan.",
        ),
    ),
)
