"""Comparable timings, which are interleaved and repeated; memory, and the machine's peak performance."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tinydist.kernels.jit import kernel

Array = NDArray[Any]


PAUSE = 0.1
"""Seconds of pause between two timed runs."""

WAKE = 0.03
"""Seconds of uncounted runs before a timed one, in which the system spreads waking threads over the cores."""


@dataclass(frozen=True)
class Timing:
    """The times of several runs of one function, in milliseconds: the median, and the lower and upper quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Return the median and quartiles of runs, which are given in seconds."""
        return cls(*(1e3 * float(np.quantile(seconds, q)) for q in (0.5, 0.25, 0.75)))

    def __str__(self) -> str:
        digits = 1 if self.median < 1000 else 0
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}–{self.high:.{digits}f}]"


def interleaved(candidates: Mapping[str, Callable[[], object]], repetitions: int = 11) -> dict[str, Timing]:
    """Time all candidates in turn, again and again, so that a machine that slows down slows them all.

    Each runs once first, uncounted, which is when numba compiles and memory is allocated. A pause before every run
    lets the threads of the library that ran before, which go on spinning for a while, come to rest, and uncounted
    runs after it wake those of the candidate.

    Args:
        candidates: functions by name.
        repetitions: timed runs of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for _ in range(repetitions):
        for name, run in candidates.items():
            time.sleep(PAUSE)
            awake = time.perf_counter() + WAKE
            run()
            while time.perf_counter() < awake:
                run()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing.of(values) for name, values in seconds.items()}


def check_threads(number: int) -> None:
    """Raise unless this process can use so many threads.

    Raises:
        ValueError: if numba was started with fewer, or `number` is below 1.
    """
    most = numba.get_num_threads()
    if not 1 <= number <= most:
        raise ValueError(f"expected 1 to {most} threads, which is what this process can use; got {number}")


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Make numba and BLAS use so many threads within this block.

    Raises:
        ValueError: if numba was started with fewer, or `number` is below 1.
    """
    check_threads(number)
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        numba.set_num_threads(before)


def peak_memory() -> float:
    """Return the most memory this process has had resident so far, in MB (2**20 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage also counts the process that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 2**10
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def available_memory() -> float:
    """Return the memory that processes could still take without swapping, in MB (2**20 bytes).

    It is infinite where the system does not state it.
    """
    status = Path("/proc/meminfo")
    if not status.exists():
        return float("inf")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("MemAvailable"))
    return float(line.split()[1]) / 2**10


@dataclass(frozen=True)
class Machine:
    """The peak performance of this machine with the current number of threads: GFlop/s in float32, GB/s."""

    gflops: float
    bandwidth: float


@kernel(parallel=True)
def _add_into(a: Array, b: Array) -> None:
    for i in numba.prange(a.size):
        b[i] += a[i]


def measure_machine() -> Machine:
    """Measure peak arithmetic by a large product in BLAS, peak bandwidth by adding one large array to another."""
    size, length = 2048, 2**25
    a, b = np.ones((size, size), dtype=np.float32), np.ones((size, size), dtype=np.float32)
    x, y = np.ones(length, dtype=np.float32), np.ones(length, dtype=np.float32)
    timings = interleaved({"product": lambda: a @ b, "sum": lambda: _add_into(x, y)}, repetitions=7)
    return Machine(
        gflops=2 * size**3 / timings["product"].low / 1e6,
        bandwidth=3 * 4 * length / timings["sum"].low / 1e6,
    )
