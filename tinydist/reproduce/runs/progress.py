"""The progress of a sweep: written into a file by the processes that do its runs, and shown by the one that started it.

The file holds the epochs that each run has done, as little-endian int64. It is opened anew whenever it is read or
written, because that is when a network file system brings it up to date. If it is missing, the sweep has been stopped.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinydist.errors import DataError
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.run import tell
from tinydist.reproduce.runs.settings import RunConfig

BAR = "{percentage:3.0f}% |{bar:30}| {n:,}/{total:,} epochs, {elapsed} elapsed, {remaining} left{postfix}"

INTERVAL = 0.5
"""Seconds from one reading of the file to the next, and from one writing by a run to the next."""


class AbandonedError(DataError):
    """A run whose sweep has been stopped."""


class Counter:
    """The epochs of one run, written into the file. Called after each epoch; most calls cost next to nothing.

    Args:
        path: the file.
        slot: place of the run in it.
    """

    def __init__(self, path: Path, slot: int) -> None:
        self._path, self._slot = path, slot
        self._due = time.monotonic()

    def __call__(self, epoch: int) -> None:
        """Write the number of epochs done, unless it was last written less than ``INTERVAL`` ago.

        Raises:
            AbandonedError: if the file is missing.
        """
        if time.monotonic() >= self._due:
            self.write(epoch)

    def write(self, epoch: int) -> None:
        """Write the number of epochs done now. If that fails, the progress shown is out of date for a while.

        Raises:
            AbandonedError: if the file is missing.
        """
        self._due = time.monotonic() + INTERVAL
        try:
            with self._path.open("r+b", buffering=0) as file:
                file.seek(8 * self._slot)
                file.write(epoch.to_bytes(8, "little"))
        except FileNotFoundError:
            raise AbandonedError(f"{self._path} is missing: the sweep that this run belongs to was stopped") from None
        except OSError:  # what is shown is out of date for a while; that is no reason to lose the run
            pass


class Progress:
    """A progress bar on standard error: the epochs that all runs have done together, and how long the rest will take.

    Args:
        done: epochs that were done before, for each run; its order gives the slots.
        path: the file, which is made here.
    """

    def __init__(self, done: Mapping[RunConfig, int], path: Path) -> None:
        self._path = path
        np.array([*done.values()], dtype="<i8").tofile(path)
        self._runs = len(done)
        self._runs_done = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        live = sys.stderr.isatty()
        self._bar = tqdm(
            total=sum(config.epochs for config in done),
            initial=sum(done.values()),
            unit="epoch",
            smoothing=0.05,
            mininterval=0.5 if live else 15,
            maxinterval=1 if live else 30,
            bar_format=BAR,
            disable=not done,
        )

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._advance()
        self._bar.close()

    def finished(self, record: RunRecord) -> None:
        """Count a finished run, and print its status if it failed."""
        self._runs_done += 1
        self._bar.set_postfix_str(f"{self._runs_done}/{self._runs} runs", refresh=False)
        if record.status != "ok":
            tell(f"{record.config} {record.status}")

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._advance()

    def _advance(self) -> None:
        with contextlib.suppress(OSError):
            self._bar.update(int(np.fromfile(self._path, dtype="<i8").sum()) - self._bar.n)
