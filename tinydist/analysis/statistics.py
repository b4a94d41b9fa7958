"""Means, spreads and tests over runs.

A t-test is an estimated difference with its standard error and degrees of freedom. Every question about the true
difference (above a value? within a margin?) is then one tail of Student's distribution: see :class:`TTest`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """A sample in three numbers: mean, standard deviation (n - 1 in the denominator; NaN for one value), size."""

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f}" if self.n > 1 else f"{self.mean:.2f}"

    def half_interval(self, level: float = 0.95) -> float:
        """Return half the width of Student's confidence interval of the true mean; NaN for one value."""
        return float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.sd / math.sqrt(self.n) if self.n > 1 else math.nan


def summarize(values: Sequence[float]) -> Summary:
    """Return the mean, the sample standard deviation and the size of at least one value."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Summary(float(np.mean(values)), sd, len(values))


@dataclass(frozen=True)
class TTest:
    """An estimated difference of two means, in the unit of the samples, and how well it is known.

    Each p is the probability, if the true difference were *not* as named, of data that speak for it at least this much.

    Attributes:
        difference: mean of the first sample minus mean of the second.
        standard_error: of that difference; 0 where nothing varies, and then every p is 0 or 1.
        df: degrees of freedom.
    """

    difference: float
    standard_error: float
    df: float

    @property
    def t(self) -> float:
        """Return the difference in standard errors; infinite, or NaN for no difference, where nothing varies."""
        return self.difference / self.standard_error if self.standard_error else self.difference * math.inf

    def p_above(self, value: float = 0.0) -> float:
        """Return the one-sided p for "the true difference is above `value`"."""
        if self.standard_error == 0:
            return 0.0 if self.difference > value else 1.0
        return float(stats.t.sf((self.difference - value) / self.standard_error, self.df))

    def p_below(self, value: float = 0.0) -> float:
        """Return the one-sided p for "the true difference is below `value`"."""
        return TTest(-self.difference, self.standard_error, self.df).p_above(-value)

    def p_differs(self) -> float:
        """Return the two-sided p for "the true difference is not 0"."""
        return min(1.0, 2 * min(self.p_above(), self.p_below()))

    def p_within(self, margin: float) -> float:
        """Return p for "the true difference is within ± `margin`": two one-sided tests (Schuirmann 1987)."""
        return max(self.p_above(-margin), self.p_below(margin))

    def p_outside(self, margin: float) -> float:
        """Return p for "the true difference is outside ± `margin`"; with margin 0, the two-sided p."""
        return min(1.0, 2 * min(self.p_above(margin), self.p_below(-margin)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the true difference, from its lower to its upper end."""
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return self.difference - half, self.difference + half


def welch(a: Summary, b: Summary) -> TTest:
    """Compute the unpaired t-test with unequal variances (Welch 1947).

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("welch", a.n, b.n)
    variances = (a.sd**2 / a.n, b.sd**2 / b.n)
    if sum(variances) == 0:
        return TTest(a.mean - b.mean, 0.0, a.n + b.n - 2)
    df = sum(variances) ** 2 / (variances[0] ** 2 / (a.n - 1) + variances[1] ** 2 / (b.n - 1))
    return TTest(a.mean - b.mean, math.sqrt(sum(variances)), df)


def student(a: Summary, b: Summary) -> TTest:
    """Compute the unpaired t-test with equal variances (Student 1908): n_a + n_b - 2 degrees of freedom.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("student", a.n, b.n)
    df = a.n + b.n - 2
    pooled = ((a.n - 1) * a.sd**2 + (b.n - 1) * b.sd**2) / df
    return TTest(a.mean - b.mean, math.sqrt(pooled * (1 / a.n + 1 / b.n)), df)


def paired(a: Sequence[float], b: Sequence[float], overlap: float = 0.0) -> TTest:
    """Compute the t-test of the differences a[i] - b[i]: n - 1 degrees of freedom for n pairs.

    Args:
        a, b: the pairs.
        overlap: rows to test on over rows to train on, if each pair is from another random split of the same rows.
            The training rows of two splits overlap, so that the pairs depend on each other, and the variance of the
            mean is taken as ``(1 / n + overlap)`` times that of the differences (Nadeau and Bengio 2003).

    Raises:
        ValueError: for samples of different sizes, or fewer than two pairs.
    """
    if len(a) != len(b):
        raise ValueError(f"paired needs a partner for every value, got {len(a)} and {len(b)} values")
    _two_of_each("paired", len(a), len(b))
    differences = summarize(np.subtract(a, b).tolist())
    return TTest(differences.mean, differences.sd * math.sqrt(1 / differences.n + overlap), differences.n - 1)


def spread_p(a: Summary, b: Summary, ratio: float) -> tuple[float, float]:
    """Compute the F-test of two standard deviations, one-sided each way, for normally distributed values.

    Args:
        a, b: of at least two values each.
        ratio: positive.

    Returns:
        p for "the true deviation of a is more than `ratio` times that of b", and p for "less than". Where neither
        sample varies, a is not the more variable one.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("spread_p", a.n, b.n)
    if b.sd == 0:
        return (0.0, 1.0) if a.sd > 0 else (1.0, 0.0)
    distribution = stats.f(a.n - 1, b.n - 1)
    statistic = (a.sd / b.sd / ratio) ** 2
    return float(distribution.sf(statistic)), float(distribution.cdf(statistic))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for many tests (Holm 1979), which may each be compared with 0.05.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none falls below an earlier one or exceeds 1.
    Rejecting where the result is below 0.05 then makes *any* false rejection in less than 5% of such families,
    however the tests depend on each other.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return [float(p) for p in corrected]


def _two_of_each(test: str, n_a: int, n_b: int) -> None:
    if min(n_a, n_b) < 2:
        raise ValueError(f"{test} needs at least two values of each, got {n_a} and {n_b}")


def welch_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p of Welch's t-test: unpaired, unequal variances.

    Args:
        a, b: at least two values each.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    return welch(summarize(a), summarize(b)).p_differs()


def cohens_d(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the difference of two means in units of their pooled standard deviation (Cohen 1988, section 2.2).

    ``d = (mean(a) - mean(b)) / s`` with ``s² = ((n_a - 1) var(a) + (n_b - 1) var(b)) / (n_a + n_b - 2)``, variances
    with n - 1 in the denominator. Positive where `a` is larger.

    Args:
        a, b: at least two values each.

    Returns:
        d; infinite where the samples differ and neither varies, NaN where nothing differs at all.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"cohens_d needs at least two values of each, got {len(a)} and {len(b)}")
    difference = float(np.mean(a) - np.mean(b))
    if min(a) == max(a) and min(b) == max(b):  # not by their variances, which rounding may leave above 0
        return float(np.copysign(np.inf, difference)) if a[0] != b[0] else float("nan")
    squares = (len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)
    return difference / float(np.sqrt(squares / (len(a) + len(b) - 2)))
