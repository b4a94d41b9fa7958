"""Records: runs on disk. Each has a folder of its own, ``DIR/runs/MODEL-INPUT-seedN``, with these files
(in a study with several arms it is ``MODEL-INPUT-ARM-seedN``):

* ``config.json``: ``settings`` and ``data`` (checksums), which decide every bit and must agree for a run to be
  continued or kept; and ``parts``, for information: when, where, with which versions and from which epoch the run was
  computed, an entry for each time it was begun or continued;
* ``metrics.jsonl``: the measurements, a line each, written as they are made;
* ``checkpoint.npz``: what the run needs to go on, see :mod:`tinydist.reproduce.runs.checkpoints`;
* ``model.npz``: the trained weights, for ``model.load_state_dict(np.load(path))``; missing if the run failed;
* ``result.json``: the record. It is written last, and it alone says that the run is finished.

``DIR/results.csv`` is a view of all finished runs, rewritten whenever one is added.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinydist.errors import DataError
from tinydist.files import write_atomically
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.training import Measurement

CONFIG, METRICS, CHECKPOINT, WEIGHTS, RESULT = (
    *("config.json", "metrics.jsonl", "checkpoint.npz", "model.npz", "result.json"),
)

MEASURED = (
    *("test_accuracy", "train_accuracy", "train_loss", "outputs", "dead_outputs", "dead_hidden"),
    *("outputs_below_1_percent", "outputs_below_5_percent"),
)
"""Columns of results.csv for what was measured of the trained model; the last two count the outputs that are active on
less than so many percent of the training images, the dead ones among them."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        config: its settings.
        status: "ok", or how it failed.
        seconds: wall time.
        curve: measurements over training, the last of the trained model; empty if the run failed.
    """

    config: RunConfig
    status: str
    seconds: float
    curve: tuple[Measurement, ...]

    @property
    def final(self) -> Measurement:
        """Return the measurement of the trained model."""
        return self.curve[-1]

    def row(self) -> dict[str, object]:
        """Return the run as a row of results.csv, by column; what was not measured is empty."""
        measured: dict[str, object] = dict.fromkeys(MEASURED, "")
        if self.curve:
            final = self.final
            rare = {f"outputs_below_{n}_percent": sum(a < n / 100 for a in final.output_activity) for n in (1, 5)}
            found = {**asdict(final), "outputs": len(final.output_activity), **rare}
            measured = {name: found[name] for name in MEASURED}
        config = asdict(self.config)
        named = {"model": config.pop("model"), "seed": config.pop("seed"), **config}
        settings = {name: "" if value is None else value for name, value in named.items()}
        return {**settings, **measured, "seconds": round(self.seconds, 3), "status": self.status}

    def save(self, out: Path) -> None:
        """Write ``result.json`` of the run in `out`: from then on the run is finished."""
        outcome = {"status": self.status, "seconds": self.seconds, "curve": [asdict(m) for m in self.curve]}
        write_atomically(self.config.folder(out) / RESULT, json.dumps(outcome, indent=1))


def write_config(config: RunConfig, out: Path, parts: list[dict[str, Any]]) -> None:
    """Write ``config.json``, and make the folder of the run in `out` for it."""
    contents = {"settings": asdict(config), "data": config.checksums(), "parts": parts}
    write_atomically(config.folder(out) / CONFIG, json.dumps(contents, indent=1))


def load_config(folder: Path) -> tuple[RunConfig, list[dict[str, Any]]]:
    """Return the settings of the run in `folder`, and the parts in which it was computed.

    Raises:
        DataError: if ``config.json`` is missing, damaged or of another run, or if its data set has other checksums now.
    """
    path = folder / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {_remedy(folder)}") from None
    try:
        contents = json.loads(text)
        config, parts, checksums = RunConfig(**contents["settings"]), list(contents["parts"]), contents["data"]
        if config.folder(folder.parent.parent) != folder:
            raise ValueError(f"it is of another run, {config}")
        if config.checksums() != checksums:
            raise ValueError(f"its data set {config.dataset} had other contents than the one that is known now")
    except (OSError, ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged, or not the config of this run ({reason}); {_remedy(folder)}") from None
    return config, parts


def load_record(folder: Path) -> RunRecord:
    """Read back the finished run in `folder`.

    Raises:
        DataError: if ``config.json`` is missing or damaged, or ``result.json`` is damaged.
        OSError: if ``result.json`` cannot be read.
    """
    config, _ = load_config(folder)
    path = folder / RESULT
    try:
        outcome = json.loads(path.read_text(encoding="utf-8"))
        curve = tuple(Measurement.from_json(measurement) for measurement in outcome["curve"])
        if not curve and outcome["status"] == "ok":
            raise ValueError("no measurement")
        return RunRecord(config, outcome["status"], float(outcome["seconds"]), curve)
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged ({reason}); {_remedy(folder)}") from None


def load_curve(config: RunConfig, out: Path) -> tuple[Measurement, ...]:
    """Return the measurements of a run in `out`: of its result or, if it is half done or has failed, those made so far.

    Raises:
        DataError: if a file of the run is damaged.
    """
    folder = config.folder(out)
    if is_finished(config, out) and (record := load_record(folder)).status == "ok":
        return record.curve
    path = folder / METRICS
    if not path.exists():
        return ()
    try:
        *lines, _ = path.read_text(encoding="utf-8").split("\n")  # what follows the last line break is half a line
        return tuple(Measurement.from_json(json.loads(line)) for line in lines)
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged ({reason}); {_remedy(folder)}") from None


def _remedy(folder: Path) -> str:
    return f"delete the folder {folder.name}, and the run will be repeated"


def load_configs(out: Path) -> list[RunConfig]:
    """Return the settings of all runs in `out`, finished or not, sorted by input, arm, model and seed.

    Raises:
        DataError: if one is damaged, or `out` holds records of an older version.
    """
    old = sorted((out / "runs").glob("*.json"))
    if old:
        raise DataError(
            f"{out} holds runs as an older version recorded them (runs/{old[0].name}), without weights or checkpoints. "
            "They cannot be mixed with new ones: choose another folder with --out, or move this one away"
        )
    folders = [path.parent for path in (out / "runs").glob("*/*") if not path.name.startswith(".")]
    return sorted((load_config(folder)[0] for folder in set(folders)), key=lambda c: (c.input, c.arm, c.model, c.seed))


def is_finished(config: RunConfig, out: Path) -> bool:
    """Return whether the run has its record in the results folder `out`."""
    return (config.folder(out) / RESULT).exists()


def load_finished(configs: Iterable[RunConfig], out: Path) -> dict[RunConfig, RunRecord]:
    """Return the records in `out` of those runs that are already finished.

    Raises:
        DataError: if a run in `out`, finished or not, has other settings, or is damaged.
    """
    known = {config.folder(out): config for config in load_configs(out)}
    finished = {}
    for config in configs:
        found = known.get(config.folder(out))
        if found is None:
            continue
        if found != config:
            was, now = asdict(found), asdict(config)
            changes = ", ".join(f"{k} {was[k]} (now {now[k]})" for k in now if was[k] != now[k])
            raise DataError(f"{out} holds runs with other settings: {changes}. Choose another folder with --out")
        if is_finished(config, out):
            finished[config] = load_record(config.folder(out))
    return finished


def all_finished(out: Path) -> list[RunRecord]:
    """Return the records of all finished runs in `out`, sorted by input, arm, model and seed.

    Raises:
        DataError: if a run is damaged, or `out` holds records of an older version.
    """
    return [load_record(config.folder(out)) for config in load_configs(out) if is_finished(config, out)]


def no_runs(out: Path, kind: str = "runs") -> DataError:
    """Return the error that a results folder holds no runs of some kind, or is missing."""
    problem = f"holds no {kind}" if out.is_dir() else "is missing"
    return DataError(f"{out} {problem}; give a folder that python -m tinydist.reproduce named")


def write_csv(out: Path) -> Path:
    """Rewrite ``results.csv`` from all finished runs in `out`, and return its path."""
    records = all_finished(out)
    text = io.StringIO()
    if records:
        writer = csv.DictWriter(text, fieldnames=records[0].row(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(record.row() for record in records)
    path = out / "results.csv"
    write_atomically(path, text.getvalue())
    return path


def failures(records: Sequence[RunRecord]) -> str:
    """Return the runs that failed, one a line; empty if none did."""
    return "\n".join(f"FAILED {record.config}: {record.status}" for record in records if record.status != "ok")
