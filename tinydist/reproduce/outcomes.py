"""Runs as the claims see them: accuracies and dead outputs by model, never mixing two settings."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tinydist.analysis.statistics import Summary, summarize
from tinydist.errors import DataError
from tinydist.reproduce.records import RunRecord


@dataclass(frozen=True)
class Setting:
    """What runs must share before they may be compared; attributes as in RunConfig."""

    dataset: str
    input: str
    train_size: int
    epochs: int
    lr: float

    def __str__(self) -> str:
        return (
            f"{self.input} input, {self.dataset}, {self.train_size:,} training images, {self.epochs:,} epochs, "
            f"lr {self.lr:g}"
        )


@dataclass(frozen=True)
class Outcome:
    """All successful runs of one model, run by run: test accuracy in percent, dead outputs of 10, seed."""

    accuracies: tuple[float, ...]
    dead_outputs: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def accuracy(self) -> Summary:
        return summarize(self.accuracies)

    @property
    def by_seed(self) -> tuple[float, ...]:
        """The accuracies in the order of their seeds."""
        return tuple(accuracy for _, accuracy in sorted(zip(self.seeds, self.accuracies, strict=True)))

    @property
    def mean(self) -> float:
        return self.accuracy.mean

    @property
    def mean_dead(self) -> float:
        return summarize(self.dead_outputs).mean


Outcomes = Mapping[str, Outcome]
Run = tuple[str, int, float, int]  # model, seed, test accuracy, dead outputs


def outcomes(records: Iterable[RunRecord]) -> dict[str, Outcome]:
    """Successful runs grouped by model, in order of first appearance."""
    return _by_model(_run(record) for record in records if record.status == "ok")


def by_setting(records: Iterable[RunRecord]) -> dict[Setting, dict[str, Outcome]]:
    """Successful runs grouped by setting, then by model."""
    runs: dict[Setting, list[Run]] = {}
    for record in records:
        setting = Setting(*(getattr(record.config, field.name) for field in fields(Setting)))
        runs.setdefault(setting, []).extend([_run(record)] if record.status == "ok" else [])
    return {setting: _by_model(group) for setting, group in runs.items()}


def read_csv(path: Path) -> dict[Setting, dict[str, Outcome]]:
    """The runs of a ``results.csv``, grouped as by :func:`by_setting`.

    Raises:
        DataError: if a row is not that of a run.
    """
    runs: dict[Setting, list[Run]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                size, epochs, lr = int(row["train_size"]), int(row["epochs"]), float(row["lr"])
                group = runs.setdefault(Setting(row["dataset"], row["input"], size, epochs, lr), [])
                if row["status"] == "ok":
                    accuracy, dead = float(row["test_accuracy"]), int(row["dead_outputs"])
                    group.append((row["model"], int(row["seed"]), accuracy, dead))
            except (KeyError, TypeError, ValueError) as reason:
                raise DataError(
                    f"{path}, line {line} is not a run ({type(reason).__name__}: {reason}); expected the columns that "
                    "python -m tinydist.reproduce writes to results.csv"
                ) from None
    return {setting: _by_model(group) for setting, group in runs.items()}


def _run(record: RunRecord) -> Run:
    return record.config.model, record.config.seed, record.final.test_accuracy, record.final.dead_outputs


def _by_model(runs: Iterable[Run]) -> dict[str, Outcome]:
    by_model: dict[str, list[Run]] = {}
    for run in runs:
        by_model.setdefault(run[0], []).append(run)
    return {
        model: Outcome(tuple(r[2] for r in group), tuple(r[3] for r in group), tuple(r[1] for r in group))
        for model, group in by_model.items()
    }
