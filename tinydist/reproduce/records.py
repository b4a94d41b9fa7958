"""One run on disk: its settings, its outcome, its learning curve.

``DIR/runs/MODEL-seedN.json`` is the record of a run, written when the run ends. ``DIR/results.csv`` is a view of
all records, rewritten whenever one is added.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tinydist.errors import DataError
from tinydist.files import write_atomically
from tinydist.training import Measurement


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run.

    Attributes:
        model: name in the grammar of :mod:`tinydist.models`.
        seed: of the initial weights.
        dataset: name of the data set.
        input: how its pixels are scaled.
        layout: "dense" or "sparse", how the images are held; it decides the rounding, and the speed.
        train_size: training images, the first ones of the data set.
        epochs: full-batch gradient steps.
        lr: learning rate.
    """

    model: str
    seed: int
    dataset: str
    input: str
    layout: str
    train_size: int
    epochs: int
    lr: float

    def path(self, out: Path) -> Path:
        """Where the record of this run belongs in the results folder `out`."""
        return out / "runs" / f"{self.model}-seed{self.seed}.json"


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
        return self.curve[-1]

    def row(self) -> dict[str, object]:
        """The run as a row of results.csv."""
        outcome = asdict(self.final) if self.curve else {field.name: "" for field in fields(Measurement)}
        columns = ("test_accuracy", "train_accuracy", "train_loss", "dead_outputs")
        measured = {name: outcome[name] for name in columns}
        return {**asdict(self.config), **measured, "seconds": round(self.seconds, 3), "status": self.status}

    def save(self, out: Path) -> None:
        write_atomically(self.config.path(out), json.dumps(asdict(self), indent=1))


def load_record(path: Path) -> RunRecord:
    """Read a record back.

    Raises:
        DataError: if the file is not a whole record.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        curve = tuple(Measurement(**measurement) for measurement in fields["curve"])
        return RunRecord(RunConfig(**fields["config"]), fields["status"], fields["seconds"], curve)
    except (ValueError, TypeError, KeyError) as reason:
        raise DataError(
            f"{path} is not the record of a run ({reason}); delete it, and the run will be repeated"
        ) from None


def load_finished(configs: Iterable[RunConfig], out: Path) -> dict[RunConfig, RunRecord]:
    """The records in `out` of those runs that are already finished.

    Raises:
        DataError: if a record belongs to a run with other settings, or is damaged.
    """
    finished = {}
    for config in configs:
        path = config.path(out)
        if not path.exists():
            continue
        record = load_record(path)
        if record.config != config:
            found, wanted = asdict(record.config), asdict(config)
            changes = ", ".join(f"{k} {found[k]} (now {wanted[k]})" for k in wanted if found[k] != wanted[k])
            raise DataError(f"{out} holds runs with other settings: {changes}. Choose another folder with --out")
        finished[config] = record
    return finished


def write_csv(out: Path) -> Path:
    """Rewrite ``results.csv`` from all records in `out`."""
    records = [load_record(path) for path in sorted((out / "runs").glob("*.json"))]
    text = io.StringIO()
    if records:
        writer = csv.DictWriter(text, fieldnames=records[0].row(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(record.row() for record in sorted(records, key=lambda r: (r.config.model, r.config.seed)))
    path = out / "results.csv"
    write_atomically(path, text.getvalue())
    return path
