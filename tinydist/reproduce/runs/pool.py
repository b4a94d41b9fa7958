"""Pools, which do the runs of a sweep: in this process one after the other, or in several on this machine in parallel.

:mod:`tinydist.reproduce.runs.cluster` has a pool of workers on other machines.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import joblib

from tinydist.command_line import ENDINGS
from tinydist.cores import available_cores
from tinydist.files import temporary_folder
from tinydist.reproduce.runs.environment import environment
from tinydist.reproduce.runs.progress import Counter
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.run import execute
from tinydist.reproduce.runs.settings import RunConfig

Result = TypeVar("Result")


class PoolError(RuntimeError):
    """The processes that do the runs ended early. What they saved is kept, and the same command goes on from there."""


@dataclass(frozen=True)
class Task:
    """One run to do, in this process or in another one, perhaps on another machine.

    Attributes:
        config: the run.
        out: results folder.
        checkpoint_every: seconds from one checkpoint to the next.
        start: how the sweep was started, which ``config.json`` records.
        progress: file of :mod:`tinydist.reproduce.runs.progress`.
        slot: place of the run in it.
    """

    config: RunConfig
    out: Path
    checkpoint_every: float
    start: dict[str, object]
    progress: Path
    slot: int

    def do(self) -> RunRecord:
        """Do the run in this process, or the rest of it, and return its record.

        Raises:
            AbandonedError: if the sweep was stopped meanwhile.
            DataError: if the checkpoint is damaged or foreign, or another process is doing this run.
        """
        counter = Counter(self.progress, self.slot)
        record = execute(self.config, self.out, self.checkpoint_every, environment() | self.start, counter)
        counter.write(self.config.epochs)
        return record


class Pool(typing.Protocol):
    """The interface of a pool, as :func:`tinydist.reproduce.runs.sweep.sweep` uses it."""

    @property
    def jobs(self) -> int:
        """Return how many runs can be done at a time."""

    def scratch(self, out: Path, /) -> AbstractContextManager[Path]:
        """Return, as a context manager, a temporary folder that all processes doing runs for `out` can see.

        Raises:
            DataError: if some of them cannot see `out`, the results folder.
        """

    def do(self, tasks: Sequence[Task]) -> Iterator[RunRecord]:
        """Do all tasks, and yield the record of each when it is done, in any order.

        Raises:
            PoolError: if a process that does runs ends early.
        """


class LocalPool:
    """Processes on this machine, each with an equal share of its cores as threads.

    Args:
        jobs: how many; for one job, or one task, this process itself.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    @contextmanager
    def scratch(self, _out: Path, /) -> Iterator[Path]:
        with temporary_folder() as folder:
            yield folder

    def do(self, tasks: Sequence[Task]) -> Iterator[RunRecord]:
        return side_by_side([task.do for task in tasks], self.jobs, "generator_unordered")


def side_by_side(
    calls: Sequence[Callable[[], Result]],
    jobs: int,
    order: Literal["generator", "generator_unordered"] = "generator",
) -> Iterator[Result]:
    """Yield what the calls return, each made in one of several processes that share out the cores of this machine.

    Args:
        calls: functions without arguments, which can be pickled.
        jobs: how many processes; for one, or one call, this process itself.
        order: "generator", in that of the calls, or "generator_unordered", each when it is there.

    Raises:
        PoolError: if a process ends early.
    """
    jobs = min(jobs, len(calls))
    if jobs <= 1:
        yield from (call() for call in calls)
        return
    threads = max(1, available_cores() // jobs)
    with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
        # max_nbytes: send arrays as they are, not by files in shared memory, which stay if this process is killed
        pool = joblib.Parallel(n_jobs=jobs, return_as=order, max_nbytes=None)
        results = pool(joblib.delayed(_in_worker)(os.getpid(), call) for call in calls)
    try:
        for _ in calls:
            with warnings.catch_warnings():
                # a process that has taken much memory is replaced by a new one, which nobody has to know
                warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
                result = next(results)
            yield result
    except BrokenExecutor:
        raise PoolError("a worker process died, perhaps for lack of memory (then choose fewer --jobs)") from None


def _in_worker(parent: int, call: Callable[[], Result]) -> Result:
    leave_signals_to_parent()
    _end_with(parent)
    return call()


def leave_signals_to_parent() -> None:
    """Ignore Ctrl-C and what else asks a command to end. The parent gets it too, and ends this process."""
    for number in (signal.SIGINT, *ENDINGS):
        signal.signal(number, signal.SIG_IGN)


@functools.cache  # one watch is enough for all the runs of a worker
def _end_with(parent: int) -> None:
    """End this process when its parent has ended, so that no worker goes on with a sweep that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.name == "posix":  # elsewhere a process does not learn of its parent's end
        threading.Thread(target=watch, daemon=True).start()
