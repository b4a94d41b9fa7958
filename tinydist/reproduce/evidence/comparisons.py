"""Comparisons of models: statements that runs can be evidence for or against.

Every comparison names a statement about the models behind the runs, and gives two one-sided p-values: `for_it`, how
often runs would speak for the statement at least this much if it were false, and `against_it`, the same for its
denial. So each statement can be shown, refuted, or left open, by the same rule in both directions.

Runs whose accuracies do not vary by more than rounding (:mod:`tinydist.analysis.statistics`) cannot decide: both p are
1. A failed run counts against the statement, and never for it. Where the statement is that a model is good, or near to
another, a failed run is one that guesses. Where guessing would speak for the statement, `for_it` takes the worst case:
an accuracy of 100 percent or, of spreads and dead nodes, one that forbids to show it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import scipy

from tinydist.analysis.statistics import Summary, TTest, cohens_d, interval_text, paired, spread_p, summarize, welch
from tinydist.reproduce.evidence.decisions import Finding, p_text
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes


class Comparison(ABC):
    """A statement about models that runs can be evidence for or against."""

    min_runs: ClassVar[int]
    """Runs of each model without which nothing can be said."""

    test: ClassVar[str]
    """Name of the test that decides."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Attributes of an Outcome without which nothing can be said; they are called as their columns in a table."""

    @property
    @abstractmethod
    def models(self) -> tuple[str, ...]:
        """Return the models that the statement is about."""

    @abstractmethod
    def examine(self, results: Outcomes) -> Finding:
        """Return the evidence of the runs; `results` must hold at least `min_runs` of each model."""

    @property
    @abstractmethod
    def turns(self) -> tuple[float, ...]:
        """Return at which values of :meth:`quantity` the statement turns from true to false, or back."""

    @abstractmethod
    def quantity(self, results: Outcomes) -> float:
        """Return the number that the statement is about, as the successful runs have it; NaN if they have none."""


@dataclass(frozen=True)
class Above(Comparison):
    """`higher` is, in mean test accuracy, more than `by` points above `lower` (Welch's t-test against `by`).

    A negative `by` says: less than that many points below.
    """

    higher: str
    lower: str
    by: float
    min_runs: ClassVar[int] = 2
    test: ClassVar[str] = "Welch's t-test"

    @property
    def models(self) -> tuple[str, ...]:
        return self.higher, self.lower

    def __str__(self) -> str:
        if self.by < 0:
            return f"{self.higher} less than {-self.by:g} points below {self.lower}"
        return f"{self.higher} {f'more than {_points(self.by)} ' if self.by else ''}above {self.lower}"

    @property
    def turns(self) -> tuple[float, ...]:
        return (self.by,)

    def quantity(self, results: Outcomes) -> float:
        return results[self.higher].mean - results[self.lower].mean

    def examine(self, results: Outcomes) -> Finding:
        higher, lower = (_guessing(results[model]) for model in self.models)
        at_best = results[self.lower].counting_failures(100)
        p = welch(higher, at_best).p_above(self.by), welch(higher, lower).p_below(self.by)
        return Finding(*p, _difference(results, *self.models), _brief(results, *self.models))


@dataclass(frozen=True)
class Within(Comparison):
    """Two models are, in mean test accuracy, less than `margin` points apart (two one-sided Welch t-tests)."""

    one: str
    other: str
    margin: float
    min_runs: ClassVar[int] = 2
    test: ClassVar[str] = "two one-sided Welch t-tests"

    @property
    def models(self) -> tuple[str, ...]:
        return self.one, self.other

    def __str__(self) -> str:
        return f"{self.one} within {_points(self.margin)} of {self.other}"

    @property
    def turns(self) -> tuple[float, ...]:
        return -self.margin, self.margin

    def quantity(self, results: Outcomes) -> float:
        return results[self.one].mean - results[self.other].mean

    def examine(self, results: Outcomes) -> Finding:
        test = welch(*(_guessing(results[model]) for model in self.models))
        for_it = 1.0 if _failed(self.models, results) else test.p_within(self.margin)
        return Finding(
            for_it, test.p_outside(self.margin), _difference(results, *self.models), _brief(results, *self.models)
        )


@dataclass(frozen=True)
class Reaches(Comparison):
    """A model's mean test accuracy is less than `margin` points from a published one (two one-sided Welch t-tests)."""

    model: str
    published: Summary
    margin: float
    min_runs: ClassVar[int] = 2
    test: ClassVar[str] = "two one-sided Welch t-tests"

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"{self.model} within {_points(self.margin)} of the published {self.published}"

    @property
    def turns(self) -> tuple[float, ...]:
        return -self.margin, self.margin

    def quantity(self, results: Outcomes) -> float:
        return results[self.model].mean - self.published.mean

    def examine(self, results: Outcomes) -> Finding:
        test, measured = self._test(_guessing(results[self.model])), results[self.model].accuracy
        numbers = f"{measured}, {_with_interval(self._test(measured))}, n {measured.n}" if measured.n > 1 else ""
        brief = _failed_briefly(self.models, results) or _difference_briefly(test)
        for_it = 1.0 if _failed(self.models, results) else test.p_within(self.margin)
        return Finding(for_it, test.p_outside(self.margin), _and_failed(numbers, self.models, results), brief)

    def _test(self, measured: Summary) -> TTest:
        # A published deviation is part of the error, but does not say that the runs here vary.
        return welch(measured, replace(self.published, rounding=self.published.sd))


@dataclass(frozen=True)
class RestsOnPrototypes(Comparison):
    """A trained model loses more than `by` points when its classes exchange their prototypes (Welch's t-test)."""

    model: str
    by: float
    min_runs: ClassVar[int] = 2
    test: ClassVar[str] = "Welch's t-test"
    needs: ClassVar[tuple[str, ...]] = ("exchanged_accuracy",)

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"{self.model} loses more than {_points(self.by)} with exchanged prototypes"

    @property
    def turns(self) -> tuple[float, ...]:
        return (self.by,)

    def quantity(self, results: Outcomes) -> float:
        return self._above.quantity(self._both(results))

    def examine(self, results: Outcomes) -> Finding:
        finding, trained = self._above.examine(self._both(results)), results[self.model]
        if not trained.failed:
            return finding
        successful = self._both({self.model: replace(trained, failed=0)})  # a run that failed did so once
        numbers = _and_failed(_difference(successful, *self._above.models), self.models, results)
        return replace(finding, numbers=numbers, brief=_failed_briefly(self.models, results))

    @property
    def _above(self) -> Above:
        return Above(self.model, f"{self.model} with exchanged prototypes", self.by)

    def _both(self, results: Outcomes) -> Outcomes:
        trained = results[self.model]
        exchanged = replace(trained, accuracies=trained.exchanged_accuracy or ())
        return dict(zip(self._above.models, (trained, exchanged), strict=True))


@dataclass(frozen=True)
class MoreSpread(Comparison):
    """The runs of one model deviate more than `ratio` times as much as those of another (F-test)."""

    wider: str
    narrower: str
    ratio: float
    min_runs: ClassVar[int] = 2
    test: ClassVar[str] = "F-test"

    @property
    def models(self) -> tuple[str, ...]:
        return self.wider, self.narrower

    def __str__(self) -> str:
        return f"standard deviation of {self.wider} more than {self.ratio:g} times that of {self.narrower}"

    @property
    def turns(self) -> tuple[float, ...]:
        return (self.ratio,)

    def quantity(self, results: Outcomes) -> float:
        wider, narrower = (results[model].accuracy.sd for model in self.models)
        return wider / narrower if narrower else math.nan

    def examine(self, results: Outcomes) -> Finding:
        wider, narrower = (results[model].accuracy for model in self.models)
        for_it = against_it = 1.0
        numbers = ""
        if min(wider.n, narrower.n) > 1:
            numbers = f"{wider.sd:.2f} and {narrower.sd:.2f} points, n {wider.n} and {narrower.n}"
            more, less = spread_p(wider, narrower, self.ratio)
            for_it = 1.0 if results[self.narrower].failed else more
            against_it = 1.0 if results[self.wider].failed else less
            if not (wider.varies and narrower.varies):
                numbers += "; too small to tell from rounding"
        brief = _failed_briefly(self.models, results) or f"±{wider.sd:.2f}/{narrower.sd:.2f}"
        return Finding(for_it, against_it, _and_failed(numbers, self.models, results), brief)


@dataclass(frozen=True)
class UsuallyDead(Comparison):
    """More than half of all runs of a model have a dead output (exact binomial test over runs).

    Five runs that agree are the fewest that can decide. The statement is about runs on these rows, so that it does
    not matter that random splits of them overlap: each seed draws its split and its weights independently.
    """

    model: str
    min_runs: ClassVar[int] = 1
    test: ClassVar[str] = "exact binomial test"
    needs: ClassVar[tuple[str, ...]] = ("dead_outputs",)

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def __str__(self) -> str:
        return f"a dead output in more than half of all runs of {self.model}"

    @property
    def turns(self) -> tuple[float, ...]:
        return (0.5,)

    def quantity(self, results: Outcomes) -> float:
        dead = results[self.model].dead_outputs
        return _hits(dead) / len(dead) if dead else math.nan

    def examine(self, results: Outcomes) -> Finding:
        outcome = results[self.model]
        hit, runs = _hits(outcome.dead_outputs or ()), outcome.accuracy.n
        rarely = ""
        if outcome.below_1 and outcome.below_5:
            below_1, below_5 = (summarize(c).mean / outcome.outputs for c in (outcome.below_1, outcome.below_5))
            rarely = f", {below_1:.0%} active on < 1% of the training rows, {below_5:.0%} on < 5%"
        numbers = ""
        if runs:
            outputs = f"of all outputs {outcome.mean_dead / outcome.outputs:.0%} dead{rarely}"
            numbers = f"{_share_of_runs(hit, runs)}; {outputs}"
        more, less = (float(scipy.stats.binomtest(hit, outcome.runs, 0.5, side).pvalue) for side in ("greater", "less"))
        brief = _failed_briefly(self.models, results) or f"dead in {_runs(hit, runs)}"
        return Finding(more, less, _and_failed(numbers, self.models, results), brief)


@dataclass(frozen=True)
class NeverDead(Comparison):
    """No run of some models has a dead node, hidden or output.

    One dead node refutes it. No number of runs proves it; it counts as shown once an exact binomial test over the
    runs of all these models, 29 at least, shows that fewer than 1 run in 10 has a dead node, and none had one or
    failed. (Models share their seeds, so their runs are a little less independent than the test takes them to be.)
    """

    of: tuple[str, ...]
    min_runs: ClassVar[int] = 1
    test: ClassVar[str] = "exact binomial test"
    needs: ClassVar[tuple[str, ...]] = ("dead_outputs", "dead_hidden")

    @property
    def models(self) -> tuple[str, ...]:
        return self.of

    def __str__(self) -> str:
        return f"no dead hidden unit or output in {', '.join(self.models)} (in fewer than 1 run in 10)"

    @property
    def turns(self) -> tuple[float, ...]:
        return (0.5,)

    def quantity(self, results: Outcomes) -> float:
        return _hits(self._counts(results))

    def _counts(self, results: Outcomes) -> list[int]:
        return [count for model in self.models for count in results[model].dead_nodes]

    def examine(self, results: Outcomes) -> Finding:
        counts = self._counts(results)
        hit, runs = _hits(counts), len(counts)
        numbers = _and_failed(_share_of_runs(hit, runs) if runs else "", self.models, results)
        if hit:
            return Finding(1.0, 0.0, numbers, f"dead in {_runs(hit, runs)}")
        if failed := _failed_briefly(self.models, results):
            return Finding(1.0, 1.0, numbers, failed)
        brief = f"dead in {_runs(hit, runs)}"
        return Finding(float(scipy.stats.binomtest(0, runs, 0.1, "less").pvalue), 1.0, numbers, brief)


def _points(number: float) -> str:
    return f"{number:g} {'point' if number == 1 else 'points'}"


def _guessing(outcome: Outcome) -> Summary:
    """Return the summary of all runs of a model, the failed ones counted as guessing."""
    return outcome.counting_failures(outcome.guessing)


def _and_failed(numbers: str, models: Sequence[str], results: Outcomes) -> str:
    """Return the numbers of the successful runs, and how many runs of which models failed."""
    failed = [
        f"{outcome.failed} of {outcome.runs} runs of {model} failed"
        for model in models
        if (outcome := results[model]).failed
    ]
    counted = [f"{' and '.join(failed)}, which counts against it"] if failed else []
    return "; ".join([*([numbers] if numbers else []), *counted])


def _failed(models: Sequence[str], results: Outcomes) -> int:
    """Count the failed runs of these models."""
    return sum(results[model].failed for model in models)


def _failed_briefly(models: Sequence[str], results: Outcomes) -> str:
    """Return how many of all runs failed; empty if none did."""
    failed = _failed(models, results)
    return f"{failed} of {sum(results[model].runs for model in models)} runs failed" if failed else ""


def _difference(results: Outcomes, a: str, b: str) -> str:
    """Return as text difference, interval, effect size and sample sizes; for equal seeds also p of the paired test.

    All of the successful runs; behind them stands which runs failed.
    """
    one, other = results[a], results[b]
    if min(one.accuracy.n, other.accuracy.n) < 2:
        return _and_failed("", (a, b), results)
    test = welch(one.accuracy, other.accuracy)
    size = f", d {cohens_d(one.accuracies, other.accuracies):z.1f}" if test.varies else ""
    text = f"{_with_interval(test)}{size}, n {one.accuracy.n} and {other.accuracy.n}"
    if test.varies:
        text += f"; not 0: Welch p {p_text(test.p_differs())}"
        if sorted(one.seeds) == sorted(other.seeds):
            rounding, overlap = max(one.rounding, other.rounding), max(one.overlap, other.overlap)
            by_seed = paired(one.by_seed, other.by_seed, rounding, overlap)
            text += f", paired by seed {f'p {p_text(by_seed.p_differs())}' if by_seed.varies else 'always the same'}"
    return _and_failed(text, (a, b), results)


def _with_interval(test: TTest) -> str:
    """Return as text a difference and its confidence interval, or that the runs do not give any."""
    if not test.varies:
        return f"{test.difference:+z.2f}, no interval, as the runs do not vary by more than rounding"
    low, high = test.interval()
    return f"{test.difference:+z.2f}, 95% [{interval_text(low, high, ', ', '+')}]"


def _brief(results: Outcomes, a: str, b: str) -> str:
    """Return as text the difference of two models, or how many of their runs failed, where some did."""
    return _failed_briefly((a, b), results) or _difference_briefly(welch(results[a].accuracy, results[b].accuracy))


def _difference_briefly(test: TTest) -> str:
    """Return as text a difference and the ends of its confidence interval, if there is one."""
    interval = f" [{interval_text(*test.interval(), ', ', '+')}]" if test.varies else ""
    return f"{test.difference:+z.2f}{interval}"


def _hits(counts: Iterable[int]) -> int:
    """Count the runs whose count is above 0."""
    return sum(count > 0 for count in counts)


def _runs(hit: int, runs: int) -> str:
    return f"{hit} of {runs} runs"


def _share_of_runs(hit: int, runs: int) -> str:
    low, high = scipy.stats.binomtest(hit, runs).proportion_ci(0.95, "exact")
    return f"{_runs(hit, runs)}, 95% [{low:.0%}, {high:.0%}]"
