"""Exercise compress: the non-zeros of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist.exercises.probes import Array, kept
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.kernels import sparse
from tinydist.kernels.rows import BLOCK
from tinydist.kernels.sparse import Blocks

Entries = dict[tuple[int, int], int]


def compress(matrix: Array) -> Blocks:
    rows, columns = matrix.shape
    pointers, offsets, values = [], [], []
    count = 0
    for start in range(0, columns, BLOCK):
        part = matrix[:, start : start + BLOCK]
        row, offset = np.nonzero(part)
        ends = np.cumsum(np.bincount(row, minlength=rows))
        pointers.append([count, *(count + ends)])
        offsets.append(offset.astype(np.uint8))
        values.append(part[row, offset])
        count += len(row)
    return Blocks((rows, columns), np.array(pointers, np.int32), np.concatenate(offsets), np.concatenate(values))


def try_matrix(
    answer: Any, *, matrix: Array, words: str, why: str, turn: Callable[[Array], Array] = np.copy
) -> Iterator[Observation]:
    """Yield observations of the five things that make up the blocks; the truth comes from a walk over all entries.

    Args:
        answer: the function under check.
        matrix: what to try.
        words: the matrix in words.
        why: why this is tried.
        turn: makes the array that the function receives.
    """
    received = turn(matrix)
    given = {"why": why, "matrix": words, "BLOCK": BLOCK}
    yield about_to_try(given)
    blocks = answer(received)
    yield Observation("what comes back", f"a {type(blocks).__name__}", "a Blocks", given)
    pointers, offsets, values = _walk(matrix)
    yield Observation("the shape", tuple(blocks.shape), matrix.shape, given)
    yield Observation("the values", kept(blocks.values), values, given)
    yield Observation("the offsets", kept(blocks.offsets), offsets, given)
    yield Observation("the pointers", kept(blocks.pointers), pointers, given)
    yield Observation("the matrix, which must stay as it was", received, matrix, given)


def _walk(matrix: Array) -> tuple[Array, Array, Array]:
    pointers: list[list[int]] = []
    offsets: list[int] = []
    values: list[int] = []
    for start in range(0, matrix.shape[1], BLOCK):
        pointers.append([len(values)])
        for row in matrix[:, start : start + BLOCK].tolist():
            used = [offset for offset, value in enumerate(row) if value]
            offsets += used
            values += [row[offset] for offset in used]
            pointers[-1].append(len(values))
    return np.array(pointers, np.int32), np.array(offsets, np.uint8), np.array(values, np.uint8)


def _few(why: str, shape: tuple[int, int], entries: Entries) -> partial[Iterator[Observation]]:
    """Return a case with a few entries that are not 0."""
    matrix = np.zeros(shape, dtype=np.uint8)
    for place, value in entries.items():
        matrix[place] = value
    told = ", ".join(f"{value} at {list(place)}" for place, value in sorted(entries.items()))
    told = f"{told}; the rest is 0" if told else "all 0"
    return partial(try_matrix, matrix=matrix, words=f"{shape[0]} rows of {shape[1]} bytes: {told}", why=why)


def _full(why: str, rows: int, columns: int, **options: Any) -> partial[Iterator[Observation]]:
    """Return a case with entries of all sizes, a few of them 0."""
    matrix = (np.arange(rows * columns) % 251).astype(np.uint8).reshape(rows, columns)
    return partial(
        try_matrix,
        matrix=matrix,
        words=f"{rows} rows of {columns} bytes: 0, 1, 2 up to 250, and so on",
        why=why,
        **options,
    )


CASES = (
    _few("one value in each row", (2, 4), {(0, 1): 5, (1, 3): 7}),
    _few("a row without values in the middle", (3, 2), {(0, 0): 1, (0, 1): 2, (2, 0): 3}),
    _few("rows without values at the start and at the end", (5, 3), {(1, 2): 4, (2, 0): 3, (2, 1): 6}),
    _few("a single row", (1, 5), {(0, 0): 2, (0, 4): 1}),
    _few("a single column", (4, 1), {(1, 0): 8, (3, 0): 9}),
    _few("a single entry", (1, 1), {(0, 0): 3}),
    _few("values up to 255, as bytes hold them", (2, 3), {(0, 0): 127, (0, 2): 128, (1, 0): 200, (1, 1): 255}),
    _few("nothing but zeros", (3, 4), {}),
    _few("exactly one block", (2, BLOCK), {(0, 0): 1, (1, BLOCK - 1): 2}),
    _few("one column more than a block", (2, BLOCK + 1), {(0, BLOCK - 1): 1, (0, BLOCK): 2, (1, 0): 3, (1, BLOCK): 4}),
    _few("one column less than a block", (2, BLOCK - 1), {(0, 3): 1, (1, BLOCK - 2): 2}),
    _few("exactly two blocks", (2, 2 * BLOCK), {(0, BLOCK): 1, (1, 5): 2, (1, 2 * BLOCK - 1): 3, (0, BLOCK + 7): 4}),
    _few(
        "three blocks, the last one narrower",
        (2, 2 * BLOCK + 50),
        {(0, 1): 9, (0, BLOCK - 1): 3, (0, BLOCK): 4, (1, 0): 5, (1, BLOCK + 44): 6, (0, 2 * BLOCK + 49): 7},
    ),
    _few(
        "four blocks, only the third of which holds values",
        (2, 4 * BLOCK),
        {(0, 2 * BLOCK + 1): 6, (1, 3 * BLOCK - 1): 7},
    ),
    _few("three blocks of zeros", (2, 3 * BLOCK - 5), {}),
    _full("hundreds of values in a block and in a row", 3, 2 * BLOCK + 9),
    _full("a matrix that lies in memory column by column", 3, BLOCK + 9, turn=np.asfortranarray),
    _full("some 70,000 values", 350, 205),
)


def _compress(matrix: Array, *, by_column: bool = False, whole_only: bool = False, extra: bool = False) -> Blocks:
    """Return the blocks, in which one thing may be wrong."""
    pointers: list[list[int]] = []
    offsets: list[Array] = []
    values: list[Array] = []
    columns = matrix.shape[1]
    last = columns // BLOCK * BLOCK if whole_only else columns + 1 if extra else columns
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


def compress_with_an_empty_block(matrix: Array) -> Blocks:
    return _compress(matrix, extra=True)


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


def _whole_columns(right: Blocks, dtype: type) -> Blocks:
    block = np.repeat(np.arange(len(right.pointers)), np.diff(right.pointers[:, [0, -1]])[:, 0])
    return Blocks(right.shape, right.pointers, (right.offsets + BLOCK * block).astype(dtype), right.values)


def compress_whole_columns(matrix: Array) -> Blocks:
    return _whole_columns(_compress(matrix), np.uint16)


def compress_whole_columns_in_bytes(matrix: Array) -> Blocks:
    return _whole_columns(_compress(matrix), np.uint8)


def compress_in_int64(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers.astype(np.int64), right.offsets.astype(np.int64), right.values)


def compress_pointers_in_int64(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers.astype(np.int64), right.offsets, right.values)


def compress_offsets_in_int64(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers, right.offsets.astype(np.int64), right.values)


def compress_without_blocks(matrix: Array) -> Blocks:
    row, column = np.nonzero(matrix)
    ends = np.cumsum(np.bincount(row, minlength=len(matrix)))
    return Blocks(matrix.shape, np.array([[0, *ends]], np.int32), column.astype(np.uint8), matrix[row, column])


def compress_ones(matrix: Array) -> Blocks:
    right = _compress(matrix)
    return Blocks(right.shape, right.pointers, right.offsets, np.ones_like(right.values))


def compress_signed(matrix: Array) -> Blocks:
    return _compress(np.where(matrix < 128, matrix, 0).astype(np.uint8))


_TOO_WIDE = "The memory saved is the point of it all."

RUBRIC = Rubric(
    library=sparse.compress,
    solution=compress,
    cases=CASES,
    mistakes=(
        Mistake(compress_by_column, "The values come column by column. Within a block they are ordered row by row."),
        Mistake(
            compress_without_blocks,
            "There are no blocks: the whole matrix was taken as one. Go through it in steps of BLOCK columns.",
        ),
        *(
            Mistake(
                wrong,
                "The offsets are column numbers of the whole matrix, which do not fit into a byte. Count from the "
                "first column of the block.",
            )
            for wrong in (compress_whole_columns, compress_whole_columns_in_bytes)
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
            compress_with_an_empty_block,
            "Where the columns fill whole blocks there is one block too many, without any column.",
        ),
        Mistake(compress_ones, "The values are all 1. Keep what the matrix holds there."),
        Mistake(compress_signed, "Values from 128 on are lost: bytes are unsigned here. Ask whether they are not 0."),
        Mistake(
            compress_in_int64,
            "The types are wider than needed: offsets are below 256, so uint8 holds them; pointers are int32. "
            + _TOO_WIDE,
        ),
        Mistake(compress_pointers_in_int64, f"The pointers are int64, wider than needed: int32. {_TOO_WIDE}"),
        Mistake(
            compress_offsets_in_int64,
            f"The offsets are int64, wider than needed: below 256, uint8 holds them. {_TOO_WIDE}",
        ),
    ),
    gives=("BLOCK",),
)
