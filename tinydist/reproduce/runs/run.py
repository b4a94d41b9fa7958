"""The execution of one run, recorded as it goes, so that it can be stopped at any moment and continued."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tinydist import datasets
from tinydist.analysis.overshoot import measure_overshoot
from tinydist.batches import Batching
from tinydist.errors import DataError, DivergedError
from tinydist.files import write_atomically
from tinydist.nn import Module, Sequential
from tinydist.optim import Optimizer
from tinydist.reproduce.runs.checkpoints import Checkpoint, find_checkpoint, save_arrays
from tinydist.reproduce.runs.records import (
    CHECKPOINT,
    FILES,
    METRICS,
    WEIGHTS,
    RunRecord,
    identity,
    is_finished,
    load_config,
    load_record,
    metrics_lines,
    write_config,
)
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.runs.starts import start
from tinydist.training import Measurement, train

if sys.platform != "win32":
    import fcntl

PATIENCE = 5.0
"""Seconds to wait for another process that holds a run: a worker that was orphaned stops after its epoch."""


AnyDataset = datasets.Dataset | datasets.StreamedDataset


def data_of(config: RunConfig) -> AnyDataset:
    """Return the data of a run, kept for the next one; the seed splits the rows where the data set does not.

    Raises:
        DataError, ValueError: as :func:`tinydist.datasets.load`.
    """
    checksums = config.checksums()  # first, as they say more clearly what is missing
    split = config.seed if datasets.find_source(config.dataset).splits else 0
    return _load_data(config.dataset, config.input, config.train_size, config.layout, split, tuple(checksums.items()))


def load_data(dataset: str, input: str, train_size: int | None, layout: str) -> AnyDataset:
    """Load a data set, and keep it in case it is the next one, too; rows on disk stay there.

    Raises:
        DataError, ValueError: as :func:`tinydist.datasets.load`.
    """
    checksums = datasets.find_source(dataset).checksums()
    return _load_data(dataset, input, train_size, layout, 0, tuple(checksums.items()))


@functools.lru_cache(maxsize=1)
def _load_data(
    dataset: str,
    input: str,
    train_size: int | None,
    layout: str,
    split: int,
    _checksums: tuple[tuple[str, str], ...],  # kept until the contents change
) -> AnyDataset:
    if datasets.is_streamed(dataset):
        return datasets.stream(dataset, input, train_size)
    return datasets.load(dataset, input, train_size, layout, split)


def data_in_memory(config: RunConfig, rows: int = 10_000) -> datasets.Dataset:
    """Return the data of a run; of those that stay on disk the first `rows` images to train and to test on."""
    data = data_of(config)
    return data.head(rows) if isinstance(data, datasets.StreamedDataset) else data


def execute(
    config: RunConfig,
    out: Path,
    checkpoint_every: float,
    environment: dict[str, object],
    on_epoch: Callable[[int], None],
) -> RunRecord:
    """Do one run, from its checkpoint if it has one; save its record, also if training diverged, and return it.

    Args:
        config: the run.
        out: results folder; ``config.json`` of the run is there.
        checkpoint_every: seconds from one checkpoint to the next.
        environment: what ``config.json`` records about this part of the run.
        on_epoch: called with the number of epochs done, after each of them.

    Raises:
        DataError: if the checkpoint is damaged or foreign, or another process is doing this run.
    """
    data = data_of(config)
    model, optimizer = start(config, data)
    batching = Batching(config.batch_size, config.chunk_size, config.seed)
    folder = config.folder(out)
    with held(folder):
        if is_finished(config, out):  # by another process, since this one looked
            return load_record(folder)
        overshoot = first_overshoot(config, model, optimizer)  # before the recorder loads any checkpoint
        recorder = _Recorder(config, out, model, optimizer, checkpoint_every)
        recorder.begin(environment)

        def after_epoch(epoch: int) -> None:
            recorder.on_epoch(epoch)
            on_epoch(epoch)

        try:
            train(model, optimizer, data, config.epochs, after_epoch, recorder.on_measurement, recorder.start, batching)
            save_arrays(folder / WEIGHTS, model.state_dict())
            record = RunRecord(config, "ok", recorder.seconds(), tuple(recorder.curve), overshoot)
        except DivergedError as failure:
            record = RunRecord(config, f"diverged: {failure}", recorder.seconds(), ())
        recorder.end()
        record.save(out)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return record


def first_overshoot(config: RunConfig, model: Sequential, optimizer: Optimizer) -> float | None:
    """Return the overshoot κ of the first step of a run, of a step on all rows where its steps are mini-batches.

    It is measured on the training rows, on the first 10,000 where they are in chunks or on disk. It is None if
    something is not finite.

    Args:
        config: of the run.
        model, optimizer: before their first step; they are left as they are.
    """
    data = data_in_memory(config)
    x, labels = data.x_train, data.y_train
    if isinstance(x, np.ndarray) and config.chunk_size is not None:
        x, labels = x[:10_000], labels[:10_000]
    try:
        return measure_overshoot(model, optimizer, x, labels).kappa
    except DivergedError:
        return None


class _Recorder:
    """Recorder of the measurements and checkpoints of a run.

    Attributes:
        start: epochs that were done before.
        curve: the measurements so far.
    """

    def __init__(self, config: RunConfig, out: Path, model: Module, optimizer: Optimizer, every: float) -> None:
        self._config, self._out, self._model, self._optimizer = config, out, model, optimizer
        self._every = every
        self._metrics = config.folder(out) / METRICS
        self._begun = self._saved = time.perf_counter()
        self._seconds_before = 0.0
        self.start = 0
        self.curve: list[Measurement] = []

    def begin(self, environment: dict[str, object]) -> None:
        """Load the last checkpoint, if there is one, and discard what was written after it."""
        _remove_half_written(self._config.folder(self._out))
        checkpoint = find_checkpoint(self._config, self._out)
        if checkpoint:
            self._model.load_state_dict(checkpoint.weights)
            self._optimizer.load_state_dict(checkpoint.optimizer)
            self.start, self.curve = checkpoint.epoch, list(checkpoint.curve)
            self._seconds_before = checkpoint.seconds
        _add_part(self._config, self._out, self.start, environment)
        self._run = identity(self._config.folder(self._out))
        # From the checkpoint, not from the file, which may end in the middle of a line or lack some.
        self._metrics.write_text("".join(metrics_lines(self.curve, self._run)), encoding="utf-8")

    def on_measurement(self, measurement: Measurement) -> None:
        self.curve.append(measurement)
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(metrics_lines(self.curve, self._run)[-1])

    def on_epoch(self, epoch: int) -> None:
        """Write a checkpoint if one is due."""
        if time.perf_counter() - self._saved < self._every:
            return
        Checkpoint(
            config=self._config,
            epoch=epoch,
            seconds=self.seconds(),
            curve=tuple(self.curve),
            weights=self._model.state_dict(),
            optimizer=self._optimizer.state_dict(),
        ).save(self._out)
        self._saved = time.perf_counter()

    def end(self) -> None:
        """Have all measurements on disk, since the record will hold the checksum of their file."""
        write_atomically(self._metrics, "".join(metrics_lines(self.curve, self._run)))

    def seconds(self) -> float:
        """Return the wall time spent on the run in seconds, without the steps that were lost after a checkpoint."""
        return self._seconds_before + time.perf_counter() - self._begun


def _add_part(config: RunConfig, out: Path, start: int, environment: dict[str, object]) -> None:
    """Record in ``config.json`` that the run is computed in this environment from epoch `start` on."""
    _, parts = load_config(config.folder(out))
    parts = [part for part in parts if part["start"] < start]  # nothing is left of the others
    if parts and (changes := list(_changes(parts[-1], environment))):
        tell(f"{config} goes on from epoch {start:,} with {', '.join(changes)}: the last digits may differ")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_config(config, out, [*parts, {"start": start, "began": now, **environment}])


def _changes(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for group in ("versions", "machine"):
        for what in now[group]:
            if before[group].get(what) != now[group][what] and what != "cores":
                yield f"{what} {now[group][what]} (was {before[group].get(what)})"


def _remove_half_written(folder: Path) -> None:
    """Remove the temporary files of a process, on any machine, that was killed while it wrote; `folder` is locked."""
    for name in map(Path, FILES):
        for path in folder.glob(f".{name.stem}.*{name.suffix}"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock the folder of a run or of results within this block, so that no other process does the same runs.

    The lock ends with the process, however it ends. Where the system has no such locks, nothing is locked; two
    processes would then do the same work twice, to the same results.

    Raises:
        DataError: if another process has had the lock for ``PATIENCE`` seconds.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        patience = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > patience:
                    raise DataError(
                        f"another process is at work on {folder}; wait until it has ended, or stop it"
                    ) from None
                time.sleep(0.1)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Return whether a process is at work on the run in `folder`; False where the system has no locks to tell by."""
    if sys.platform == "win32":
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


def tell(message: str) -> None:
    """Print a message on standard error; a run is not lost if that fails."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr)
