"""Exercise cohens_d: the size of a difference in units of the spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinydist.analysis import statistics
from tinydist.exercises.probes import kept, raised
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try

Sample = Sequence[float]


def cohens_d(a: Sample, b: Sample) -> float:
    n_a, n_b = len(a), len(b)
    if n_a < 2 or n_b < 2:
        raise ValueError("at least two values each")
    difference = float(np.mean(a) - np.mean(b))
    squares = (n_a - 1) * np.var(a, ddof=1) + (n_b - 1) * np.var(b, ddof=1)
    spread = float(np.sqrt(squares / (n_a + n_b - 2)))
    if spread == 0:
        return float(np.copysign(np.inf, difference)) if difference else np.nan
    return difference / spread


def try_samples(answer: Any, *, a: Any, b: Any, d: float, why: str) -> Iterator[Observation]:
    """Yield observations on samples whose means and variances can be worked out by hand.

    Args:
        answer: the function under check.
        a, b: the samples.
        d: what is right.
        why: why this is tried.
    """
    given = {"why": why, "a": kept(a), "b": kept(b)}
    a, b = (sample.copy() if isinstance(sample, list) else kept(sample) for sample in (a, b))
    yield about_to_try(given)
    yield Observation("d", kept(answer(a, b)), float(d), given)
    for name, sample in (("a", a), ("b", b)):
        now, before = np.array(sample, dtype=float), np.array(given[name], dtype=float)
        yield Observation(f"{name} itself, which must stay as it was", now, before, given)


def try_too_few(answer: Any, *, a: Any, b: Any) -> Iterator[Observation]:
    """Yield the observation whether ValueError is raised for samples of which one is too small."""
    given = {"why": "fewer than two values: raise ValueError", "a": a, "b": b}
    yield about_to_try(given)
    yield Observation("the error", raised(lambda: answer(a, b), ValueError), "ValueError", given)


LOW, HIGH = [1.0, 3.0, 5.0], [6.0, 8.0, 10.0]
FIVE, TWO = [0.0, 0.0, 8.0, 8.0, 4.0], [0.0, 2.0]
INFINITE = float("inf")

CASES = (
    *(
        partial(try_samples, a=a, b=b, d=d, why=why)
        for a, b, d, why in (
            (HIGH, LOW, 2.5, "means 8 and 3, both variances 4"),
            (LOW, HIGH, -2.5, "the same, swapped"),
            (FIVE, TWO, 3 / np.sqrt(66 / 5), "sums of squares 64 and 2, sizes 5 and 2"),
            (TWO, FIVE, -3 / np.sqrt(66 / 5), "the same, swapped"),
            ([0.0, 2.0], [5.0, 9.0], -6 / np.sqrt(5), "variances 2 and 8, two values each"),
            ([0.0, 0.0, 6.0], [-1.0, -1.0, -1.0, 3.0], 2 / np.sqrt(36 / 5), "means that are not in the middle"),
            ([1.0, 3.0], [0.0, 4.0], 0.0, "means that are equal"),
            ([-7.0, -5.0], [2.0, 4.0], -9 / np.sqrt(2), "values below 0"),
            ([2.0, 2.0], [1.0, 1.0], INFINITE, "they differ, and neither varies"),
            ([1.0, 1.0], [2.0, 2.0], -INFINITE, "the same, swapped"),
            ([-1.0, -1.0], [-1.5, -1.5, -1.5], INFINITE, "they differ, and neither varies: -1 is more than -1.5"),
            ([1.0, 1.0], [1.0, 1.0], np.nan, "nothing differs at all"),
            ([0.0, 0.0, 0.0], [0.0, 0.0], np.nan, "nothing differs at all: all are 0"),
            ([4.0, 4.0, 4.0], LOW, 1 / np.sqrt(2), "only b varies"),
            (LOW, [4.0, 4.0, 4.0], -1 / np.sqrt(2), "only a varies"),
            ([3.0, 3.0], LOW, 0.0, "only b varies, and the means are equal"),
            ([6e-5, 8e-5, 10e-5], [1e-5, 3e-5, 5e-5], 2.5, "spreads of 2e-5"),
            ([6e-12, 8e-12, 10e-12], [1e-12, 3e-12, 5e-12], 2.5, "spreads of 2e-12"),
            ([6e-80, 8e-80, 10e-80], [1e-80, 3e-80, 5e-80], 2.5, "spreads of 2e-80"),
            ([6e9, 8e9, 10e9], [1e9, 3e9, 5e9], 2.5, "spreads of 2e9"),
            ([100.0, 101.0], [0.0, 1.0], 100 * np.sqrt(2), "far more than the spread"),
            ([0.0, 0.0, 9.0], [1.0, 2.0, 3.0], 1 / np.sqrt(14), "the mean, 3, is not the value in the middle, 0"),
            ([95.5, 95.75, 96.0], [95.0, 95.25, 95.5], 2.0, "accuracies"),
            ([6, 8, 10], [1, 3, 5], 2.5, "whole numbers in lists"),
            (tuple(HIGH), tuple(LOW), 2.5, "tuples"),
            (np.array(HIGH), np.array(LOW), 2.5, "arrays"),
            (np.array(FIVE), TWO, 3 / np.sqrt(66 / 5), "an array and a list"),
            ([9.0, 6.0, 9.0, 6.0], [8.0, 2.0, 2.0, 8.0], 2.5 / np.sqrt(7.5), "sums of squares 9 and 36"),
            ([0.0, 2.0] * 60, [1.0, 3.0] * 10, -1 / np.sqrt(140 / 138), "120 values and 20"),
        )
    ),
    *(
        partial(try_too_few, a=a, b=b)
        for a, b in (
            ([1.0], [2.0, 3.0]),
            ([2.0, 3.0], [1.0]),
            ([1.0], [2.0]),
            ([], [2.0, 3.0]),
            ([2.0, 3.0], []),
            ([], []),
            ([1.0], [2.0, 2.0]),
            ([1.0], [2.0, 3.0, 4.0, 5.0]),
            ([2.0, 3.0, 4.0, 5.0], [1.0]),
        )
    ),
)


def _d(a: Sample, b: Sample, spread: float) -> float:
    """Return the difference of the means over a spread; infinite or NaN if there is no spread at all."""
    _check(a, b)
    difference = float(np.mean(a) - np.mean(b))
    if spread == 0:
        return float(np.copysign(np.inf, difference)) if difference else float("nan")
    return difference / spread


def _check(a: Sample, b: Sample) -> None:
    """Raise ValueError if a sample is too small."""
    if min(len(a), len(b)) < 2:
        raise ValueError("at least two values each")


def _pooled_variance(a: Sample, b: Sample) -> float:
    _check(a, b)
    squares = (len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)
    return float(squares / (len(a) + len(b) - 2))


def d_of_populations(a: Sample, b: Sample) -> float:
    _check(a, b)
    variance = (len(a) * np.var(a) + len(b) * np.var(b)) / (len(a) + len(b))
    return _d(a, b, float(np.sqrt(variance)))


def d_of_population_variances(a: Sample, b: Sample) -> float:
    _check(a, b)
    variance = ((len(a) - 1) * np.var(a) + (len(b) - 1) * np.var(b)) / (len(a) + len(b) - 2)
    return _d(a, b, float(np.sqrt(variance)))


def d_weighted_by_size(a: Sample, b: Sample) -> float:
    _check(a, b)
    variance = (len(a) * np.var(a, ddof=1) + len(b) * np.var(b, ddof=1)) / (len(a) + len(b))
    return _d(a, b, float(np.sqrt(variance)))


def d_by_mean_deviation(a: Sample, b: Sample) -> float:
    _check(a, b)
    deviations = (len(a) - 1) * np.std(a, ddof=1) + (len(b) - 1) * np.std(b, ddof=1)
    return _d(a, b, float(deviations / (len(a) + len(b) - 2)))


def d_by_variance(a: Sample, b: Sample) -> float:
    return _d(a, b, _pooled_variance(a, b))


def d_flipped(a: Sample, b: Sample) -> float:
    return _d(b, a, float(np.sqrt(_pooled_variance(a, b))))


def d_absolute(a: Sample, b: Sample) -> float:
    return abs(_d(a, b, float(np.sqrt(_pooled_variance(a, b)))))


def d_unweighted(a: Sample, b: Sample) -> float:
    _check(a, b)
    return _d(a, b, float(np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)))


def d_by_the_second(a: Sample, b: Sample) -> float:
    _check(a, b)
    return _d(a, b, float(np.std(b, ddof=1)))


def d_by_all(a: Sample, b: Sample) -> float:
    _check(a, b)
    return _d(a, b, float(np.std([*a, *b], ddof=1)))


def d_by_standard_error(a: Sample, b: Sample) -> float:
    _check(a, b)
    return _d(a, b, float(np.sqrt(_pooled_variance(a, b) * (1 / len(a) + 1 / len(b)))))


def d_of_hedges(a: Sample, b: Sample) -> float:
    return _d(a, b, float(np.sqrt(_pooled_variance(a, b)))) * (1 - 3 / (4 * (len(a) + len(b)) - 9))


def d_raising_at_zero(a: Sample, b: Sample) -> float:
    _check(a, b)
    return float(np.mean(a) - np.mean(b)) / float(np.sqrt(_pooled_variance(a, b)))


def d_always_above_zero_at_infinity(a: Sample, b: Sample) -> float:
    d = _d(a, b, float(np.sqrt(_pooled_variance(a, b))))
    return abs(d) if np.isinf(d) else d


def d_infinite_if_one_is_constant(a: Sample, b: Sample) -> float:
    _check(a, b)
    return _d(a, b, float(np.sqrt(_pooled_variance(a, b))) if np.var(a) and np.var(b) else 0)


def d_infinite_if_nearly_constant(a: Sample, b: Sample) -> float:
    variance = _pooled_variance(a, b)
    return _d(a, b, float(np.sqrt(variance)) if variance >= 1e-6 else 0)


def d_of_any_sample(a: Sample, b: Sample) -> float:
    squares = (len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)
    difference = np.mean(a) - np.mean(b)
    if squares == 0:
        return float(np.copysign(np.inf, difference)) if difference else float("nan")
    return float(difference / np.sqrt(squares / (len(a) + len(b) - 2)))


RUBRIC = Rubric(
    library=statistics.cohens_d,
    solution=cohens_d,
    cases=CASES,
    mistakes=(
        *(
            Mistake(
                wrong,
                "This divides by n, as if the few runs were all there are. The variance of a sample divides by n - 1 "
                "(ddof=1).",
            )
            for wrong in (d_of_populations, d_of_population_variances)
        ),
        Mistake(d_weighted_by_size, "The variances are weighted by n. Weight each by its n - 1."),
        Mistake(
            d_by_mean_deviation, "This averages the standard deviations. Average the variances, then take the root."
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
            d_by_standard_error,
            "This is t, which grows with the number of runs: it divides by the standard error of the difference. d "
            "divides by the standard deviation.",
        ),
        Mistake(
            d_of_hedges,
            "This is Hedges' g, a d that is corrected for small samples. Leave the correction out.",
        ),
        Mistake(
            d_raising_at_zero,
            "If neither sample varies, this divides by zero. Answer infinity with the sign of the difference, or nan.",
        ),
        Mistake(
            d_always_above_zero_at_infinity,
            "The sign of infinity is lost: where a is smaller and neither sample varies, d is minus infinity.",
        ),
        Mistake(
            d_infinite_if_one_is_constant,
            "d is infinite only if neither sample varies. If one of them does, there is a spread to divide by.",
        ),
        Mistake(
            d_infinite_if_nearly_constant,
            "A small spread is taken for none. How small is small depends on the unit: compare with exactly 0.",
        ),
        Mistake(d_of_any_sample, "A sample of fewer than two values has no variance: raise ValueError."),
    ),
)
