"""Means, spreads and tests over runs."""

from __future__ import annotations

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


def summarize(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation and size of at least one value."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Summary(float(np.mean(values)), sd, len(values))


def welch_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p of Welch's t-test: unpaired, unequal variances; at least two values each."""
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


def cohens_d(a: Sequence[float], b: Sequence[float]) -> float:
    """Difference of the means of two samples in units of their pooled standard deviation (Cohen 1988, section 2.2).

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
