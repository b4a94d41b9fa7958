"""Checkpoints: the state of a half-done run, from which it goes on to the same bits as if it had never stopped.

``checkpoint.npz`` holds ``about`` (the names of the other arrays, the run, the epoch, the time spent and the
measurements so far, as sealed JSON), ``weights.NAME`` for each parameter of the model and ``optimizer.NAME`` for each
array that the optimiser remembers.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.errors import DataError
from tinydist.files import DAMAGED_NPZ, atomic_path, read_bytes
from tinydist.reproduce.runs.records import CHECKPOINT, identity
from tinydist.reproduce.runs.seals import opened, sealed
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.training import Measurement

Arrays = dict[str, NDArray[Any]]


class ForeignCheckpointError(DataError):
    """An intact checkpoint in the folder of another run."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `epoch` epochs.

    Attributes:
        config: the settings of the run.
        epoch: epochs done.
        seconds: wall time spent on them.
        curve: the measurements before `epoch`; the one at `epoch`, if it is due, is made when the run goes on.
        weights: the model's state_dict.
        optimizer: the optimiser's state_dict.
    """

    config: RunConfig
    epoch: int
    seconds: float
    curve: tuple[Measurement, ...]
    weights: Arrays
    optimizer: Arrays

    def save(self, out: Path) -> None:
        """Replace the checkpoint of the run in `out`; a crash while it is written leaves the one before intact."""
        arrays = {f"weights.{name}": array for name, array in self.weights.items()}
        arrays |= {f"optimizer.{name}": array for name, array in self.optimizer.items()}
        folder = self.config.folder(out)
        about = {
            "run": identity(folder),
            "arrays": sorted(arrays),
            "settings": asdict(self.config),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "curve": [asdict(m) for m in self.curve],
        }
        save_arrays(folder / CHECKPOINT, {"about": np.array(json.dumps(sealed(about))), **arrays})


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write an .npz file, whole or not at all."""
    with atomic_path(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint back.

    Raises:
        DataError: if the file is damaged; every array in it is under a checksum.
        OSError: if the file cannot be read.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[Checkpoint, str]:
    """Return a checkpoint, and the identity of the run that it is of."""
    contents = read_bytes(path)
    try:
        arrays = arrays_in(contents)
        about = opened(str(arrays.pop("about")))
        if sorted(arrays) != about["arrays"]:  # the list of entries in an .npz file is under no checksum
            raise ValueError(f"expected {', '.join(about['arrays'])}, got {', '.join(sorted(arrays))}")
        checkpoint = Checkpoint(
            config=RunConfig(**about["settings"]),
            epoch=about["epoch"],
            seconds=about["seconds"],
            curve=tuple(Measurement.from_json(measurement) for measurement in about["curve"]),
            weights=_below("weights.", arrays),
            optimizer=_below("optimizer.", arrays),
        )
        return checkpoint, about["run"]
    except DAMAGED_NPZ as reason:
        raise DataError(f"{path} is damaged ({reason})") from None


def arrays_in(contents: bytes) -> Arrays:
    """Return the arrays of an .npz file, given what is in it, by name.

    Raises:
        one of :data:`tinydist.files.DAMAGED_NPZ`: if it is damaged.
    """
    file = io.BytesIO(contents)
    with zipfile.ZipFile(file) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"the checksum of {damaged} is wrong")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _below(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def find_checkpoint(config: RunConfig, out: Path) -> Checkpoint | None:
    """Return the checkpoint of a run in `out`, or None if there is none.

    Raises:
        ForeignCheckpointError: if it belongs to a run with other settings.
        DataError: if it is damaged.
        OSError: if it cannot be read.
    """
    folder = config.folder(out)
    path = folder / CHECKPOINT
    try:
        checkpoint, run = _load(path)
    except FileNotFoundError:
        return None
    if checkpoint.config != config or run != identity(folder):
        other = " on other data" if checkpoint.config == config else ""
        raise ForeignCheckpointError(
            f"{path} belongs to another run ({checkpoint.config}{other}, {checkpoint.config.epochs} epochs, "
            f"lr {checkpoint.config.lr:g}). Move it to where it belongs, or delete it to begin this run again"
        )
    return checkpoint
