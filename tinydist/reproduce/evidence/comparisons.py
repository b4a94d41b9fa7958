"""Comparisons of models: statements that runs can be evidence for or against.

Every comparison names a statement about the models behind the runs, and gives two one-sided p-values: `for_it`, how
often runs would speak for the statement at least this much if it were false, and `against_it`, the same for its
denial. So each statement can be shown, refuted, or left open, by the same rule in both directions.

Some runs cannot decide, and both p are 1: those whose accuracies do not vary by more than rounding
(:mod:`tinydist.analysis.statistics`), and those of a model that has failed runs as well. A failed run has no accuracy,
and whether it had a dead node is not known; so it counts against either side of a statement about dead nodes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import scipy

from tinydist.analysis.statistics import Summary, TTest, cohens_d, interval_text, paired, spread_p, summarize, welch
from tinydist.reproduce.evidence.decisions import Finding, p_text
from tinydist.reproduce.evidence.outcomes import Outcomes


class Comparison(ABC):
    """A statement about models that runs can be evidence for or against."""

    min_runs: ClassVar[int]
    """Runs of each model without which nothing can be said."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Attributes of an Outcome without which nothing can be said; they are called as their columns in a table."""

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
        finding = Finding(
            test.p_above(self.by), test.p_below(self.by), _difference(results, *self.models), _brief(test)
        )
        return _unless_failed(finding, self.models, results)


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
        p = test.p_within(self.margin), test.p_outside(self.margin)
        return _unless_failed(Finding(*p, _difference(results, *self.models), _brief(test)), self.models, results)


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
        # A published deviation is part of the error, but does not say that the runs here vary.
        test = welch(measured, replace(self.published, rounding=self.published.sd))
        finding = Finding(
            test.p_within(self.margin),
            test.p_outside(self.margin),
            f"{measured}, {_with_interval(test)}, n {measured.n}",
            _brief(test),
        )
        return _unless_failed(finding, self.models, results)


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
        brief = f"±{wider.sd:.2f}/{narrower.sd:.2f}"
        if not (wider.varies and narrower.varies):
            numbers += "; too small to tell from rounding"
        return _unless_failed(Finding(*spread_p(wider, narrower, self.ratio), numbers, brief), self.models, results)


@dataclass(frozen=True)
class UsuallyDead(Comparison):
    """More than half of all runs of a model have a dead output (exact binomial test over runs).

    Five runs that agree are the fewest that can decide. The statement is about runs on these rows, so that it does
    not matter that random splits of them overlap: each seed draws its split and its weights independently.
    """

    model: str
    min_runs: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("dead_outputs",)

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"a dead output in more than half of all runs of {self.model}"

    def examine(self, results: Outcomes) -> Finding:
        outcome = results[self.model]
        hit, runs = _hits(outcome.dead_outputs or ())
        failed = outcome.failed
        rarely = ""
        if outcome.below_1 and outcome.below_5:
            below_1, below_5 = (summarize(c).mean / outcome.outputs for c in (outcome.below_1, outcome.below_5))
            rarely = f", {below_1:.0%} active on < 1% of the training rows, {below_5:.0%} on < 5%"
        more = float(scipy.stats.binomtest(hit, runs + failed, 0.5, "greater").pvalue)
        less = float(scipy.stats.binomtest(hit + failed, runs + failed, 0.5, "less").pvalue)
        outputs = f"of all outputs {outcome.mean_dead / outcome.outputs:.0%} dead{rarely}"
        numbers = f"{_share_of_runs(hit, runs)}; {outputs}{_failed(self.models, results)}"
        return Finding(more, less, numbers, f"dead in {_runs(hit, runs)}")


@dataclass(frozen=True)
class NeverDead(Comparison):
    """No run of some models has a dead node, hidden or output.

    One dead node refutes it. No number of runs proves it; it counts as shown once an exact binomial test over the
    runs of all these models, 29 at least, shows that fewer than 1 run in 10 has a dead node, and none had one or
    failed. (Models share their seeds, so their runs are a little less independent than the test takes them to be.)
    """

    of: tuple[str, ...]
    min_runs: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("dead_outputs", "dead_hidden")

    @property
    def models(self) -> tuple[str, ...]:
        return self.of

    def __str__(self) -> str:
        return f"no dead hidden unit or output in {', '.join(self.models)} (in fewer than 1 run in 10)"

    def examine(self, results: Outcomes) -> Finding:
        hit, runs = _hits(count for model in self.models for count in results[model].dead_nodes)
        numbers = f"{_share_of_runs(hit, runs)}{_failed(self.models, results)}"
        brief = f"dead in {_runs(hit, runs)}"
        if hit:
            return Finding(1.0, 0.0, numbers, brief)
        if any(results[model].failed for model in self.models):
            return Finding(1.0, 1.0, numbers, brief)
        return Finding(float(scipy.stats.binomtest(0, runs, 0.1, "less").pvalue), 1.0, numbers, brief)


def _points(number: float) -> str:
    return f"{number:g} {'point' if number == 1 else 'points'}"


def _unless_failed(finding: Finding, models: Sequence[str], results: Outcomes) -> Finding:
    """Return the finding, or that nothing is decided where a run of one of the models failed."""
    failed = _failed(models, results)
    if not failed:
        return finding
    return Finding(1.0, 1.0, f"{finding.numbers}{failed}, so that the others decide nothing", "runs failed")


def _failed(models: Sequence[str], results: Outcomes) -> str:
    """Return as text how many runs of which models failed; empty if none did."""
    counts = (
        f"{outcome.failed} of {outcome.failed + outcome.accuracy.n} runs of {model} failed"
        for model in models
        if (outcome := results[model]).failed
    )
    return "".join(f"; {words}" for words in counts)


def _difference(results: Outcomes, a: str, b: str) -> str:
    """Return as text difference, interval, effect size and sample sizes; for equal seeds also p of the paired test."""
    one, other = results[a], results[b]
    test = welch(one.accuracy, other.accuracy)
    sizes = f"n {one.accuracy.n} and {other.accuracy.n}"
    if not test.varies:
        return f"{_with_interval(test)}, {sizes}"
    d = cohens_d(one.accuracies, other.accuracies)
    text = f"{_with_interval(test)}, d {d:z.1f}, {sizes}; not 0: Welch p {p_text(test.p_differs())}"
    if sorted(one.seeds) != sorted(other.seeds):
        return text
    by_seed = paired(one.by_seed, other.by_seed, max(one.rounding, other.rounding), max(one.overlap, other.overlap))
    return f"{text}, paired by seed {f'p {p_text(by_seed.p_differs())}' if by_seed.varies else 'always the same'}"


def _with_interval(test: TTest) -> str:
    """Return as text a difference and its confidence interval, or that the runs do not give any."""
    if not test.varies:
        return f"{test.difference:+z.2f}, no interval, as the runs do not vary by more than rounding"
    low, high = test.interval()
    return f"{test.difference:+z.2f}, 95% [{interval_text(low, high, ', ', '+')}]"


def _brief(test: TTest) -> str:
    """Return as text a difference and the ends of its confidence interval, if there is one."""
    interval = f" [{interval_text(*test.interval(), ', ', '+')}]" if test.varies else ""
    return f"{test.difference:+z.2f}{interval}"


def _hits(counts: Iterable[int]) -> tuple[int, int]:
    """Count the runs whose count is above 0, and all runs."""
    hit = [count > 0 for count in counts]
    return sum(hit), len(hit)


def _runs(hit: int, runs: int) -> str:
    return f"{hit} of {runs} runs"


def _share_of_runs(hit: int, runs: int) -> str:
    low, high = scipy.stats.binomtest(hit, runs).proportion_ci(0.95, "exact")
    return f"{_runs(hit, runs)}, 95% [{low:.0%}, {high:.0%}]"
