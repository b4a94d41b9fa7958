"""The outcomes of runs that the claims are about: accuracies and dead outputs by model, never mixing two settings."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tinydist.analysis.statistics import Summary, summarize
from tinydist.datasets import find_source
from tinydist.datasets.tabular import TEST_SHARE
from tinydist.errors import DataError
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting


@dataclass(frozen=True)
class Outcome:
    """All successful runs of one model, run by run.

    Attributes:
        accuracies: on the test images, percent.
        dead_outputs: outputs that are silent on every training image.
        seeds: of the initial weights.
        dead_hidden: hidden units that are silent on every training image.
        below_1, below_5: outputs active on less than 1% and 5% of the training images, the dead ones among them.
        outputs: how many outputs the model has.
        failed: how many other runs failed. Whether a run fails depends on how it trains, so that the successful ones
            alone are no fair sample of the model.
        rounding, overlap: of the accuracies, see :class:`tinydist.analysis.statistics.Summary`.
    """

    accuracies: tuple[float, ...]
    dead_outputs: tuple[int, ...]
    seeds: tuple[int, ...]
    dead_hidden: tuple[int, ...]
    below_1: tuple[int, ...]
    below_5: tuple[int, ...]
    outputs: int = 10
    failed: int = 0
    rounding: float = 0.0
    overlap: float = 0.0

    @property
    def accuracy(self) -> Summary:
        """Return the mean and standard deviation of the test accuracies, percent."""
        return summarize(self.accuracies, self.rounding, self.overlap)

    @property
    def by_seed(self) -> tuple[float, ...]:
        """Return the accuracies in the order of their seeds."""
        return tuple(accuracy for _, accuracy in sorted(zip(self.seeds, self.accuracies, strict=True)))

    @property
    def mean(self) -> float:
        """Return the mean test accuracy, percent."""
        return self.accuracy.mean

    @property
    def mean_dead(self) -> float:
        """Return the mean number of dead outputs."""
        return summarize(self.dead_outputs).mean

    @property
    def dead_nodes(self) -> tuple[int, ...]:
        """Return the dead hidden units and outputs together, run by run."""
        return tuple(map(sum, zip(self.dead_outputs, self.dead_hidden, strict=True)))


Outcomes = Mapping[str, Outcome]
COUNTS = ("dead_outputs", "seed", "dead_hidden", "outputs_below_1_percent", "outputs_below_5_percent")
"""Columns of results.csv, in the order of the attributes of Outcome that they fill."""
Run = tuple[str, int, float, int, int, int, int, int]  # model, outputs, then as the attributes of Outcome
MOST_ROWS = 1_000_000
"""Rows to test on, at most, that accuracies are taken to be counted on."""


def outcomes(records: Iterable[RunRecord]) -> dict[str, Outcome]:
    """Group the successful runs of one setting by model, in order of first appearance.

    Raises:
        DataError: if a model has two successful runs of the same seed.
    """
    records = list(records)
    runs = [_run(record.row()) for record in records if record.status == "ok"]
    failed = Counter(record.config.model for record in records if record.status != "ok")
    return _by_model(runs, failed, records[0].config.setting) if records else {}


def grouped(records: Iterable[RunRecord]) -> dict[Setting, list[RunRecord]]:
    """Group all runs, failed ones too, by setting, in order of first appearance."""
    groups: dict[Setting, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.config.setting, []).append(record)
    return groups


def by_setting(records: Iterable[RunRecord]) -> dict[Setting, dict[str, Outcome]]:
    """Group successful runs by setting, then by model."""
    return {setting: outcomes(group) for setting, group in grouped(records).items()}


def read_csv(path: Path) -> dict[Setting, dict[str, Outcome]]:
    """Read the runs of a ``results.csv``, grouped as by :func:`by_setting`.

    Raises:
        DataError: if a row is not that of a run, or two are of the same run.
        OSError: if the file cannot be read.
    """
    runs: dict[Setting, list[Run]] = {}
    failed: dict[Setting, Counter[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                if None in row or None in row.values():
                    raise ValueError("it has other cells than the first line has columns")
                setting = Setting.from_row(row)
                group, others = runs.setdefault(setting, []), failed.setdefault(setting, Counter())
                if row["status"] == "ok":
                    group.append(_run(row))
                else:
                    others[row["model"]] += 1
            except (KeyError, ValueError) as reason:
                raise DataError(
                    f"{path}, line {rows.line_num} is not a run ({type(reason).__name__}: {reason}); expected the "
                    "columns that python -m tinydist.reproduce writes to results.csv"
                ) from None
    try:
        return {setting: _by_model(group, failed[setting], setting) for setting, group in runs.items()}
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def _run(row: Mapping[str, Any]) -> Run:
    """Return a run from its row of results.csv, read from there or not written yet.

    Raises:
        KeyError, ValueError: if a number is missing, cannot be read, or is one that no run can have.
    """
    dead, seed, hidden, below_1, below_5 = (int(row[name]) for name in COUNTS)
    outputs = int(row.get("outputs", 10))  # older versions, which knew ten classes only, wrote no such column
    accuracy = float(row["test_accuracy"])
    if not 0 <= accuracy <= 100:
        raise ValueError(f"a test_accuracy of {accuracy:g} is not between 0 and 100 percent")
    if min(dead, hidden, below_1, below_5) < 0 or max(dead, below_1, below_5) > outputs:
        raise ValueError(f"it counts fewer than 0 units, or more than its {outputs} outputs")
    return row["model"], outputs, accuracy, dead, seed, hidden, below_1, below_5


def _by_model(runs: Iterable[Run], failed: Counter[str], setting: Setting) -> dict[str, Outcome]:
    by_model: dict[str, list[Run]] = {}
    for run in runs:
        by_model.setdefault(run[0], []).append(run)
    rows = rows_counted([run[2] for group in by_model.values() for run in group])
    about = {"rounding": rounding(rows), "overlap": overlap(rows, setting)}
    found = {}
    for model, group in by_model.items():
        accuracies, dead, seeds, hidden, below_1, below_5 = zip(*(run[2:] for run in group), strict=True)
        if twice := [seed for seed, count in Counter[int](seeds).items() if count > 1]:
            raise DataError(
                f"{model} has {seeds.count(twice[0])} runs of seed {twice[0]} under {setting}; expected one of "
                "each seed, as a run that is there twice would count twice. Leave all but one of them out"
            )
        found[model] = Outcome(
            accuracies, dead, seeds, hidden, below_1, below_5, outputs=group[0][1], failed=failed[model], **about
        )
    return found


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
