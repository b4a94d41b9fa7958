"""Comparisons of models: statements that runs can be evidence for or against.

Every comparison names a statement about the models behind the runs, and gives two one-sided p-values: `for_it`, how
often runs would speak for the statement at least this much if it were false, and `against_it`, the same for its
denial. So each statement can be shown, refuted, or left open, by the same rule in both directions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from scipy import stats

from tinydist.analysis.statistics import Summary, cohens_d, paired, spread_p, summarize, welch
from tinydist.reproduce.evidence.decisions import Finding, p_text
from tinydist.reproduce.evidence.outcomes import Outcomes


class Comparison(ABC):
    """A statement about models that runs can be evidence for or against."""

    min_runs: ClassVar[int]
    """Runs of each model without which nothing can be said."""

    @property
    @abstractmethod
    def models(self) -> tuple[str, ...]:
        """Return the models that the statement is about."""

    @abstractmethod
    def examine(self, results: Outcomes) -> Finding:
        """Return the evidence of the runs; `results` must hold at least `min_runs` of each model."""


@dataclass(frozen=True)
class Above(Comparison):
    """`higher` is, in mean test accuracy, more than `by` points above `lower` (Welch's t-test against `by`).

    A negative `by` says: less than that many points below.
    """

    higher: str
    lower: str
    by: float
    min_runs: ClassVar[int] = 2

    @property
    def models(self) -> tuple[str, ...]:
        return self.higher, self.lower

    def __str__(self) -> str:
        if self.by < 0:
            return f"{self.higher} less than {-self.by:g} points below {self.lower}"
        return f"{self.higher} {f'more than {_points(self.by)} ' if self.by else ''}above {self.lower}"

    def examine(self, results: Outcomes) -> Finding:
        test = welch(results[self.higher].accuracy, results[self.lower].accuracy)
        return Finding(test.p_above(self.by), test.p_below(self.by), _difference(results, *self.models))


@dataclass(frozen=True)
class Within(Comparison):
    """Two models are, in mean test accuracy, less than `margin` points apart (two one-sided Welch t-tests)."""

    one: str
    other: str
    margin: float
    min_runs: ClassVar[int] = 2

    @property
    def models(self) -> tuple[str, ...]:
        return self.one, self.other

    def __str__(self) -> str:
        return f"{self.one} within {_points(self.margin)} of {self.other}"

    def examine(self, results: Outcomes) -> Finding:
        test = welch(results[self.one].accuracy, results[self.other].accuracy)
        return Finding(test.p_within(self.margin), test.p_outside(self.margin), _difference(results, *self.models))


@dataclass(frozen=True)
class Reaches(Comparison):
    """A model's mean test accuracy is less than `margin` points from a published one (two one-sided Welch t-tests)."""

    model: str
    published: Summary
    margin: float
    min_runs: ClassVar[int] = 2

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"{self.model} within {_points(self.margin)} of the published {self.published}"

    def examine(self, results: Outcomes) -> Finding:
        measured = results[self.model].accuracy
        test = welch(measured, self.published)
        low, high = test.interval()
        numbers = f"{measured}, {test.difference:+.2f}, 95% [{low:+.2f}, {high:+.2f}], n {measured.n}"
        return Finding(test.p_within(self.margin), test.p_outside(self.margin), numbers)


@dataclass(frozen=True)
class MoreSpread(Comparison):
    """The runs of one model deviate more than `ratio` times as much as those of another (F-test)."""

    wider: str
    narrower: str
    ratio: float
    min_runs: ClassVar[int] = 2

    @property
    def models(self) -> tuple[str, ...]:
        return self.wider, self.narrower

    def __str__(self) -> str:
        return f"standard deviation of {self.wider} more than {self.ratio:g} times that of {self.narrower}"

    def examine(self, results: Outcomes) -> Finding:
        wider, narrower = (results[model].accuracy for model in self.models)
        numbers = f"{wider.sd:.2f} and {narrower.sd:.2f} points, n {wider.n} and {narrower.n}"
        return Finding(*spread_p(wider, narrower, self.ratio), numbers)


@dataclass(frozen=True)
class UsuallyDead(Comparison):
    """More than half of all runs of a model have a dead output (exact binomial test over runs)."""

    model: str
    min_runs: ClassVar[int] = 1

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"a dead output in more than half of all runs of {self.model}"

    def examine(self, results: Outcomes) -> Finding:
        outcome = results[self.model]
        hit, runs = _hits(outcome.dead_outputs)
        counted = outcome.dead_outputs, outcome.below_1, outcome.below_5
        dead, below_1, below_5 = (summarize(counts).mean / outcome.outputs for counts in counted)
        more, less = (float(stats.binomtest(hit, runs, 0.5, alternative).pvalue) for alternative in ("greater", "less"))
        outputs = f"of all outputs {dead:.0%} dead, {below_1:.0%} active on < 1% of the images, {below_5:.0%} on < 5%"
        return Finding(more, less, f"{_share_of_runs(hit, runs)}; {outputs}")


@dataclass(frozen=True)
class NeverDead(Comparison):
    """No run of some models has a dead node, hidden or output.

    One dead node refutes it. No number of runs proves it; it counts as shown once an exact binomial test over the
    runs of all these models shows that fewer than 1 run in 10 has a dead node, and none had one. (Models share
    their seeds, so their runs are a little less independent than the test takes them to be.)
    """

    of: tuple[str, ...]
    min_runs: ClassVar[int] = 1

    @property
    def models(self) -> tuple[str, ...]:
        return self.of

    def __str__(self) -> str:
        return f"no dead hidden unit or output in {', '.join(self.models)} (in fewer than 1 run in 10)"

    def examine(self, results: Outcomes) -> Finding:
        hit, runs = _hits(count for model in self.models for count in results[model].dead_nodes)
        if hit:
            return Finding(1.0, 0.0, _share_of_runs(hit, runs))
        return Finding(float(stats.binomtest(0, runs, 0.1, "less").pvalue), 1.0, _share_of_runs(hit, runs))


def _points(number: float) -> str:
    return f"{number:g} {'point' if number == 1 else 'points'}"


def _difference(results: Outcomes, a: str, b: str) -> str:
    """Return as text difference, interval, effect size and sample sizes; for equal seeds also p of the paired test."""
    one, other = results[a], results[b]
    test = welch(one.accuracy, other.accuracy)
    low, high = test.interval()
    d = cohens_d(one.accuracies, other.accuracies)
    effect = "" if math.isnan(d) else f", d {round(d, 1) + 0.0:.1f}"
    sizes = f"n {one.accuracy.n} and {other.accuracy.n}"
    text = f"{test.difference:+.2f}, 95% [{low:+.2f}, {high:+.2f}]{effect}, {sizes}; not 0: "
    text += f"Welch p {p_text(test.p_differs())}"
    if sorted(one.seeds) != sorted(other.seeds):
        return text
    return f"{text}, paired by seed p {p_text(paired(one.by_seed, other.by_seed).p_differs())}"


def _hits(counts: Iterable[int]) -> tuple[int, int]:
    """Count the runs whose count is above 0, and all runs."""
    hit = [count > 0 for count in counts]
    return sum(hit), len(hit)


def _share_of_runs(hit: int, runs: int) -> str:
    low, high = stats.binomtest(hit, runs).proportion_ci(0.95, "exact")
    return f"{hit} of {runs} runs, 95% [{low:.0%}, {high:.0%}]"
