"""Timing of epochs in processes of their own, which take turns.

A fresh process for each measurement gives its peak memory as well, and keeps the threads of one library out of the
way of another's. The turns are what makes the times comparable: a machine that slows down slows them all.

A process prepares its epoch, then waits: for each line that it reads it runs a turn and answers with the seconds of an
epoch and its peak memory so far. It ends when there is nothing more to read.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import IO

import numpy as np

from tinydist.bench import measure
from tinydist.bench.epochs import Epoch, numpy_epoch, tinydist_epoch, torch_epoch
from tinydist.bench.images import load_images
from tinydist.bench.measure import Timing, peak_memory, threads

TURN = 0.05
"""Seconds that a turn takes at least: short epochs are repeated, as they are in training."""


class ProcessError(RuntimeError):
    """A process that ended too early.

    Attributes:
        name: name of its job.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Job:
    """The measurement that a process makes: epochs of a model by a library.

    Attributes:
        library: "tinydist", "numpy" or "torch".
        model: its name.
        train_size: images of MNIST; `copies` of each make the training set, see :mod:`tinydist.bench.images`.
        threads: for numba, BLAS and PyTorch alike.
        hidden: hidden units.
        copies: how often each image occurs.
    """

    library: str
    model: str
    train_size: int
    threads: int
    hidden: int = 128
    copies: int = 1


@dataclass(frozen=True)
class Measured:
    """The time of an epoch, and the peak memory in MB (2**20 bytes) of the whole process."""

    time: Timing
    memory: float


def take_turns(jobs: Mapping[str, Job], repetitions: int) -> dict[str, Measured]:
    """Measure all jobs, each in a fresh process, one turn after the other.

    The first turn of each does not count: that is when numba compiles and memory is allocated. A pause comes before
    every other, in which the threads of the process that ran before come to rest.

    Args:
        jobs: by any name.
        repetitions: turns that count.

    Raises:
        ProcessError: as soon as one of the processes ends by itself.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    memory: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        turns = {name: stack.enter_context(_process(name, job)) for name, job in jobs.items()}
        for turn in turns.values():
            turn()
        for _ in range(repetitions):
            for name, turn in turns.items():
                time.sleep(measure.PAUSE)
                elapsed, memory[name] = turn()
                seconds[name].append(elapsed)
    return {name: Measured(Timing.of(seconds[name]), memory[name]) for name in jobs}


@contextlib.contextmanager
def _process(name: str, job: Job) -> Iterator[Callable[[], tuple[float, float]]]:
    """Start a process, and end it after the block; yield the function that asks it for a turn."""
    command = [sys.executable, "-m", "tinydist.bench.processes", json.dumps(asdict(job))]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is the parent's to answer; it ends the others
        ) as process,
    ):
        try:
            yield lambda: _turn(name, process, errors)
        finally:
            process.kill()
            process.wait()


def _turn(name: str, process: subprocess.Popen[bytes], errors: IO[bytes]) -> tuple[float, float]:
    """Return the seconds of an epoch in a turn of the process, and its peak memory in MB so far."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):  # a broken pipe: then there is no answer either
        process.stdin.write(b"\n")
    answer = process.stdout.readline().split()
    if len(answer) == 2:
        return float(answer[0]), float(answer[1])
    status = process.wait()
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines() or ["perhaps for lack of memory"]
    raise ProcessError(name, f"the process that measures {name} ended with status {status}: {said[-1]}")


def prepare(job: Job) -> Epoch:
    """Return the epoch of a job, with the data in the form that its library takes."""
    images, labels = load_images(job.train_size, job.copies, "auto" if job.library == "tinydist" else "dense")
    if job.library == "tinydist":
        return tinydist_epoch(job.model, images, labels, job.hidden)
    images = np.asarray(images)
    if job.library == "numpy":
        return numpy_epoch(job.model, images, labels, job.hidden)
    return torch_epoch(job.model, images, labels, job.threads, job.hidden)


def seconds_of(epoch: Callable[[], object]) -> float:
    """Return the seconds that an epoch takes on average over as many as fill a turn.

    One more goes first, uncounted: it wakes the threads that slept while others had their turn. In training they are
    awake.
    """
    epoch()
    start, count, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < TURN:
        epoch()
        count += 1
        elapsed = time.perf_counter() - start
    return elapsed / count


def _serve(job: Job) -> None:
    """Run a turn for each line of standard input, and print its seconds and the peak memory."""
    with threads(job.threads):
        epoch = prepare(job)
        for _ in sys.stdin:
            print(seconds_of(epoch), peak_memory(), flush=True)


if __name__ == "__main__":
    _serve(Job(**json.loads(sys.argv[1])))
