"""Tables of runs, a line for each: ``results.csv``, or one that somebody else has made."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path

from tinydist.datasets import INPUTS, find_source
from tinydist.errors import DataError
from tinydist.files import read_bytes
from tinydist.models import parse_model_name
from tinydist.reproduce.evidence.outcomes import COUNTS, ONE_OF_EACH_SEED, Outcomes, Run, by_model, run_from
from tinydist.reproduce.runs.records import CSV, MEASURED
from tinydist.reproduce.runs.settings import RunConfig, Setting, read_number
from tinydist.reproduce.runs.starts import INITIALIZATIONS, OPTIMIZERS

NEEDED = ("model", "seed", "input", "train_size", "epochs", "lr", "test_accuracy")
"""Columns without which a row says too little of a run."""
KNOWN = {*NEEDED, *(each.name for each in fields(RunConfig)), *MEASURED, "seconds", "status"}
"""Columns that a ``results.csv`` has."""


@dataclass(frozen=True)
class Table:
    """The runs in a table.

    Attributes:
        results: by setting and model.
        rows: as they stand there, headings first.
        sha256: checksum of the file.
        unknown: columns that nothing is read from, and that a ``results.csv`` has not.
    """

    results: Mapping[Setting, Outcomes]
    rows: Sequence[Sequence[str]]
    sha256: str
    unknown: Sequence[str]


@dataclass
class _Runs:
    """The runs of one setting that have been read so far, and how many outputs they have, once a line says so."""

    good: list[Run] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str, int]] = field(default_factory=set)
    outputs: int | None = None


def read_table(path: Path) -> Table:
    """Read runs from a table, such as a ``results.csv``.

    It has a line for each run, and the columns of ``NEEDED``; ``COUNTS``, `dataset` (mnist), `status` (ok) and those of
    a :class:`Setting` are optional, and so are single counts.

    Raises:
        DataError: if a column is missing, a row is not that of a run, or two are of the same run.
        OSError: if the file cannot be read.
    """
    found: dict[Setting, _Runs] = {}
    file = read_lines(path, NEEDED, KNOWN, "a run")
    for line, row in file.rows:
        try:
            _add(row, found)
        except ValueError as reason:
            raise DataError(f"{path}, line {line} is not a run: {reason}") from None
    for setting, runs in found.items():
        if runs.good and 0 < max(run.accuracy for run in runs.good) <= 1:
            raise DataError(f"{path}: no test_accuracy on {setting} is above 1; expected percent, they seem fractions")
    results = {s: by_model(runs.good, runs.failed, s, runs.outputs or 10) for s, runs in found.items()}
    cells = [[row[name] for name in file.head] for _, row in file.rows]
    return Table(results, [file.head, *cells], file.sha256, [name for name in file.head if name not in KNOWN])


@dataclass(frozen=True)
class Lines:
    """A CSV file: its first line, the number and the cells by column of every other, and the checksum."""

    head: Sequence[str]
    rows: Sequence[tuple[int, Mapping[str, str]]]
    sha256: str


def read_lines(path: Path, needed: Sequence[str], known: Set[str], what: str) -> Lines:
    """Read a CSV file.

    Args:
        path: of the file.
        needed: columns that it must have.
        known: all columns that would be read.
        what: a line is, in words.

    Raises:
        DataError: if it is no such file, or has no line below its first; if a column is missing, there twice, or
            called almost as one that would be read; or if a line has other cells than the first.
        OSError: if the file cannot be read.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected a table with a line for {what}, such as {path / CSV}")
    contents, rows = read_bytes(path), []
    try:
        text = io.StringIO(contents.decode("utf-8-sig"), newline="")
        lines = csv.DictReader(text, strict=True, skipinitialspace=True)
        head = list(lines.fieldnames or [])
        _check_head(head, path, needed, known)
        for row in lines:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, line {lines.line_num} is not {what}: it has other cells than the first line has columns"
                )
            rows.append((lines.line_num, row))
    except (UnicodeDecodeError, csv.Error) as reason:
        raise DataError(f"{path} is not a table ({reason}); expected text in UTF-8, not packed") from None
    if not rows:
        raise DataError(f"{path} has nothing below its first line; expected {what} in each line")
    return Lines(head, rows, hashlib.sha256(contents).hexdigest())


def read_csv(path: Path) -> Mapping[Setting, Outcomes]:
    """Read the runs of a table, by setting and model.

    Raises:
        DataError, OSError: as :func:`read_table`.
    """
    return read_table(path).results


def _check_head(head: Sequence[str], path: Path, needed: Sequence[str], known: Set[str]) -> None:
    if missing := [name for name in needed if name not in head]:
        near = {name: difflib.get_close_matches(name, head, n=1, cutoff=0.5) for name in missing}
        meant = "; ".join(f"is {found[0]!r} {name}?" for name, found in near.items() if found)
        raise DataError(
            f"{path} has no column {', '.join(missing)}; expected {', '.join(needed)} in the first line, separated by "
            f"commas, got {', '.join(map(repr, head)) or 'nothing'}{f' ({meant})' if meant else ''}"
        )
    if twice := [name for name, count in Counter(head).items() if count > 1]:
        raise DataError(f"{path} has {head.count(twice[0])} columns {twice[0]!r}; leave all but one of them out")
    for name in head:
        plain = name.strip().lower().replace(" ", "_")
        if name not in known and plain in known:
            raise DataError(f"{path} has a column {name!r}; write {plain}, or call it otherwise")


def _add(row: Mapping[str, str], found: dict[Setting, _Runs]) -> None:
    """Add the run in a row to those of its setting.

    Raises:
        ValueError: if the row is not that of a run, or the run is there already.
    """
    if any("\n" in cell for name, cell in row.items() if name != "status"):
        raise ValueError("a cell goes over several lines; is a quote missing?")
    model = str(parse_model_name(row["model"]))
    setting = Setting.from_row({"dataset": "mnist"} | dict(row))
    _check(setting)
    seed, status = read_number("seed", row["seed"], int), row.get("status", "ok").strip()
    runs = found.setdefault(setting, _Runs())
    if (model, seed) in runs.seen:
        raise ValueError(f"{model} has a run of seed {seed} under {setting} already; {ONE_OF_EACH_SEED}")
    runs.seen.add((model, seed))
    if row.get("outputs", "").strip():
        outputs = read_number("outputs", row["outputs"], int)
        if runs.outputs not in (None, outputs):
            raise ValueError(f"outputs: got {outputs}, and {runs.outputs} before, under the same setting")
        runs.outputs = outputs
    if not status:
        raise ValueError("status is empty; expected ok, or how the run failed")
    if status.lower() != "ok":
        runs.failed[model] += 1
        return
    run = run_from({**row, "model": model})
    dead_hidden = run.counts[COUNTS.index("dead_hidden")]
    if dead_hidden is not None and dead_hidden > setting.hidden:
        raise ValueError(f"it counts {dead_hidden} dead of {setting.hidden} hidden units")
    if setting.on_mnist and 0 < run.accuracy <= 1:
        raise ValueError(
            f"a test_accuracy of {run.accuracy:g}% is below guessing on MNIST, so it seems to be a fraction; expected "
            f"percent, {100 * run.accuracy:g}"
        )
    runs.good.append(run)


def _check(setting: Setting) -> None:
    """Check the values of a setting.

    Raises:
        ValueError: if one of them cannot be; names what is expected.
    """
    with suppress(DataError, OSError):  # data that are not here
        find_source(setting.dataset)
    named: tuple[tuple[str, Iterable[str]], ...] = (
        ("input", INPUTS),
        ("optimizer", OPTIMIZERS),
        ("initialization", INITIALIZATIONS),
    )
    for name, known in named:
        if (value := getattr(setting, name)) not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    factors = ("first_init", "first_step", "last_init", "last_step")
    for name in ("train_size", "epochs", "lr", "batch_size", "hidden", *factors):
        value = getattr(setting, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name}: expected a number above 0, got {value}")
