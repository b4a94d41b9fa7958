"""Memory of a full-batch step on images that stay on disk, beside the same images in memory, as their number grows."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.batches import Batching
from tinydist.bench.measure import peak_memory
from tinydist.bench.processes import ProcessError
from tinydist.files import temporary_folder
from tinydist.models import build_model
from tinydist.optim import SGD
from tinydist.training import accumulated_step

CHUNK = 1_000
"""Number of images that a step has in memory at once.
@@ =SIDE, CLASSES, FILES
Properties of the synthetic images: pixels on a side, classes, and files that they are spread over."""
SIDE, CLASSES, FILES = 32, 10, 5
"""Of the images that are made up: pixels on a side, classes, and files that they are spread over."""
WAYS = ("stream", "load")


@dataclass(frozen=True)
class StreamingRow:
    """The cost of a step.

    Attributes:
        images: number of training images.
        disk: MB (10**6 bytes) of their files.
        seconds, memory: of one step, and at the peak of the whole process in MB (2**20 bytes), for each of ``WAYS``.
    """

    images: int
    disk: float
    seconds: dict[str, float]
    memory: dict[str, float]


def bench_streaming(train_size: int) -> Iterator[StreamingRow]:
    """Measure `train_size` images, then ten times as many, each way in a process of its own; yield a row for each.

    Raises:
        ProcessError: if a process ends by itself.
        OSError: if there is no space for the files.
    """
    for images in (train_size, 10 * train_size):
        with temporary_folder() as folder:
            make_images(folder, images)
            found = {way: _measure(folder, way) for way in WAYS}
            disk = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        seconds, memory = ({way: values[n] for way, values in found.items()} for n in (0, 1))
        yield StreamingRow(images, disk, seconds, memory)


def make_images(folder: Path, count: int) -> None:
    """Write synthetic images in the form of the downsampled ImageNet, a file at a time.

    Args:
        folder: where to write the files.
        count: number of training images.
    """
    rng = np.random.default_rng(0)
    names = [f"train_data_batch_{number}.npz" for number in range(1, FILES + 1)]
    edges = [count * part // FILES for part in range(FILES + 1)]
    rows = {name: range(*pair) for name, pair in zip(names, itertools.pairwise(edges), strict=True)}
    for name, numbers in {**rows, "val_data.npz": range(CLASSES)}.items():
        pixels = rng.integers(0, 256, (len(numbers), 3 * SIDE**2), dtype=np.uint8)
        np.savez(folder / name, data=pixels, labels=np.array(numbers) % CLASSES + 1)


def _measure(folder: Path, way: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "tinydist.bench.streaming", str(folder), way]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["perhaps for lack of memory"]
        raise ProcessError(way, f"the process that measures {way} ended with status {ended.returncode}: {said[-1]}")
    seconds, memory = map(float, ended.stdout.split())
    return seconds, memory


def _step(folder: str, way: str) -> float:
    """Return the seconds of one full-batch step; a first one is not counted."""
    data = datasets.stream(folder, "unit") if way == "stream" else datasets.load(folder, "unit")
    model = build_model("ReLU2-Neg", data.x_train.shape[1], classes=data.classes)
    optimizer = SGD(model.parameters(), 0.01)
    batching = Batching(chunk_size=CHUNK)
    for _ in range(2):
        start = time.perf_counter()
        (chunks,) = batching.steps(data.x_train, data.y_train, 0)
        accumulated_step(model, optimizer, chunks, len(data.y_train))
    return time.perf_counter() - start


def streaming_table(rows: list[StreamingRow]) -> str:
    """Return a table with a line for each number of images, then the growth of the peaks."""
    columns = "{:>9} {:>12} {:>22} {:>22}"
    head = columns.format("images", "on disk, MB", "on disk: s a step, MB", "in memory: s, MB")
    lines = [
        columns.format(
            f"{row.images:,}", f"{row.disk:,.0f}", *(f"{row.seconds[way]:.2f}, {row.memory[way]:,.0f}" for way in WAYS)
        )
        for row in rows
    ]
    if len(rows) == 2:
        grown = (f"{rows[1].memory[way] - rows[0].memory[way]:+,.0f} MB" for way in WAYS)
        lines.append(columns.format("", "growth", *grown))
    return "\n".join([head, *lines])


if __name__ == "__main__":
    print(_step(*sys.argv[1:]), peak_memory())
