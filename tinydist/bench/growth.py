"""Growth of time and memory with the training images, the hidden units and the threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from tinydist.bench.epochs import LIBRARIES
from tinydist.bench.measure import available_memory
from tinydist.bench.processes import Job, Measured, ProcessError, take_turns

SIZES = (1_000, 3_000, 10_000, 30_000)
WIDTHS = (32, 64, 128, 256, 512, 1024)
COPIES = 10
"""Size of the synthetic training set relative to the largest real one.
@@ =PIXELS, HIDDEN_ARRAYS
Columns of the dense images; arrays (images, hidden) that an epoch needs beside them at most (measured: 3 to 4.5)."""

PIXELS, HIDDEN_ARRAYS = 784, 5
"""Columns of the dense images; arrays (images, hidden) that an epoch needs beside them at most (measured: 3 to 4.5)."""


@dataclass(frozen=True)
class Variation:
    """A measurement in which one quantity varies while all else stays.

    Attributes:
        against: name of the quantity.
        jobs: the jobs (of any library) by the value of the quantity.
    """

    against: str
    jobs: dict[int, Job]


@dataclass(frozen=True)
class GrowthRow:
    """The measurements at one value of a variation.

    Attributes:
        against: name of the quantity that varies.
        value: its value.
        job: the job, of any library.
        measured: the measurements, by library.
        left_out: why other libraries were left out, by library.
    """

    against: str
    value: int
    job: Job
    measured: dict[str, Measured]
    left_out: dict[str, str]

    @property
    def synthetic(self) -> bool:
        """Return whether the images are made from shifted copies."""
        return self.job.copies > 1


def variations(model: str, train_size: int, threads: int) -> list[Variation]:
    """Return variations over images, hidden units and threads.

    Args:
        model: name of the model.
        train_size: the largest number of real images; the variation over images ends with ten times as many.
        threads: the largest number of threads.
    """
    most = Job("tinydist", model, train_size, threads)
    sizes = [*(size for size in SIZES if size < train_size), train_size]
    images = {size: replace(most, train_size=size) for size in sizes}
    counts = [*(2**i for i in range(threads.bit_length()) if 2**i < threads), threads]
    return [
        Variation("images", {**images, COPIES * train_size: replace(most, copies=COPIES)}),
        Variation("hidden units", {width: replace(most, hidden=width) for width in WIDTHS}),
        Variation("threads", {count: replace(most, threads=count) for count in counts}),
    ]


def bench_growth(variations: Sequence[Variation], libraries: Sequence[str], repetitions: int) -> list[GrowthRow]:
    """Measure the jobs of all variations, and print a table that grows as they are done.

    Args:
        variations: the jobs, see :func:`variations`; one that several variations have is measured once.
        libraries: the libraries that take turns at each job.
        repetitions: turns that count.

    Returns:
        The rows, variation by variation.
    """
    known: dict[Job, GrowthRow] = {}
    rows: list[GrowthRow] = []
    for variation in variations:
        print("\n" + heading(variation.against), flush=True)
        done: list[GrowthRow] = []
        for value, job in variation.jobs.items():
            if job not in known:
                known[job] = _measure(variation.against, value, job, libraries, repetitions)
            done.append(replace(known[job], against=variation.against, value=value))
            print(line(done, libraries), flush=True)
        if len(done) > 2:
            print(fitted(done))
        rows += done
    return rows


def _measure(against: str, value: int, job: Job, libraries: Sequence[str], repetitions: int) -> GrowthRow:
    left_out = _without_memory(job, libraries, available_memory())
    measured: dict[str, Measured] = {}
    while not measured and len(left_out) < len(libraries):
        running = {name: replace(job, library=name) for name in libraries if name not in left_out}
        try:
            measured = take_turns(running, repetitions)
        except ProcessError as failure:  # the others start again without it: it may have slowed them down
            left_out[failure.name] = str(failure)
    return GrowthRow(against, value, job, measured, left_out)


def _without_memory(job: Job, libraries: Sequence[str], free: float) -> dict[str, str]:
    """Return why the libraries with dense images are left out, by library; empty if the memory suffices.

    It does not suffice if together they would need more than half of the free memory (MB).
    """
    dense = [library for library in libraries if library != "tinydist"]
    entries = job.train_size * job.copies * (PIXELS + HIDDEN_ARRAYS * job.hidden)
    needed = 4 * entries * len(dense) / 2**20  # float32
    if needed <= free / 2:
        return {}
    reason = f"dense images and activations would need about {needed:,.0f} MB of the {free:,.0f} MB that are free"
    return dict.fromkeys(dense, reason)


def exponent(rows: Sequence[GrowthRow], library: str) -> float | None:
    """Return the k of time ∝ value^k, from a straight line through the medians on log axes; None with less than two."""
    points = [(row.value, row.measured[library].time.median) for row in rows if library in row.measured]
    if len(points) < 2:
        return None
    values, times = np.log(points).T
    return float(np.polyfit(values, times, 1)[0])


COLUMNS = "{:>17}" + 3 * " {:>21} {:>5} {:>6}"


def heading(against: str) -> str:
    """Return the first line of a variation's table."""
    return COLUMNS.format(against, *(part for name in LIBRARIES.values() for part in (name, "k", "MB")))


def line(rows: Sequence[GrowthRow], libraries: Sequence[str]) -> str:
    """Return the table's line for the last row, with a line for each reason to leave a library out.

    The column k is the exponent of growth since the row before.

    Args:
        rows: all rows of the variation so far.
        libraries: those that were to be measured.
    """
    row = rows[-1]
    cells = []
    for library in LIBRARIES:
        if library in row.measured:
            k = exponent(rows[-2:], library)
            measured = row.measured[library]
            cells += [str(measured.time), "" if k is None else f"{k:.2f}", f"{measured.memory:,.0f}"]
        else:
            cells += ["left out" if library in libraries else "not installed", "", ""]
    lines = [COLUMNS.format(f"{row.value:,}" + (" synthetic" if row.synthetic else ""), *cells)]
    for reason in dict.fromkeys(row.left_out.values()):
        names = " and ".join(LIBRARIES[library] for library in row.left_out if row.left_out[library] == reason)
        lines.append(f"{'':17} {names} left out: {reason}")
    return "\n".join(lines)


def fitted(rows: Sequence[GrowthRow]) -> str:
    """Return a line with the exponents over all rows."""
    exponents = {name: exponent(rows, library) for library, name in LIBRARIES.items()}
    shown = ", ".join(f"{k:.2f} ({name})" for name, k in exponents.items() if k is not None)
    return f"{'':17} k fitted to all lines: {shown}"


def as_json(rows: Sequence[GrowthRow]) -> list[dict[str, object]]:
    """Return a dictionary for each row and library, measured or left out."""
    return [
        {
            "against": row.against,
            "value": row.value,
            "library": library,
            "model": row.job.model,
            "images": row.job.train_size * row.job.copies,
            "synthetic": row.synthetic,
            "hidden": row.job.hidden,
            "threads": row.job.threads,
            "time_ms": asdict(row.measured[library].time) if library in row.measured else None,
            "peak_rss_mb": row.measured[library].memory if library in row.measured else None,
            "left_out": row.left_out.get(library),
        }
        for row in rows
        for library in (*row.measured, *row.left_out)
    ]
