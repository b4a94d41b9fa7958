"""Tables of runs, a line for each: ``results.csv``, or one that somebody else has made."""

from __future__ import annotations

import csv
import difflib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tinydist.datasets import INPUTS
from tinydist.errors import DataError
from tinydist.models import parse_model_name
from tinydist.reproduce.evidence.outcomes import COUNTS, Outcome, Outcomes, Run, by_model, run_from
from tinydist.reproduce.runs.records import MEASURED
from tinydist.reproduce.runs.settings import RunConfig, Setting

NEEDED = ("model", "seed", "input", "train_size", "epochs", "lr", "test_accuracy")
"""Columns without which a row says too little of a run."""


@dataclass(frozen=True)
class Table:
    """The runs in a table.

    Attributes:
        results: the successful ones, by setting and model.
        failed: how many others there are of a model, by setting.
        unread: columns that nothing is read from.
    """

    results: Mapping[Setting, Outcomes]
    failed: Mapping[Setting, Mapping[str, int]]
    unread: Sequence[str]


def read_table(path: Path) -> Table:
    """Read runs from a table, such as a ``results.csv``.

    It has a line for each run, and the columns of ``NEEDED``; ``COUNTS``, `dataset` (mnist), `status` (ok) and those of
    a :class:`Setting` are optional.

    Raises:
        DataError: if a column is missing, a row is not that of a run, or two are of the same run.
        OSError: if the file cannot be read.
    """
    runs: dict[Setting, list[Run]] = {}
    failed: dict[Setting, Counter[str]] = {}
    try:
        for line, row in _rows(path):
            try:
                _add(row, runs, failed)
            except ValueError as reason:
                raise DataError(f"{path}, line {line} is not a run: {reason}") from None
        results = {setting: _of_setting(path, group, failed[setting], setting) for setting, group in runs.items()}
        read = {*NEEDED, *COUNTS, *(field.name for field in fields(RunConfig)), *MEASURED, "seconds", "status"}
        return Table(results, failed, [name for name in _head(path) if name not in read])
    except (UnicodeDecodeError, csv.Error) as reason:
        raise DataError(
            f"{path} is not a table of runs ({reason}); expected text in UTF-8, cells between commas"
        ) from None


def read_csv(path: Path) -> Mapping[Setting, Outcomes]:
    """Read the successful runs of a table, by setting and model; raises as :func:`read_table`."""
    return read_table(path).results


def _add(row: Mapping[str, str], runs: dict[Setting, list[Run]], failed: dict[Setting, Counter[str]]) -> None:
    """Add the run in a row to those of its setting.

    Raises:
        ValueError: if the row is not that of a run.
    """
    if None in row or None in row.values():
        raise ValueError("it has other cells than the first line has columns")
    parse_model_name(row["model"])
    setting = Setting.from_row({"dataset": "mnist"} | dict(row))
    if setting.input not in INPUTS:
        raise ValueError(f"input: expected one of {', '.join(INPUTS)}, got {setting.input!r}")
    if not (setting.train_size > 0 and setting.epochs > 0 and 0 < setting.lr < math.inf):
        raise ValueError(f"train_size, epochs and lr have to be above 0, got {setting}")
    group, others = runs.setdefault(setting, []), failed.setdefault(setting, Counter())
    if row.get("status", "ok") == "ok":
        group.append(_run_in(row, setting))
    else:
        others[row["model"]] += 1


def _of_setting(path: Path, runs: list[Run], failed: Counter[str], setting: Setting) -> dict[str, Outcome]:
    try:
        return by_model(runs, failed, setting)
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def _head(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row of a table of runs, and the number of its line.

    Raises:
        DataError: if a column is missing or there twice, or there are no rows.
    """
    head = _head(path)
    if missing := [name for name in NEEDED if name not in head]:
        near = {name: difflib.get_close_matches(name, head, n=1, cutoff=0.5) for name in missing}
        meant = "; ".join(f"is {found[0]!r} {name}?" for name, found in near.items() if found)
        raise DataError(
            f"{path} has no column {', '.join(missing)}; expected {', '.join(NEEDED)} in the first line, separated by "
            f"commas, got {', '.join(map(repr, head)) or 'nothing'}{f' ({meant})' if meant else ''}"
        )
    if twice := [name for name, count in Counter(head).items() if count > 1]:
        raise DataError(f"{path} has {head.count(twice[0])} columns {twice[0]!r}; leave all but one of them out")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            yield rows.line_num, row
    if rows.line_num == 1:
        raise DataError(f"{path} has no runs below its first line; expected one in each line")


def _run_in(row: Mapping[str, str], setting: Setting) -> Run:
    """Return a run from its row of a table.

    Raises:
        ValueError: if a number is missing, cannot be read, or is one that no run can have.
    """
    if empty := [name for name in COUNTS if not row.get(name, "0").strip()]:
        raise ValueError(f"{empty[0]} is empty; leave the column out if it is not known of every run")
    run = run_from(row)
    if setting.on_mnist and 0 < run.accuracy <= 1:
        raise ValueError(
            f"a test_accuracy of {run.accuracy:g}% is below guessing on MNIST, so it seems to be a fraction; expected "
            f"percent, {100 * run.accuracy:g}"
        )
    return run
