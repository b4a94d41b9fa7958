"""Records: runs on disk. Each has a folder of its own, ``DIR/runs/MODEL-INPUT-seedN``, with these files
(in a study with several arms it is ``MODEL-INPUT-ARM-seedN``):

* ``config.json``: ``settings`` and ``data`` (checksums), which decide every bit and must agree for a run to be
  continued or kept; and ``parts``, for information: when, where, with which versions and from which epoch the run was
  computed, an entry for each time it was begun or continued;
* ``metrics.jsonl``: the measurements, a line each, written as they are made; each line is sealed after the one before;
* ``checkpoint.npz``: what the run needs to go on, see :mod:`tinydist.reproduce.runs.checkpoints`;
* ``model.npz``: the trained weights, for ``model.load_state_dict(np.load(path))``; missing if the run failed;
* ``result.json``: the record, and the checksums of ``model.npz`` and ``metrics.jsonl``. It is written last, and it
  alone says that the run is finished.

All are sealed, see :mod:`tinydist.reproduce.runs.seals`, and name the run that they are of by :func:`identity`. So a
file that was changed, cut or put into another run's folder is told from one that is right.

``DIR/results.csv`` is a view of all finished runs, rewritten whenever one is added. No result is read from it; only
:func:`check_rows` looks whether a row would be lost.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinydist.analysis.overshoot import SILENT, THRESHOLD
from tinydist.errors import DataError
from tinydist.files import read_bytes, unreadable, write_atomically
from tinydist.models import parse_model_name
from tinydist.reproduce.runs.seals import SEAL, UnsealedError, digest, opened, sealed
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.training import Measurement

CONFIG, METRICS, CHECKPOINT, WEIGHTS, RESULT = (
    *("config.json", "metrics.jsonl", "checkpoint.npz", "model.npz", "result.json"),
)
FILES = {CONFIG, METRICS, CHECKPOINT, WEIGHTS, RESULT}
CSV = "results.csv"
RESULTS = (CSV, "report.html", "figures", "study")
"""What is written into a results folder beside the runs, from them."""

MEASURED = (
    *("test_accuracy", "exchanged_accuracy", "train_accuracy", "train_loss", "outputs", "dead_outputs", "dead_hidden"),
    *("outputs_below_1_percent", "outputs_below_5_percent", "silent_images", "overshoot"),
)
"""Columns of results.csv for what was measured: of the trained model, but for the last, which is of the first step.
`outputs_below_N_percent` counts outputs that are active on less than N percent of the training images, the dead ones
among them; `silent_images` is the share of these images on which no output is active. `exchanged_accuracy` is
the test accuracy after the classes of an OffsetL2 layer have exchanged their prototypes."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        config: its settings.
        status: "ok", or how it failed.
        seconds: wall time.
        curve: measurements over training, the last of the trained model; empty if the run failed.
        overshoot: κ of the first step, see :mod:`tinydist.analysis.overshoot`; None if the run failed, or an older
            version did it.
    """

    config: RunConfig
    status: str
    seconds: float
    curve: tuple[Measurement, ...]
    overshoot: float | None = None

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
            found = {**asdict(final), "outputs": len(final.output_activity), **rare, "overshoot": self.overshoot}
            measured = {name: "" if found[name] is None else found[name] for name in MEASURED}
        return {**settings_of(self.config), **measured, "seconds": round(self.seconds, 3), "status": self.status}

    def save(self, out: Path) -> None:
        """Write ``result.json`` of the run in `out`, whose other files are there: from then on the run is finished."""
        folder = self.config.folder(out)
        outcome = {
            "run": identity(folder),
            "status": self.status,
            "seconds": self.seconds,
            "curve": [asdict(m) for m in self.curve],
            "overshoot": self.overshoot if self.overshoot is None or math.isfinite(self.overshoot) else None,
            "files": {name: _sha256(read_bytes(folder / name)) for name in sorted({METRICS, WEIGHTS} & _names(folder))},
        }
        write_atomically(folder / RESULT, json.dumps(sealed(outcome), indent=1))


def settings_of(config: RunConfig) -> dict[str, object]:
    """Return the settings of a run as the first cells of its row of results.csv."""
    fields = asdict(config)
    named = {"model": fields.pop("model"), "seed": fields.pop("seed"), **fields}
    return {name: "" if value is None else value for name, value in named.items()}


def write_config(config: RunConfig, out: Path, parts: list[dict[str, Any]]) -> None:
    """Write ``config.json``, and make the folder of the run in `out` for it."""
    contents = {"settings": asdict(config), "data": config.checksums(), "parts": parts}
    write_atomically(config.folder(out) / CONFIG, json.dumps(sealed(contents), indent=1))


def load_config(folder: Path) -> tuple[RunConfig, list[dict[str, Any]]]:
    """Return the settings of the run in `folder`, and the parts in which it was computed. The data are not needed.

    Raises:
        DataError: if ``config.json`` is missing, damaged or of another run.
        OSError: if it cannot be read.
    """
    config, contents = _read_config(folder)
    return config, contents["parts"]


def identity(folder: Path) -> str:
    """Return the checksum of all that decides the run in `folder`, which names the run in its other files.

    Raises:
        DataError, OSError: as :func:`load_config`.
    """
    return _identity(_read_config(folder)[1])


def _identity(contents: Mapping[str, Any]) -> str:
    return digest(contents["settings"], contents["data"])


def data_checksums(folder: Path) -> dict[str, str]:
    """Return the checksums of the data that the run in `folder` was begun with, by file.

    Raises:
        DataError, OSError: as :func:`load_config`.
    """
    _, contents = _read_config(folder)
    return dict(contents["data"])


def check_data(folder: Path) -> None:
    """Check that the data of the run in `folder` are those that it was begun with.

    Raises:
        DataError: if they are missing or have other contents; or as :func:`load_config`.
        OSError: if a file cannot be read.
    """
    config, contents = _read_config(folder)
    was, now = contents["data"], config.checksums()
    if changed := sorted(name for name in {*was, *now} if was.get(name) != now.get(name)):
        raise DataError(
            f"the data set {config.dataset} had other contents when {folder} was begun ({', '.join(changed)}). Put the "
            "data back as they were; or choose another folder with --out, where the runs are done on the new data"
        )


def _read_config(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    path = folder / CONFIG
    try:
        text = read_bytes(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {_remedy(folder)}") from None
    try:
        contents = opened(text)
        config = RunConfig(**contents["settings"])
        if config.folder(Path()).name != folder.resolve().name:
            raise ValueError(f"it is of another run, {config}")
    except UnsealedError as reason:
        raise DataError(f"{path}: {reason}; choose another folder with --out") from None
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged, or not the config of this run ({reason}); {_remedy(folder)}") from None
    return config, contents


def load_record(folder: Path) -> RunRecord:
    """Read back the finished run in `folder`.

    Raises:
        DataError: if ``config.json`` is missing or damaged, or ``result.json`` is damaged or of another run.
        OSError: if a file cannot be read.
    """
    return _read_result(folder)[0]


def _read_result(folder: Path) -> tuple[RunRecord, dict[str, str]]:
    """Return the finished run in `folder`, and the checksums of its other files by name."""
    config, contents = _read_config(folder)
    path = folder / RESULT
    text = read_bytes(path)
    try:
        outcome = opened(text)
        if outcome["run"] != _identity(contents):
            raise ValueError("it is of another run")
        curve = tuple(map(Measurement.from_json, outcome["curve"]))
        if not curve and outcome["status"] == "ok":
            raise ValueError("no measurement")
        overshoot = outcome.get("overshoot")
        return RunRecord(config, outcome["status"], outcome["seconds"], curve, overshoot), outcome["files"]
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged ({reason}); {_remedy(folder)}") from None


def read_checked(folder: Path, name: str) -> bytes:
    """Return the contents of ``model.npz`` or ``metrics.jsonl`` of the finished run in `folder`.

    Raises:
        DataError: if the file is not as it was when the run was finished, or a file of the run is missing or damaged.
        FileNotFoundError: if the file, or ``result.json``, is missing.
        OSError: if a file cannot be read.
    """
    record, checksums = _read_result(folder)
    contents = read_bytes(folder / name)
    if checksums.get(name) != _sha256(contents):
        raise DataError(
            f"{folder / name} is damaged, or not of {record.config} ({RESULT} holds another checksum for it); "
            f"{_remedy(folder)}"
        )
    return contents


def _sha256(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def metrics_lines(curve: Iterable[Measurement], run: str) -> list[str]:
    """Return the lines of ``metrics.jsonl`` for measurements of the run of this identity."""
    lines, seal = [], run
    for measurement in curve:
        line = sealed(asdict(measurement), seal)
        seal = line[SEAL]
        lines.append(json.dumps(line) + "\n")
    return lines


def load_curve(config: RunConfig, out: Path) -> tuple[Measurement, ...]:
    """Return the measurements of a run in `out`: of its result or, if it is half done or has failed, those made so far.

    Raises:
        DataError: if a file of the run is damaged.
        OSError: if one cannot be read.
    """
    folder = config.folder(out)
    finished = is_finished(config, out)
    if finished and (record := load_record(folder)).status == "ok":
        return record.curve
    path = folder / METRICS
    try:
        contents = read_checked(folder, METRICS) if finished else read_bytes(path)
    except FileNotFoundError:
        if finished:
            raise DataError(f"{path} is missing; {_remedy(folder)}") from None
        return ()
    try:
        *lines, _ = contents.decode("utf-8").split("\n")  # what follows the last line break is half a line
        curve, seal = [], identity(folder)
        for line in lines:
            curve.append(Measurement.from_json(opened(line, seal)))
            seal = json.loads(line)[SEAL]
        return tuple(curve)
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(f"{path} is damaged ({reason}); {_remedy(folder)}") from None


def _remedy(folder: Path) -> str:
    return (
        f"delete the folder {folder.name}, or move it away, and the run will be repeated; or choose another folder "
        "with --out"
    )


def load_configs(out: Path) -> list[RunConfig]:
    """Return the settings of all runs in `out`, finished or not, sorted by input, arm, model and seed.

    A folder in ``runs`` is a run if a file of a run is in it. Other folders and files there, and hidden ones, are
    somebody else's, and are left alone.

    Raises:
        DataError: if one is damaged, or `out` holds records of an older version.
        OSError: if a folder or file cannot be read.
    """
    runs = out / "runs"
    folders = [runs / name for name in sorted(_names(runs)) if not name.startswith(".")]
    if old := [path for path in folders if path.suffix == ".json" and path.is_file()]:
        raise DataError(
            f"{out} holds runs as an older version recorded them (runs/{old[0].name}), without weights or checkpoints. "
            "They cannot be mixed with new ones: choose another folder with --out, or move this one away"
        )
    ours = [folder for folder in folders if folder.is_dir() and _names(folder) & FILES]
    return sorted((load_config(folder)[0] for folder in ours), key=_place)


def _place(config: RunConfig) -> tuple[str, str, str, int]:
    """Return by what runs are sorted."""
    return config.input, config.arm, config.model, config.seed


def _names(folder: Path) -> set[str]:
    """Return the names in a folder, none if it is missing.

    Raises:
        OSError: if it cannot be read.
    """
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
    except PermissionError:
        raise unreadable(folder) from None


def is_finished(config: RunConfig, out: Path) -> bool:
    """Return whether the run has its record in the results folder `out`.

    Raises:
        OSError: if its folder cannot be read.
    """
    return RESULT in _names(config.folder(out))


def load_finished(configs: Iterable[RunConfig], out: Path) -> dict[RunConfig, RunRecord]:
    """Return the records in `out` of those runs that are already finished.

    Raises:
        DataError: if a run in `out`, finished or not, has other settings, or is damaged; or if the data of one of
            `configs` have changed since it was begun.
        OSError: if a file cannot be read.
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
        check_data(config.folder(out))
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


def check_folder(out: Path) -> None:
    """Check, before any work, that a sweep can write into the folder `out`, and replaces nothing there but its own.

    The runs in a folder prove that the results beside them are ours.

    Raises:
        DataError: if there are results without runs, or a run is damaged.
        OSError: if `out` is not a folder, or cannot be read or written.
    """
    there = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is a file, or a link that leads nowhere; name a folder with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{there} cannot be written: permission denied. Choose another folder with --out")
    if not load_configs(out) and (theirs := [name for name in RESULTS if _holds_something(out / name)]):
        raise DataError(
            f"{out} holds {', '.join(theirs)}, but no runs that they were made from, and they would be lost. Choose "
            "another folder with --out, or move them away"
        )


def check_rows(out: Path, configs: Iterable[RunConfig]) -> None:
    """Check, before any work, that ``results.csv`` in `out` has no row of a run that is neither there nor in `configs`.

    Raises:
        DataError: if it has, and they would be lost; or if a run is damaged.
        OSError: if a file cannot be read.
    """
    path = out / CSV
    if not _holds_something(path):
        return
    rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8", errors="replace"), newline="")))
    ours = [settings_of(config) for config in (*load_configs(out), *configs)]
    columns = [column for column in ours[0] if rows and column in rows[0]]  # an older version may have had fewer
    known = {tuple(str(settings[column]) for column in columns) for settings in ours}
    if lost := sum(not columns or tuple(row[column] for column in columns) not in known for row in rows):
        raise DataError(
            f"{path} holds {lost} rows that are not of the runs in {out / 'runs'}, and would be lost. Move it away, or "
            "choose another folder with --out"
        )


def _holds_something(path: Path) -> bool:
    if path.is_dir():
        return any(not name.startswith(".") for name in _names(path))
    return os.path.lexists(path) and path.lstat().st_size > 0


def write_csv(out: Path, records: Iterable[RunRecord]) -> Path:
    """Rewrite ``results.csv`` in `out` from the records of all runs that are finished there, and return its path."""
    text = io.StringIO()
    rows = [record.row() for record in sorted(records, key=lambda record: _place(record.config))]
    if rows:
        writer = csv.DictWriter(text, fieldnames=rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    path = out / CSV
    write_atomically(path, text.getvalue())
    return path


def long_first_steps(records: Iterable[RunRecord]) -> str:
    """Return in a line which models have outputs that their first step may have switched off; empty if none has.

    They have an activation behind the outputs that is silent on one side, and an overshoot κ above the threshold, of
    which the line has the largest. Below the threshold a step does it less often, but it may.
    """
    found: dict[str, list[float]] = {}
    for record in records:
        spec = parse_model_name(record.config.model)
        if record.overshoot is not None and spec.again and spec.activation in SILENT:
            found.setdefault(record.config.model, []).append(record.overshoot)
    long = {model: max(values) for model, values in found.items() if max(values) > THRESHOLD}
    named = ", ".join(f"{model} {kappa:.2g}" for model, kappa in long.items())
    return f"The first step may have switched outputs off (κ above {THRESHOLD:g}): {named}" if named else ""


def failures(records: Sequence[RunRecord]) -> str:
    """Return the runs that failed, one a line; empty if none did."""
    return "\n".join(f"FAILED {record.config}: {record.status}" for record in records if record.status != "ok")
