"""The export of learning curves: for TensorBoard, and as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tinydist.errors import DataError
from tinydist.files import atomic_path
from tinydist.reproduce.runs.records import load_config, load_configs, load_curve, no_runs, settings_of
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.training import Measurement

EVENTS = "events.out.tfevents.0.tinydist"
"""The file of a run. TensorBoard reads all files with "tfevents" in their names; this name is always the same, so that
another export takes the place of the one before."""

CURVES = "curves.csv"
"""The table of learning curves of a results folder."""

SCALARS = ("train_loss", "train_accuracy", "test_accuracy", "dead_outputs", "dead_hidden")


def export(out: Path, logdir: Path) -> list[Path]:
    """Write an event file for each run in the results folder `out` that has been measured, and return their paths.

    Args:
        out: results folder.
        logdir: gets a folder for each run, of the same name as in `out`. Only earlier exports are replaced in it.

    Raises:
        DataError: if `out` holds no runs, none that has been measured, or a damaged one; or if tensorboardX is not
            installed.
        OSError: if a file cannot be read or written.
    """
    written = []
    for config, curve in _measured(out):
        path = logdir / config.folder(out).name / EVENTS
        _, parts = load_config(config.folder(out))
        write_events(path, config, curve, datetime.fromisoformat(parts[0]["began"]).timestamp())
        written.append(path)
    return written


def export_table(out: Path, path: Path) -> int:
    """Write the learning curves of all runs in the results folder `out` that have been measured as one CSV file.

    It has a line for each measurement: the settings of the run, the epoch, and what was measured, as in
    :class:`tinydist.training.Measurement`.

    Args:
        out: results folder.
        path: the file; an older one is replaced.

    Returns:
        How many runs it has.

    Raises:
        DataError: if `out` holds no runs, none that has been measured, or a damaged one; or if there is another file.
        OSError: if a file cannot be read or written.
    """
    curves = _measured(out)
    rows = [
        {**settings_of(config), "epoch": at.epoch, **{name: getattr(at, name) for name in SCALARS}}
        for config, curve in curves
        for at in curve
    ]
    head = ",".join(rows[0])
    if path.exists() and path.read_text(encoding="utf-8", errors="replace").partition("\n")[0] != head:
        raise DataError(f"{path} has other columns than these curves, and would be lost. Name another file with --out")
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return len(curves)


def _measured(out: Path) -> list[tuple[RunConfig, Sequence[Measurement]]]:
    """Return the runs in `out` that have been measured, each with its learning curve; raises as :func:`export`."""
    configs = load_configs(out)
    if not configs:
        raise no_runs(out)
    curves: list[tuple[RunConfig, Sequence[Measurement]]] = [
        (config, curve) for config in configs if (curve := load_curve(config, out))
    ]
    if not curves:
        raise DataError(f"no run in {out} has been measured yet; try again when the first one has begun")
    return curves


def write_events(path: Path, config: RunConfig, curve: Sequence[Measurement], began: float) -> None:
    """Write the settings and the measurements of a run as a TensorBoard event file.

    Args:
        path: the file; its folder is made, and an older file of the same run replaced.
        config, curve: of the run.
        began: when the run did, in seconds since 1970; all events carry this time, for measurements have none.

    Raises:
        DataError: if the file there is of another run, or tensorboardX is not installed.
        OSError: if the file cannot be written.
    """
    try:
        from tensorboardX import RecordWriter  # here, because only this format needs it, and it is not always installed
    except ImportError as problem:
        raise DataError(
            f"the export needs tensorboardX ({problem}). Install it with: pip install 'tinydist[tensorboard]'"
        ) from None

    if path.exists() and _table(config).encode() not in path.read_bytes():
        raise DataError(
            f"{path} is of another run, and would be lost. Choose another folder with --out, or move it away"
        )
    with atomic_path(path) as temporary, closing(RecordWriter(str(temporary))) as writer:
        for event in _events(config, curve, began):
            writer.write(event.SerializeToString())


def _table(config: RunConfig) -> str:
    settings = "\n".join(f"| {name} | {value} |" for name, value in asdict(config).items())
    return f"| setting | value |\n|---|---|\n{settings}"


def _events(config: RunConfig, curve: Sequence[Measurement], began: float) -> Iterator[Any]:
    from tensorboardX import summary
    from tensorboardX.proto.event_pb2 import Event

    yield Event(wall_time=began, file_version="brain.Event:2")
    yield Event(wall_time=began, summary=summary.text("settings", _table(config)))
    for measurement in curve:
        for name in SCALARS:
            scalar = summary.scalar(name, getattr(measurement, name))
            yield Event(wall_time=began, step=measurement.epoch, summary=scalar)
