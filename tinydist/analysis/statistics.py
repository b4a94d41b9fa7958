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
