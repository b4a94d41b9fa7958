"""Many runs: side by side in worker processes, each saved as it ends, none repeated."""

from __future__ import annotations

import functools
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from tinydist import datasets
from tinydist.cores import available_cores
from tinydist.errors import DivergedError
from tinydist.models import build_model
from tinydist.optim import SGD
from tinydist.reproduce.records import RunConfig, RunRecord, load_finished, write_csv
from tinydist.training import train

BAR = "{percentage:3.0f}% |{bar:30}| {n:,}/{total:,} epochs, {elapsed} gone, {remaining} left{postfix}"


@functools.lru_cache(maxsize=1)
def load_data(dataset: str, input: str, train_size: int, layout: str) -> datasets.Dataset:
    """The data of a run, kept for the next one."""
    return datasets.load(dataset, input, train_size, layout)


def execute(config: RunConfig, out: Path, progress: Path, slot: int) -> RunRecord:
    """Do one run and save its record.

    Args:
        config: the run.
        out: results folder.
        progress: file of int64 counters, of which number `slot` is kept at the epochs done so far.
        slot: see `progress`.
    """
    counters = np.memmap(progress, dtype=np.int64, mode="r+")

    def count(epoch: int) -> None:
        counters[slot] = epoch

    data = load_data(config.dataset, config.input, config.train_size, config.layout)
    start = time.perf_counter()
    classes = int(data.y_train.max()) + 1
    model = build_model(config.model, in_features=data.x_train.shape[1], classes=classes, seed=config.seed)
    try:
        curve = tuple(train(model, SGD(model.parameters(), config.lr), data, config.epochs, count))
        status = "ok"
    except DivergedError as failure:
        curve, status = (), f"diverged: {failure}"
    record = RunRecord(config, status, time.perf_counter() - start, curve)
    record.save(out)
    count(config.epochs)
    return record


def _execute_in_worker(config: RunConfig, out: Path, progress: Path, slot: int) -> RunRecord:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; it ends the workers
    return execute(config, out, progress, slot)


def sweep(configs: Sequence[RunConfig], out: Path, jobs: int) -> list[RunRecord]:
    """Do all runs that `out` does not hold yet, `jobs` at a time, and return the records of all.

    Each worker process gets an equal share of the cores as threads. Progress goes to standard error.

    Raises:
        DataError: if `out` holds runs with other settings.
        KeyboardInterrupt: on Ctrl-C; finished runs are on disk by then.
    """
    finished = load_finished(configs, out)
    left = [config for config in configs if config not in finished]
    jobs = min(jobs, max(len(left), 1))
    with tempfile.TemporaryDirectory(prefix="tinydist-") as scratch, _Progress(left, Path(scratch)) as progress:
        if jobs == 1:
            records = (execute(config, out, progress.path, slot) for slot, config in enumerate(left))
        else:
            threads = max(1, available_cores() // jobs)
            with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
                pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
                records = pool(
                    joblib.delayed(_execute_in_worker)(config, out, progress.path, slot)
                    for slot, config in enumerate(left)
                )
        for record in records:
            finished[record.config] = record
            write_csv(out)
            progress.finished(record)
    return [finished[config] for config in configs]


class _Progress:
    """Shows how many epochs all runs have done together, and how long the rest will take.

    Workers write their epoch into a shared file of counters; a thread here adds them up twice a second.
    """

    def __init__(self, configs: Sequence[RunConfig], scratch: Path) -> None:
        self.path = scratch / "epochs"
        np.zeros(max(len(configs), 1), dtype=np.int64).tofile(self.path)
        self._counters = np.memmap(self.path, dtype=np.int64, mode="r")
        self._runs = len(configs)
        self._runs_done = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        live = sys.stderr.isatty()
        self._bar = tqdm(
            total=sum(config.epochs for config in configs),
            unit="epoch",
            smoothing=0.05,
            mininterval=0.5 if live else 15,
            maxinterval=1 if live else 30,
            bar_format=BAR,
            disable=not configs,
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
            tqdm.write(f"{record.config.model} seed {record.config.seed} {record.status}", file=sys.stderr)

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._advance()

    def _advance(self) -> None:
        self._bar.update(int(self._counters.sum()) - self._bar.n)
