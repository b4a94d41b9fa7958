"""Products with a matrix of bytes that are mostly zero, such as MNIST's pixels (81% zeros).

Only the non-zeros are stored, and only they are multiplied. ``P M`` with P (rows, columns) bytes and M (columns,
width) floats is, row by row, a sum of rows of M, each scaled by one byte::

    result[i] = sum over non-zeros p of row i:  values[p] * M[column of p]

M is much larger than the fastest cache (784 x 128 floats: 400 kB against 32 to 48 kB), so the columns of P are cut
into blocks: a strip of rows works through one block after the other, and within a block it only needs a few rows of
M, which stay in the fastest cache or close to it. Block by block, the column of a non-zero is an offset below 256, and
one byte holds it. The loops are in :mod:`tinydist.kernels.rows`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.kernels.chunks import BLOCK_CHUNKS, BLOCKS_PER_CHUNK
from tinydist.kernels.memory import empty
from tinydist.kernels.rows import BLOCK, empty_tiles, in_tiles, sparse_product, sparse_product_summed, sum_in_tiles

Array = NDArray[Any]

INT32_MAX = 2**31 - 1
"""Number of non-zeros that int32 pointers can count (MNIST's 60,000 images have 9 million)."""


@dataclass(frozen=True)
class Blocks:
    """The non-zeros of a (rows, columns) matrix of bytes, block of columns by block of columns, row by row.

    The non-zeros of row i in block b are at positions ``pointers[b, i]`` up to ``pointers[b, i + 1]`` of `offsets`
    (the column, counted from the first of the block) and `values`.

    Attributes:
        shape: (rows, columns) of the matrix.
        pointers: int32, or int64 for more than ``INT32_MAX`` non-zeros, (blocks, rows + 1).
        offsets, values: uint8, (non-zeros,).
    """

    shape: tuple[int, int]
    pointers: Array
    offsets: Array
    values: Array

    @property
    def nbytes(self) -> int:
        """Return the memory taken by the three arrays, in bytes."""
        return self.pointers.nbytes + self.offsets.nbytes + self.values.nbytes


def compress(matrix: Array) -> Blocks:
    """Return the non-zeros of a (rows, columns) array of uint8, in blocks of columns."""
    rows, columns = matrix.shape
    starts = range(0, columns, BLOCK)
    pointers = np.zeros((len(starts), rows + 1), np.int32 if np.count_nonzero(matrix) <= INT32_MAX else np.int64)
    offsets, values, count = [], [], 0
    for block, start in enumerate(starts):
        part = np.ascontiguousarray(matrix[:, start : start + BLOCK])
        row, offset = np.nonzero(part)
        pointers[block, 0] = count
        pointers[block, 1:] = count + np.cumsum(np.bincount(row, minlength=rows))
        offsets.append(offset.astype(np.uint8))
        values.append(part[row, offset])
        count += len(row)
    return Blocks((rows, columns), pointers, np.concatenate(offsets), np.concatenate(values))


def decompress(blocks: Blocks) -> Array:
    """Return the (rows, columns) array of uint8 that was compressed."""
    matrix = np.zeros(blocks.shape, dtype=np.uint8)
    for block, pointers in enumerate(blocks.pointers):
        row = np.repeat(np.arange(blocks.shape[0]), np.diff(pointers))
        used = slice(pointers[0], pointers[-1])
        matrix[row, block * BLOCK + blocks.offsets[used].astype(int)] = blocks.values[used]
    return matrix


def sparse_matmul_numba(blocks: Blocks, matrix: Array, start: Array) -> Array:
    """Return ``P M + start`` for a P with many rows: threads share out strips of rows.

    Args:
        blocks: P, (rows, columns).
        matrix: M, (columns, width).
        start: added to every row, (width,).

    Returns:
        (rows, width), in the dtype of `matrix`.
    """
    result = empty((blocks.shape[0], matrix.shape[1]), matrix.dtype)
    tiles, start_tiles = in_tiles(matrix), in_tiles(start[None].astype(matrix.dtype, copy=False))
    sparse_product(blocks.pointers, blocks.offsets, blocks.values, tiles, start_tiles, result)
    return result


def sparse_matmul_numpy(blocks: Blocks, matrix: Array, start: Array) -> Array:
    """Return ``P M + start``, as :func:`sparse_matmul_numba`, by way of the dense P."""
    return decompress(blocks).astype(matrix.dtype) @ matrix + start


def sparse_matmul_summed_numba(blocks: Blocks, matrix: Array) -> Array:
    """Return ``P M`` for a P with many columns: threads share out chunks of blocks, whose sums are added in order.

    Args:
        blocks: P, (rows, columns).
        matrix: M, (columns, width).

    Returns:
        (rows, width), in the dtype of `matrix`.
    """
    count = len(blocks.pointers)
    chunks = min(BLOCK_CHUNKS, (count + BLOCKS_PER_CHUNK - 1) // BLOCKS_PER_CHUNK)
    width = matrix.shape[1]
    partial = empty_tiles((chunks, blocks.shape[0], width), matrix.dtype)
    tiled = empty_tiles((chunks, BLOCK, width), matrix.dtype)
    sparse_product_summed(blocks.pointers, blocks.offsets, blocks.values, np.ascontiguousarray(matrix), tiled, partial)
    return sum_in_tiles(partial, width)


def sparse_matmul_summed_numpy(blocks: Blocks, matrix: Array) -> Array:
    """Return ``P M``, as :func:`sparse_matmul_summed_numba`, by way of the dense P."""
    return decompress(blocks).astype(matrix.dtype) @ matrix
