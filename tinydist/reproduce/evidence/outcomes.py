"""The outcomes of runs that the claims are about: accuracies and dead outputs by model, never mixing two settings."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from tinydist.analysis.statistics import Summary, summarize
from tinydist.datasets import find_source
from tinydist.datasets.tabular import TEST_SHARE
from tinydist.errors import DataError
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting, read_number

Number = TypeVar("Number", int, float)
Counts = tuple[int, ...] | None
"""How many nodes of each run, or None."""


@dataclass(frozen=True)
class Outcome:
    """All runs of one model, the successful ones run by run; a count is None where nobody has counted.

    Attributes:
        accuracies: of the successful runs on the test images, percent; empty if all failed.
        dead_outputs: outputs that are silent on every training image.
        seeds: of the initial weights.
        dead_hidden: hidden units that are silent on every training image.
        below_1, below_5: outputs active on less than 1% and 5% of the training images, the dead ones among them.
        exchanged_accuracy: of the successful runs, percent, with the prototypes of the classes exchanged; None where
            nobody has measured it, as of models without any.
        outputs: how many outputs the model has.
        failed: how many other runs failed. Whether a run fails depends on how it trains, so that the successful ones
            alone are no fair sample of the model: see :meth:`counting_failures`.
        rounding, overlap: of the accuracies, see :class:`tinydist.analysis.statistics.Summary`.
    """

    accuracies: tuple[float, ...]
    dead_outputs: Counts
    seeds: tuple[int, ...]
    dead_hidden: Counts
    below_1: Counts
    below_5: Counts
    exchanged_accuracy: tuple[float, ...] | None = None
    outputs: int = 10
    failed: int = 0
    rounding: float = 0.0
    overlap: float = 0.0

    @property
    def runs(self) -> int:
        """Count all runs, the failed ones among them."""
        return len(self.accuracies) + self.failed

    @property
    def accuracy(self) -> Summary:
        """Return the mean and standard deviation of the successful runs' test accuracies, percent; NaN of none."""
        return _summary(self.accuracies, self.rounding, self.overlap)

    @property
    def guessing(self) -> float:
        """Return the accuracy, in percent, of guessing among classes of equal size."""
        return 100 / self.outputs

    def counting_failures(self, accuracy: float) -> Summary:
        """Return the summary of all runs, with so many percent for each failed one."""
        return _summary(self.all_accuracies(accuracy), self.rounding, self.overlap)

    def all_accuracies(self, of_failed: float) -> tuple[float, ...]:
        """Return the accuracies of all runs, with so many percent for each failed one."""
        return self.accuracies + (of_failed,) * self.failed

    @property
    def by_seed(self) -> tuple[float, ...]:
        """Return the accuracies in the order of their seeds."""
        return tuple(accuracy for _, accuracy in sorted(zip(self.seeds, self.accuracies, strict=True)))

    @property
    def mean(self) -> float:
        """Return the mean test accuracy of the successful runs, percent; NaN of none."""
        return self.accuracy.mean

    @property
    def mean_dead(self) -> float:
        """Return the mean number of dead outputs; NaN if they were not counted."""
        return summarize(self.dead_outputs).mean if self.dead_outputs else math.nan

    @property
    def dead_nodes(self) -> tuple[int, ...]:
        """Return the dead hidden units and outputs together, run by run; empty if they were not counted."""
        return tuple(map(sum, zip(self.dead_outputs or (), self.dead_hidden or (), strict=False)))


@functools.lru_cache(maxsize=1024)  # comparisons ask for the same ones over and over
def _summary(accuracies: tuple[float, ...], rounding: float, overlap: float) -> Summary:
    return summarize(accuracies, rounding, overlap) if accuracies else Summary(math.nan, math.nan, 0, rounding, overlap)


Outcomes = Mapping[str, Outcome]
COUNTS = ("dead_outputs", "dead_hidden", "outputs_below_1_percent", "outputs_below_5_percent")
"""Columns that count nodes, in the order of the attributes of Outcome that they fill."""
ONE_OF_EACH_SEED = (
    "expected one of each seed, as a run that is there twice would count twice. Leave all but one of them out"
)
MOST_ROWS = 1_000_000
"""Rows to test on, at most, that accuracies are taken to be counted on."""


def outcomes(records: Iterable[RunRecord]) -> dict[str, Outcome]:
    """Group the runs of one setting by model, in order of first appearance, models whose runs all failed behind.

    Raises:
        DataError: if a model has two successful runs of the same seed.
    """
    records = list(records)
    runs = [run_from(record.row()) for record in records if record.status == "ok"]
    failed = Counter(record.config.model for record in records if record.status != "ok")
    return by_model(runs, failed, records[0].config.setting) if records else {}


def grouped(records: Iterable[RunRecord]) -> dict[Setting, list[RunRecord]]:
    """Group all runs, failed ones too, by setting, in order of first appearance."""
    groups: dict[Setting, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.config.setting, []).append(record)
    return groups


@dataclass(frozen=True)
class Run:
    """A successful run: what of it goes into an :class:`Outcome`; the counts are those of ``COUNTS``."""

    model: str
    outputs: int
    accuracy: float
    seed: int
    counts: tuple[int | None, ...]
    exchanged: float | None = None


Curve = Mapping[int, Run]
"""A successful run as it was at each epoch at which it was measured."""


def epochs_of_all(curves: Sequence[Mapping[int, object]]) -> list[int]:
    """Return the epochs at which all of these curves have a point, in order; none if there is no curve.

    A folder that an earlier version began may have runs that were measured at others.
    """
    return sorted(set[int].intersection(*map(set[int], curves))) if curves else []


def curve_of(record: RunRecord) -> Curve:
    """Return the course of a successful run."""
    return {m.epoch: run_from(replace(record, curve=(m,)).row()) for m in record.curve}


def run_from(row: Mapping[str, Any]) -> Run:
    """Return a run from its row of a table, read from there or not written yet.

    Raises:
        ValueError: if a number cannot be read, or is one that no run can have.
    """
    counts = tuple(read_number(name, row[name], int) if str(row.get(name, "")).strip() else None for name in COUNTS)
    # older versions, which knew ten classes only, wrote no column outputs
    outputs = read_number("outputs", row.get("outputs", "10"), int)
    accuracy = _percent("test_accuracy", row["test_accuracy"])
    exchanged = row.get("exchanged_accuracy", "")
    counted = [count for count in counts if count is not None]
    of_outputs = [count for name, count in zip(COUNTS, counts, strict=True) if count and name != "dead_hidden"]
    if min(counted, default=0) < 0 or max(of_outputs, default=0) > outputs or outputs < 1:
        raise ValueError(f"it counts fewer than 0 units, or more than its {outputs} outputs")
    return Run(
        *(row["model"], outputs, accuracy, read_number("seed", row["seed"], int), counts),
        _percent("exchanged_accuracy", exchanged) if str(exchanged).strip() else None,
    )


def _percent(name: str, text: Any) -> float:
    """Return a number of percent.

    Raises:
        ValueError: if it cannot be read, or is out of range.
    """
    number = read_number(name, text, float)
    if not 0 <= number <= 100:
        raise ValueError(f"{name} {number:g} is not between 0 and 100 percent")
    return number


def by_model(runs: Sequence[Run], failed: Counter[str], setting: Setting, outputs: int = 10) -> dict[str, Outcome]:
    """Group the successful runs of one setting by model; `failed` counts the others, also of models that have no more.

    `outputs` is how many the models have, if no run was successful.

    Raises:
        DataError: if a model has two runs of the same seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.model, []).append(run)
    rows = rows_counted([run.accuracy for run in runs])
    outputs = runs[0].outputs if runs else outputs  # the classes of the data, of every model
    found = {}
    for model in dict.fromkeys([*groups, *failed]):
        group = groups.get(model, [])
        seeds = tuple(run.seed for run in group)
        if twice := [seed for seed, count in Counter[int](seeds).items() if count > 1]:
            raise DataError(
                f"{model} has {seeds.count(twice[0])} runs of seed {twice[0]} under {setting}; {ONE_OF_EACH_SEED}"
            )
        accuracies = tuple(run.accuracy for run in group)
        dead, hidden, below_1, below_5 = (_of_all([run.counts[of] for run in group]) for of in range(len(COUNTS)))
        exchanged = _of_all([run.exchanged for run in group])
        found[model] = Outcome(
            *(accuracies, dead, seeds, hidden, below_1, below_5, exchanged, outputs, failed[model]),
            rounding=rounding(rows),
            overlap=overlap(rows, setting),
        )
    return found


def _of_all(numbers: Sequence[Number | None]) -> tuple[Number, ...] | None:
    """Return the numbers of all runs, or None if there is none of some."""
    known = tuple(number for number in numbers if number is not None)
    return known if len(known) == len(numbers) else None


def rows_counted(accuracies: Iterable[float]) -> int:
    """Return the smallest number of test rows of which every accuracy, in percent, is a whole number.

    That is the number of test rows or, where few accuracies are known, a divisor of it; 0 if no number up to
    ``MOST_ROWS`` will do, as then the accuracies are not counted on rows.
    """
    shares = (Fraction(accuracy / 100).limit_denominator(MOST_ROWS) for accuracy in accuracies)
    rows = math.lcm(*(share.denominator for share in shares))
    return rows if rows <= MOST_ROWS else 0


def rounding(rows: int) -> float:
    """Return the standard deviation, in points, that rounding to whole test rows gives an accuracy; 0 for no rows."""
    return 100 / rows / math.sqrt(12) if rows else 0.0


def overlap(rows: int, setting: Setting) -> float:
    """Return rows to test on over rows to train on, if each seed splits the rows of a data set anew; else 0.

    It is never taken to be less than in a split that trains on all rows it may. The files of a data set that are
    missing tell nothing, and count as split anew.
    """
    try:
        splits = find_source(setting.dataset).splits
    except (DataError, ValueError):
        splits = True
    return max(rows / setting.train_size, TEST_SHARE / (1 - TEST_SHARE)) if splits else 0.0
