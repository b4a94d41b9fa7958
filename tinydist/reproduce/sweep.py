"""Many runs: side by side in worker processes, each recorded as it goes, none repeated."""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from tqdm import tqdm

from tinydist.cores import available_cores
from tinydist.errors import DataError
from tinydist.reproduce.checkpoints import ForeignCheckpointError, find_checkpoint
from tinydist.reproduce.environment import environment
from tinydist.reproduce.records import CHECKPOINT, CONFIG, RunConfig, RunRecord, load_finished, write_config, write_csv
from tinydist.reproduce.run import execute, tell

BAR = "{percentage:3.0f}% |{bar:30}| {n:,}/{total:,} epochs, {elapsed} gone, {remaining} left{postfix}"

CHECKPOINT_EVERY = 30.0
"""Seconds from one checkpoint of a run to the next: what is lost at most when it is stopped."""


def sweep(
    configs: Sequence[RunConfig], out: Path, jobs: int, checkpoint_every: float = CHECKPOINT_EVERY
) -> list[RunRecord]:
    """Do all runs that `out` does not hold yet, `jobs` at a time, and return the records of all.

    Half-done runs go on from their last checkpoint. A damaged checkpoint is told of and removed, and its run begins
    again: that costs time but not the result. A checkpoint of another run is left alone, for its owner to rescue.

    Each worker process gets an equal share of the cores as threads. Progress goes to standard error.

    Raises:
        DataError: if `out` holds runs with other settings, or a checkpoint in the wrong place.
        KeyboardInterrupt: on Ctrl-C; finished runs, and checkpoints of the others, are on disk by then.
    """
    finished = load_finished(configs, out)
    left = [config for config in configs if config not in finished]
    done = {config: _epochs_done(config, out) for config in left}
    for config in left:
        if not (config.folder(out) / CONFIG).exists():
            write_config(config, out, parts=[])
    jobs = min(jobs, max(len(left), 1))
    threads = max(1, available_cores() // jobs)
    here = environment() | {"jobs": jobs}
    with tempfile.TemporaryDirectory(prefix="tinydist-") as scratch, _Progress(done, Path(scratch)) as progress:
        arguments = [(config, out, checkpoint_every, here, progress.path, slot) for slot, config in enumerate(left)]
        if jobs == 1:
            records = (_execute_counted(*these) for these in arguments)
        else:
            with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
                pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
                records = pool(joblib.delayed(_execute_in_worker)(os.getpid(), *these) for these in arguments)
        for record in records:
            finished[record.config] = record
            write_csv(out)
            progress.finished(record)
    return [finished[config] for config in configs]


def _epochs_done(config: RunConfig, out: Path) -> int:
    """Up to the last checkpoint of the run; a damaged one is removed."""
    try:
        checkpoint = find_checkpoint(config, out)
    except ForeignCheckpointError:
        raise
    except DataError as problem:
        tell(f"{problem}; {config} begins again")
        (config.folder(out) / CHECKPOINT).unlink()
        return 0
    return checkpoint.epoch if checkpoint else 0


def _execute_counted(
    config: RunConfig, out: Path, checkpoint_every: float, here: dict[str, object], progress: Path, slot: int
) -> RunRecord:
    """Do one run, and keep number `slot` of the int64 counters in the file `progress` at the epochs done so far."""
    counters = np.memmap(progress, dtype=np.int64, mode="r+")

    def count(epoch: int) -> None:
        counters[slot] = epoch

    record = execute(config, out, checkpoint_every, here, count)
    count(config.epochs)
    return record


def _execute_in_worker(parent: int, *arguments: Any) -> RunRecord:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; it ends the workers
    _end_with(parent)
    return _execute_counted(*arguments)


@functools.cache  # one watch is enough for all the runs of a worker
def _end_with(parent: int) -> None:
    """End this process when its parent is gone, so that nothing is left at work on a sweep that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.name == "posix":  # elsewhere a process does not learn of its parent's end
        threading.Thread(target=watch, daemon=True).start()


class _Progress:
    """Shows how many epochs all runs have done together, and how long the rest will take.

    Workers write their epoch into a shared file of counters; a thread here adds them up twice a second.

    Args:
        done: epochs that were done before, for each run.
        scratch: folder for the counters.
    """

    def __init__(self, done: Mapping[RunConfig, int], scratch: Path) -> None:
        self.path = scratch / "epochs"
        np.array([*done.values()] or [0], dtype=np.int64).tofile(self.path)
        self._counters = np.memmap(self.path, dtype=np.int64, mode="r")
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

    def __enter__(self) -> _Progress:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._advance()
        self._bar.close()

    def finished(self, record: RunRecord) -> None:
        self._runs_done += 1
        self._bar.set_postfix_str(f"{self._runs_done}/{self._runs} runs", refresh=False)
        if record.status != "ok":
            tell(f"{record.config} {record.status}")

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._advance()

    def _advance(self) -> None:
        self._bar.update(int(self._counters.sum()) - self._bar.n)
