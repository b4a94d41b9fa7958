"""The progress of a sweep: written into a file by the processes that do its runs, and shown by the one that started it.

The file holds the epochs that each run has done, as little-endian int64. It is opened anew whenever it is read or
written, because that is when a network file system brings it up to date. If it is missing, the sweep has been stopped.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, track
from rich.progress import Progress as Bars

from tinydist.analysis.statistics import summarize
from tinydist.errors import DataError
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.run import tell
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.times import duration

Item = TypeVar("Item")

INTERVAL = 0.5
"""Seconds from one reading of the file to the next, and from one writing by a run to the next."""

LINE_EVERY = 15.0
"""Seconds from one line to the next where standard error is no terminal."""


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
    """The progress of all runs on standard error: on a terminal a bar for each model, else a line now and then.

    Args:
        done: epochs that were done before, for each run that is to be done; its order gives the slots.
        path: the file, which is made here.
        finished: records of the runs of this sweep that were finished before.
    """

    def __init__(self, done: Mapping[RunConfig, int], path: Path, finished: Iterable[RunRecord] = ()) -> None:
        np.array([*done.values()], dtype="<i8").tofile(path)
        self._path = path
        self._runs = tuple(done)
        self._epochs_to_do = [config.epochs for config in done]
        self._before = sum(done.values())
        self._known = [*done.values()]
        self._records = list(finished)
        self._all_runs = len(self._records) + len(self._runs)
        self._start = time.monotonic()
        self._next_line = self._start + LINE_EVERY
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        console = _terminal() if done else None
        self._bars = _bars(console) if console else None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        with contextlib.suppress(OSError):
            if self._bars:
                self._bars.start()
        if self._runs:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._runs:
            self._thread.join()
        with contextlib.suppress(OSError):
            if self._bars:
                self._show()
                self._bars.stop()
        if self._runs and not self._bars:
            self._read()
            tell(self._line())

    def finished(self, record: RunRecord) -> None:
        """Count a finished run, and print its status if it failed."""
        self._records.append(record)
        if record.status != "ok":
            tell(f"{record.config} {record.status}")

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            with contextlib.suppress(OSError):
                self._show()

    def _show(self) -> None:
        self._read()
        if self._bars is None:
            if time.monotonic() >= self._next_line:
                self._next_line += LINE_EVERY
                tell(self._line())
            return
        self._bar("all", sum(self._known), sum(self._epochs_to_do), self._state())
        for model in dict.fromkeys(config.model for config in self._runs):
            of_model = [i for i, config in enumerate(self._runs) if config.model == model]
            ended = [record for record in self._records if record.config.model == model]
            state = f"{len(ended)}/{len(ended) + self._left(model)} runs  {_mean(ended)}"
            done, total = (sum(numbers[i] for i in of_model) for numbers in (self._known, self._epochs_to_do))
            self._bar(model, done, total, state)

    def _bar(self, name: str, done: int, total: int, state: str) -> None:
        assert self._bars
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, state="")
        self._bars.update(self._tasks[name], completed=done, total=total, state=state)

    def _read(self) -> None:
        """Read the epochs that each run has done; keep what was known where that fails."""
        with contextlib.suppress(OSError):
            self._known = np.fromfile(self._path, dtype="<i8").tolist()

    def _left(self, model: str) -> int:
        ended = {record.config for record in self._records}
        return sum(config.model == model and config not in ended for config in self._runs)

    def _line(self) -> str:
        total = sum(self._epochs_to_do)
        return f"{sum(self._known) / total:4.0%} of {total:,} epochs, {self._state()}"

    def _state(self) -> str:
        """Return in words how many runs are done, and how long the rest will take."""
        total, done, gone = sum(self._epochs_to_do), sum(self._known), time.monotonic() - self._start
        left = duration(gone * (total - done) / (done - self._before)) if self._before < done < total else ""
        return f"{len(self._records)}/{self._all_runs} runs, {duration(gone)}{f', about {left} left' if left else ''}"


def _mean(records: Sequence[RunRecord]) -> str:
    """Return mean and deviation of the test accuracies of runs; nothing where their settings differ, or of none."""
    found = [record.final.test_accuracy for record in records if record.status == "ok"]
    alike = len({(record.config.setting, record.config.arm) for record in records}) == 1
    return str(summarize(found)) if found and alike else ""


class Terminal(Console):
    """A terminal that may be closed while it is written to; rich itself would end the program then."""

    def on_broken_pipe(self) -> None:
        """Write nothing any more."""
        self.quiet = True


def _terminal() -> Terminal | None:
    """Return standard error if it is a terminal on which bars can be drawn."""
    console = Terminal(file=sys.stderr)
    return console if sys.stderr.isatty() and console.is_interactive else None


def _bars(console: Console) -> Bars:
    """Return bars that are gone when all is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24, complete_style="cyan"),
        TextColumn("{task.fields[state]}"),
    )
    return Bars(*columns, console=console, refresh_per_second=4, transient=True, redirect_stdout=False)


def steps(items: Iterable[Item], name: str, total: int | None = None) -> Generator[Item, None, None]:
    """Yield the items one by one, on a terminal with a bar of this name that is gone when they are done.

    Args:
        items: any.
        name: what they are.
        total: how many, where they have no length.
    """
    console = _terminal()
    yield from track(items, name, total, console=console, transient=True, disable=console is None)
