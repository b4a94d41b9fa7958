"""The outcomes of runs that the claims are about: accuracies and dead outputs by model, never mixing two settings."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydist.analysis.statistics import Summary, summarize
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
    """

    accuracies: tuple[float, ...]
    dead_outputs: tuple[int, ...]
    seeds: tuple[int, ...]
    dead_hidden: tuple[int, ...]
    below_1: tuple[int, ...]
    below_5: tuple[int, ...]
    outputs: int = 10

    @property
    def accuracy(self) -> Summary:
        """Return the mean and standard deviation of the test accuracies, percent."""
        return summarize(self.accuracies)

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


def outcomes(records: Iterable[RunRecord]) -> dict[str, Outcome]:
    """Group successful runs by model, in order of first appearance."""
    return _by_model(_run(record.row()) for record in records if record.status == "ok")


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
        DataError: if a row is not that of a run.
        OSError: if the file cannot be read.
    """
    runs: dict[Setting, list[Run]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                group = runs.setdefault(Setting.from_row(row), [])
                if row["status"] == "ok":
                    group.append(_run(row))
            except (KeyError, TypeError, ValueError) as reason:
                raise DataError(
                    f"{path}, line {line} is not a run ({type(reason).__name__}: {reason}); expected the columns that "
                    "python -m tinydist.reproduce writes to results.csv"
                ) from None
    return {setting: _by_model(group) for setting, group in runs.items()}


def _run(row: Mapping[str, Any]) -> Run:
    """Return a run from its row of results.csv, read from there or not written yet."""
    dead, seed, hidden, below_1, below_5 = (int(row[name]) for name in COUNTS)
    outputs = int(
        row.get("outputs", 10)
    )  # results.csv of older versions, which knew ten classes only, has no such column
    return row["model"], outputs, float(row["test_accuracy"]), dead, seed, hidden, below_1, below_5


def _by_model(runs: Iterable[Run]) -> dict[str, Outcome]:
    by_model: dict[str, list[Run]] = {}
    for run in runs:
        by_model.setdefault(run[0], []).append(run)
    found = {}
    for model, group in by_model.items():
        accuracies, dead, seeds, hidden, below_1, below_5 = zip(*(run[2:] for run in group), strict=True)
        found[model] = Outcome(accuracies, dead, seeds, hidden, below_1, below_5, outputs=group[0][1])
    return found
