"""Means, spreads and tests over runs.

A t-test is an estimated difference with its standard error and degrees of freedom. Every question about the true
difference (above a value? within a margin?) is then one tail of Student's distribution: see :class:`TTest`.

An error is estimated from how far values lie apart. Values that are rounded, as an accuracy is to whole test rows, have
an error of at least that of rounding; and where they lie no further apart than rounding alone would put them, their
error is not known at all, and no test concludes anything from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

OF_FLOATS = 1e-12
"""Deviation, relative to the mean, that rounding in double precision may leave of equal values."""


@dataclass(frozen=True)
class Summary:
    """A sample in a few numbers.

    Attributes:
        mean: of the values.
        sd: their standard deviation (n - 1 in the denominator; NaN for one value).
        n: how many there are.
        rounding: standard deviation that rounding alone gives a value: a step between neighbours over √12.
        overlap: rows to test on over rows to train on, if each value is from another random split of the same rows;
            see :attr:`variance_of_mean`.
    """

    mean: float
    sd: float
    n: int
    rounding: float = 0.0
    overlap: float = 0.0

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f}" if self.n > 1 else f"{self.mean:.2f}"

    @property
    def varies(self) -> bool:
        """Return whether the values lie further apart than rounding alone would put them, or the rounding of floats."""
        least = max(self.rounding, OF_FLOATS * abs(self.mean))
        return self.n > 1 and self.sd > least and not math.isclose(self.sd, least)

    @property
    def variance_of_mean(self) -> float:
        """Return the square of the mean's standard error, which is at least that of rounding.

        Training rows of random splits overlap, so that values depend on each other, and their variance is taken
        ``1 / n + overlap`` times instead of ``1 / n`` times (Nadeau and Bengio 2003).
        """
        return max(self.sd, self.rounding) ** 2 * (1 / self.n + self.overlap)

    def half_interval(self, level: float = 0.95) -> float:
        """Return half the width of Student's confidence interval of the true mean; NaN where the values do not vary."""
        return _quantile(level, self.n - 1) * math.sqrt(self.variance_of_mean) if self.varies else math.nan


def summarize(values: Sequence[float], rounding: float = 0.0, overlap: float = 0.0) -> Summary:
    """Return the mean, the sample standard deviation and the size of at least one value; for the others see `Summary`.

    The deviation of equal values is 0, also where the rounding of their mean would leave a little.
    """
    alike = 0.0 if len(values) > 1 else math.nan
    sd = float(np.std(values, ddof=1)) if min(values) < max(values) else alike
    return Summary(float(np.mean(values)), sd, len(values), rounding, overlap)


def _quantile(level: float, df: float) -> float:
    """Return how many standard errors a two-sided confidence interval goes to either side."""
    return float(scipy.special.stdtrit(df, (1 + level) / 2))


@dataclass(frozen=True)
class TTest:
    """An estimated difference of two means, in the unit of the samples, and how well it is known.

    Each p is the probability, if the true difference were *not* as named, of data that speak for it at least this much.

    Attributes:
        difference: mean of the first sample minus mean of the second.
        standard_error: of that difference; infinite where nothing varies by more than rounding. Nothing is known of
            the true difference then: every p is 1, every interval infinite, and there is no t.
        df: degrees of freedom.
    """

    difference: float
    standard_error: float
    df: float

    @property
    def varies(self) -> bool:
        """Return whether anything varies, so that there is an error to judge the difference by."""
        return 0 < self.standard_error < math.inf

    @property
    def t(self) -> float:
        """Return the difference in standard errors; NaN where nothing varies."""
        return self.difference / self.standard_error if self.varies else math.nan

    def p_above(self, value: float = 0.0) -> float:
        """Return the one-sided p for "the true difference is above `value`"."""
        return self._tail(self.difference - value)

    def p_below(self, value: float = 0.0) -> float:
        """Return the one-sided p for "the true difference is below `value`"."""
        return self._tail(value - self.difference)

    def _tail(self, distance: float) -> float:
        return float(scipy.special.stdtr(self.df, -distance / self.standard_error)) if self.varies else 1.0

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
        half = _quantile(level, self.df) * self.standard_error if self.varies else math.inf
        return self.difference - half, self.difference + half


def welch(a: Summary, b: Summary) -> TTest:
    """Compute the unpaired t-test with unequal variances (Welch 1947).

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("welch", a.n, b.n)
    difference, (one, other) = a.mean - b.mean, (a.variance_of_mean, b.variance_of_mean)
    if not (a.varies or b.varies):
        return TTest(difference, math.inf, a.n + b.n - 2)
    df = (one + other) ** 2 / (one**2 / (a.n - 1) + other**2 / (b.n - 1))
    return TTest(difference, math.sqrt(one + other), df)


def student(a: Summary, b: Summary) -> TTest:
    """Compute the unpaired t-test with equal variances (Student 1908): n_a + n_b - 2 degrees of freedom.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("student", a.n, b.n)
    df = a.n + b.n - 2
    pooled = ((a.n - 1) * a.sd**2 + (b.n - 1) * b.sd**2) / df
    error = math.sqrt(pooled * (1 / a.n + 1 / b.n)) if a.varies or b.varies else math.inf
    return TTest(a.mean - b.mean, error, df)


def paired(a: Sequence[float], b: Sequence[float], rounding: float = 0.0, overlap: float = 0.0) -> TTest:
    """Compute the t-test of the differences a[i] - b[i]: n - 1 degrees of freedom for n pairs.

    Args:
        a, b: the pairs.
        rounding, overlap: of the values, as in :class:`Summary`; a difference of two has √2 times the rounding of one.

    Raises:
        ValueError: for samples of different sizes, or fewer than two pairs.
    """
    if len(a) != len(b):
        raise ValueError(f"paired needs a partner for every value, got {len(a)} and {len(b)} values")
    _two_of_each("paired", len(a), len(b))
    of_floats = float(np.finfo(float).eps * np.abs([a, b]).max())  # which equal differences may differ by
    differences = summarize(np.subtract(a, b).tolist(), max(math.sqrt(2) * rounding, of_floats), overlap)
    error = math.sqrt(differences.variance_of_mean) if differences.varies else math.inf
    return TTest(differences.mean, error, differences.n - 1)


def spread_p(a: Summary, b: Summary, ratio: float) -> tuple[float, float]:
    """Compute the F-test of two standard deviations, one-sided each way, for normally distributed values.

    Random splits whose training rows overlap make both deviations smaller by the same share, so they do not matter.

    Args:
        a, b: of at least two values each.
        ratio: positive.

    Returns:
        p for "the true deviation of a is more than `ratio` times that of b", and p for "less than". Both are 1 where
        one of the samples does not vary by more than rounding, because its deviation is not known.

    Raises:
        ValueError: for a sample of fewer than two values.
    """
    _two_of_each("spread_p", a.n, b.n)
    if not (a.varies and b.varies):
        return 1.0, 1.0
    statistic = (a.sd / b.sd / ratio) ** 2
    df = a.n - 1, b.n - 1
    return float(scipy.special.fdtrc(*df, statistic)), float(scipy.special.fdtr(*df, statistic))


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


def interval_text(low: float, high: float, between: str, sign: str = "") -> str:
    """Return the ends of an interval with two decimals, or with as many more as tell them apart.

    Args:
        low, high: its ends, not equal.
        between: what stands between them.
        sign: "+" to write the sign of a positive number, too.
    """
    places = max(2, math.ceil(-math.log10(high - low)))
    return f"{low:{sign}z.{places}f}{between}{high:{sign}z.{places}f}"


def _two_of_each(test: str, n_a: int, n_b: int) -> None:
    if min(n_a, n_b) < 2:
        raise ValueError(f"{test} needs at least two values of each, got {n_a} and {n_b}")


def welch_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p of Welch's t-test: unpaired, unequal variances; 1 where neither sample varies.

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
