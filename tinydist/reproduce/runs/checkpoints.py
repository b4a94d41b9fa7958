"""Checkpoints: the state of a half-done run, from which it goes on to the same bits as if it had never stopped.

``checkpoint.npz`` holds ``about`` (the names of the other arrays, the settings, the epoch, the time spent and the
measurements so far, as JSON), ``weights.NAME`` for each parameter of the model and ``optimizer.NAME`` for each array
that the optimiser remembers.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.errors import DataError
from tinydist.files import atomic_path
from tinydist.reproduce.runs.records import CHECKPOINT
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.training import Measurement

Arrays = dict[str, NDArray[Any]]

DAMAGE = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""Exceptions that reading a damaged .npz file raises; OSError if an offset in it points outside the file."""


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
        about = {
            "arrays": sorted(arrays),
            "settings": asdict(self.config),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "curve": [asdict(m) for m in self.curve],
        }
        save_arrays(self.config.folder(out) / CHECKPOINT, {"about": np.array(json.dumps(about)), **arrays})


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
    contents = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(contents) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"the checksum of {damaged} is wrong")
        contents.seek(0)
        with np.load(contents, allow_pickle=False) as file:
            arrays = dict(file)
        about = json.loads(str(arrays.pop("about")))
        if sorted(arrays) != about["arrays"]:  # the list of entries in an .npz file is under no checksum
            raise ValueError(f"expected {', '.join(about['arrays'])}, got {', '.join(sorted(arrays))}")
        return Checkpoint(
            config=RunConfig(**about["settings"]),
            epoch=about["epoch"],
            seconds=about["seconds"],
            curve=tuple(Measurement.from_json(measurement) for measurement in about["curve"]),
            weights=_below("weights.", arrays),
            optimizer=_below("optimizer.", arrays),
        )
    except DAMAGE as reason:
        raise DataError(f"{path} is damaged ({reason})") from None


def _below(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def find_checkpoint(config: RunConfig, out: Path) -> Checkpoint | None:
    """Return the checkpoint of a run in `out`, or None if there is none.

    Raises:
        ForeignCheckpointError: if it belongs to a run with other settings.
        DataError: if it is damaged.
    """
    path = config.folder(out) / CHECKPOINT
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)
    if checkpoint.config != config:
        raise ForeignCheckpointError(
            f"{path} belongs to another run ({checkpoint.config}, {checkpoint.config.epochs} epochs, "
            f"lr {checkpoint.config.lr:g}). Move it to where it belongs, or delete it to begin this run again"
        )
    return checkpoint
