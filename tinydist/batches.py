"""The cutting of an epoch into steps, and of a step into the rows that are in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets.stream import StreamedRows
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]
Rows = Array | SparseMatrix | StreamedRows
Chunk = tuple[Array | SparseMatrix, Array]  # rows, and their labels

MEASURED_ROWS = 1_000
"""Number of rows that go through a model at once when it is measured between epochs of mini-batches."""


@dataclass(frozen=True)
class Batching:
    """The rows of a step: all of them, as in the paper, or some; at once, or in parts that fit into memory.

    Attributes:
        batch_size: rows of a step. Each epoch puts the rows into another order and takes them in turn, so that every
            row is used once; the last step may have fewer. Rows that stay on disk are taken in the order in which
            they lie there. None is one step an epoch, with all rows.
        chunk_size: rows that are in memory at once, for a step with all of them: the gradients of the chunks add up
            to those of all rows, up to rounding. None is all of them. Mini-batches have no chunks.
        seed: of the orders. The order depends on the seed and the epoch alone, so that training can go on from any
            epoch.

    Raises:
        ValueError: if a size is not positive, or both are given.
    """

    batch_size: int | None = None
    chunk_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "chunk_size"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"{name} must be a positive number of rows, or None for all of them; got {size}")
        if self.batch_size and self.chunk_size:
            raise ValueError(
                f"a step with batch_size {self.batch_size} is not cut into chunks (chunk_size {self.chunk_size}); "
                "give one of them: batch_size for many steps an epoch, chunk_size for one step within less memory"
            )

    def steps_an_epoch(self, rows: int) -> int:
        """Return how many steps it takes to use every one of `rows` rows once."""
        return -(-rows // self.batch_size) if self.batch_size else 1

    def steps(self, x: Rows, y: Array, epoch: int) -> Iterator[Iterator[Chunk]]:
        """Yield the steps of an epoch, each as an iterator over the chunks of rows that its gradient is over.

        Args:
            x: training rows, (rows, columns).
            y: their labels, (rows,).
            epoch: how many epochs came before.

        Raises:
            ValueError: if a sparse matrix is to be cut, or rows on disk have neither batch nor chunk size.
        """
        if self.batch_size is None:
            yield _cut(x, y, self.chunk_size)
            return
        if isinstance(x, StreamedRows):
            yield from (iter([chunk]) for chunk in _cut(x, y, self.batch_size))
            return
        order = np.random.default_rng([self.seed, epoch]).permutation(len(y))
        for start in range(0, len(y), self.batch_size):
            picked = order[start : start + self.batch_size]
            yield iter([(_dense(x)[picked], y[picked])])

    def measured(self, x: Rows, y: Array) -> Iterator[Chunk]:
        """Return an iterator over all rows in their own order, in parts for a forward pass.

        Args:
            x: rows, (rows, columns).
            y: their labels, (rows,).
        """
        return _cut(x, y, max(self.batch_size, MEASURED_ROWS) if self.batch_size else self.chunk_size)


FULL_BATCH = Batching()
"""One step an epoch, with all rows at once."""


def _cut(x: Rows, y: Array, size: int | None) -> Iterator[Chunk]:
    if isinstance(x, StreamedRows):
        if size is None:
            raise ValueError("rows that stay on disk are read in parts: give a chunk_size, or a batch_size")
        start = 0
        for rows in x.chunks(size):
            yield rows, y[start : start + len(rows)]
            start += len(rows)
        return
    if size is None or size >= len(y):
        yield x, y
        return
    for start in range(0, len(y), size):
        yield _dense(x)[start : start + size], y[start : start + size]


def _dense(x: Array | SparseMatrix) -> Array:
    if isinstance(x, SparseMatrix):
        raise ValueError("a sparse matrix cannot be cut into rows; load the data with layout='dense' for that")
    return x
