"""Exercise compress: the non-zeros of a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array
from tinydist.kernels.rows import BLOCK
from tinydist.kernels.sparse import Blocks, compress, decompress


def check_compress(compress: Any) -> Iterator[Observation]:
    """Yield observations; the truth comes from a walk over all entries."""
    columns = 2 * BLOCK + 50
    wide = {(0, 1): 9, (0, BLOCK - 1): 3, (0, BLOCK): 4, (1, 0): 5, (1, BLOCK + 44): 6, (0, columns - 1): 7}
    for shape, entries in [
        ((2, 4), {(0, 1): 5, (1, 3): 7}),
        ((3, 2), {(0, 0): 1, (0, 1): 2, (2, 0): 3}),
        ((2, columns), wide),
    ]:
        matrix = np.zeros(shape, dtype=np.uint8)
        for place, value in entries.items():
            matrix[place] = value
        words = ", ".join(f"{value} at {list(place)}" for place, value in sorted(entries.items()))
        given = {"matrix": f"{shape[0]} rows of {shape[1]} bytes: {words}; the rest is 0", "BLOCK": BLOCK}
        before = matrix.copy()
        yield about_to_try(given)
        blocks = compress(matrix)
        yield Observation("what comes back", f"a {type(blocks).__name__}", "a Blocks", given)
        pointers, offsets, values = _walk(before)
        yield Observation("the shape", tuple(blocks.shape), shape, given)
        yield Observation("the values", blocks.values, values, given)
        yield Observation("the offsets", blocks.offsets, offsets, given)
        yield Observation("the pointers", blocks.pointers, pointers, given)
        yield Observation("what decompress makes of it", decompress(blocks), before, given)
        yield Observation("the matrix, which must stay as it was", matrix, before, given)


def _walk(matrix: Array) -> tuple[Array, Array, Array]:
    pointers: list[list[int]] = []
    offsets: list[int] = []
    values: list[int] = []
    for start in range(0, matrix.shape[1], BLOCK):
        pointers.append([len(values)])
        for row in matrix[:, start : start + BLOCK]:
            for offset, value in enumerate(row):
                if value:
                    offsets.append(offset)
                    values.append(value)
            pointers[-1].append(len(values))
    return np.array(pointers, np.int32), np.array(offsets, np.uint8), np.array(values, np.uint8)


def _compress(matrix: Array, *, by_column: bool = False, whole_only: bool = False) -> Blocks:
    """Return the blocks, in which one thing may be wrong."""
    pointers: list[list[int]] = []
    offsets: list[Array] = []
    values: list[Array] = []
    last = matrix.shape[1] - BLOCK + 1 if whole_only and matrix.shape[1] > BLOCK else matrix.shape[1]
    for start in range(0, last, BLOCK):
        part = matrix[:, start : start + BLOCK]
        row, offset = np.nonzero(part)
        if by_column:
            offset, row = np.nonzero(part.T)
        before = sum(len(part) for part in values)
        pointers.append([before, *(before + np.cumsum(np.bincount(row, minlength=len(matrix))))])
        offsets.append(offset.astype(np.uint8))
        values.append(part[row, offset])
    joined = np.concatenate(offsets), np.concatenate(values)
    return Blocks(matrix.shape, np.array(pointers, np.int32), *joined)


def compress_by_column(matrix: Array) -> Blocks:
    return _compress(matrix, by_column=True)


def compress_whole_blocks(matrix: Array) -> Blocks:
    return _compress(matrix, whole_only=True)


def compress_counts(matrix: Array) -> Blocks:
    right = _compress(matrix)
    counts = np.diff(right.pointers, axis=1, prepend=0)
    return Blocks(right.shape, counts.astype(np.int32), right.offsets, right.values)


def compress_restarting(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers - right.pointers[:, :1], right.offsets, right.values)


def compress_without_start(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers[:, 1:], right.offsets, right.values)


def compress_whole_columns(matrix: Array) -> Blocks:
    right = _compress(matrix)
    block = np.repeat(np.arange(len(right.pointers)), np.diff(right.pointers[:, [0, -1]])[:, 0])
    return Blocks(right.shape, right.pointers, (right.offsets + BLOCK * block).astype(np.uint16), right.values)


def compress_in_int64(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers.astype(np.int64), right.offsets.astype(np.int64), right.values)


COMPRESS = Exercise(
    name="compress",
    title="keep only the pixels that are not zero",
    library=compress,
    lesson="12_fast_kernels",
    task="""
    Four of five MNIST pixels are 0. Keep the others: block by block of BLOCK columns, within a block row by row. Return
    Blocks(shape, pointers, offsets, values): the values, uint8; for each its column, counted from the first of its
    block, so that uint8 is enough; and int32 pointers of shape (blocks, rows + 1), where the values of row i in block b
    are those from pointers[b, i] up to pointers[b, i + 1].

    Look out: the last block may be narrower, and the count of values runs on from block to block.
    """,
    hints=(
        "for start in range(0, columns, BLOCK): part = matrix[:, start : start + BLOCK].",
        "np.nonzero(part) gives the rows and columns of the non-zeros, row by row; part[row, offset] their values.",
        "np.cumsum(np.bincount(row, minlength=rows)) is where each row ends, counted from the beginning of the block.",
    ),
    check=check_compress,
    mistakes=(
        Mistake(compress_by_column, "The values come column by column. Within a block they are ordered row by row."),
        Mistake(
            compress_whole_columns,
            "The offsets are column numbers of the whole matrix, which do not fit into a byte. Count from the first "
            "column of the block.",
        ),
        Mistake(
            compress_counts,
            "The pointers are counts of values. They are positions: the running sum of the counts.",
        ),
        Mistake(
            compress_without_start,
            "Each block needs rows + 1 pointers: where its first row starts, and then where each row ends.",
        ),
        Mistake(
            compress_restarting,
            "The pointers start at 0 again in each block. All blocks share one array of values, so the count runs on.",
        ),
        Mistake(compress_whole_blocks, "The last block is missing, the one that is narrower than BLOCK."),
        Mistake(
            compress_in_int64,
            "The types are wider than needed: offsets are below 256, so uint8 holds them, and pointers are int32. The "
            "memory saved is the point of it all.",
        ),
    ),
    gives=("BLOCK",),
    see=(decompress,),
)
