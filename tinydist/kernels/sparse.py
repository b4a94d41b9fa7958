"""Products with a matrix of bytes that are mostly zero, such as MNIST's pixels (81% zeros).

Only the non-zeros are stored, and only they are multiplied. ``P M`` with P (rows, columns) bytes and M (columns,
width) floats is, row by row, a sum of rows of M, each scaled by one byte::

    result[i] = sum over non-zeros p of row i:  values[p] * M[column of p]

Two things decide the speed. First, M is much larger than the fastest cache (784 x 128 floats: 400 kB against 32 to
48 kB), so the columns of P are cut into blocks of at most ``BLOCK``: a strip of rows works through one block after the
other, and within a block it only needs BLOCK rows of M, which stay in the fastest cache or close to it. Block by
block, the column of a non-zero is an offset below 256, and one byte holds it. Second, the sum of a row has to stay in
registers while the row's non-zeros go by; see :func:`_add_rows`.

All kernels sum in a fixed order: the same bits at any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from tinydist.kernels.memory import aligned, empty

Array = NDArray[Any]

BLOCK = 80
"""Columns in a block; at most 256, so that an offset fits a byte."""

STRIP = 64
"""Rows of the result that a thread takes through all blocks before it goes on to the next."""

CHUNKS, BLOCKS_PER_CHUNK = 16, 16
"""A sum over many blocks is split into chunks of at least 16 blocks and at most 16 chunks, whatever the number of
threads: enough to share out, few enough that their sums cost little."""

LANES = 16
"""Entries in a vector of :func:`_add_rows`: one AVX-512 register of float32, or several smaller ones."""


@dataclass(frozen=True)
class Blocks:
    """The non-zeros of a (rows, columns) matrix of bytes, block of columns by block of columns, row by row.

    The non-zeros of row i in block b are at positions ``pointers[b, i]`` up to ``pointers[b, i + 1]`` of `offsets`
    (the column, counted from the first of the block) and `values`.

    Attributes:
        shape: (rows, columns) of the matrix.
        pointers: int32, (blocks, rows + 1).
        offsets, values: uint8, (non-zeros,).
    """

    shape: tuple[int, int]
    pointers: Array
    offsets: Array
    values: Array

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return self.pointers.nbytes + self.offsets.nbytes + self.values.nbytes


def compress(matrix: Array) -> Blocks:
    """The non-zeros of a (rows, columns) array of uint8, in blocks of columns."""
    rows, columns = matrix.shape
    starts = range(0, columns, BLOCK)
    pointers = np.zeros((len(starts), rows + 1), dtype=np.int32)
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
    """The (rows, columns) array of uint8 that was compressed."""
    matrix = np.zeros(blocks.shape, dtype=np.uint8)
    for block, pointers in enumerate(blocks.pointers):
        row = np.repeat(np.arange(blocks.shape[0]), np.diff(pointers))
        used = slice(pointers[0], pointers[-1])
        matrix[row, block * BLOCK + blocks.offsets[used].astype(int)] = blocks.values[used]
    return matrix


def _add_rows(vectors: int) -> Callable[..., None]:
    """Make the innermost loop, for ``vectors * LANES`` columns of the result at a time.

    The function made does, for one row i and the columns from j on::

        for p in range(start, stop):
            result[i, j : j + vectors * LANES] += values[p] * matrix[first + offsets[p], j : j + vectors * LANES]

    Written like this, numba stores the sums to memory and loads them again for every p, because an array might
    overlap another. So the loop is spelled out in LLVM's language, with the sums as vector variables: they are loaded
    once before the loop and stored once after it. With 8 vectors of 16 float32 and AVX-512, the machine code of one
    step is a load of the offset, a load and conversion of the value, its broadcast to all lanes, and eight
    multiply-adds (vfmadd231ps) that read a row of `matrix` straight from the cache into eight sums in registers
    zmm0 to zmm7. Eight independent sums are also what keeps the multiply-add units busy: each takes four
    cycles and two start per cycle. Processors with shorter vectors use several registers for one of ours.
    """

    @intrinsic
    def add_rows(
        _context: Any,
        result: Any,
        _i: Any,
        _j: Any,
        matrix: Any,
        _first: Any,
        offsets: Any,
        values: Any,
        _start: Any,
        _stop: Any,
    ) -> Any:
        signature = types.void(
            *(result, types.intp, types.intp, matrix, types.intp, offsets, values, types.intp, types.intp)
        )

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            result, i, j, matrix, first, offsets, values, start, stop = arguments

            def array(position: int, value: Any) -> Any:
                return context.make_array(signature.args[position])(context, builder, value)

            result, matrix = array(0, result), array(3, matrix)
            offsets, values = array(5, offsets).data, array(6, values).data
            integer, lane = ir.IntType(64), context.get_value_type(signature.args[0].dtype)
            vector = ir.VectorType(lane, LANES)
            width = builder.extract_value(matrix.shape, 1)

            def entry(data: Any, row: Any) -> Any:
                """Address of column j of a row."""
                return builder.gep(data, [builder.add(builder.mul(row, width), j)])

            def addresses(data: Any) -> list[Any]:
                """Of the vectors that begin there."""
                return [
                    builder.bitcast(builder.gep(data, [integer(k * LANES)]), vector.as_pointer())
                    for k in range(vectors)
                ]

            alignment = lane.get_abi_size(context.target_data)
            sums_at = addresses(entry(result.data, i))
            initial = [builder.load(address, align=alignment) for address in sums_at]
            before = builder.block
            head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
            builder.branch(head)

            builder.position_at_end(head)
            p = builder.phi(integer)
            sums = [builder.phi(vector) for _ in range(vectors)]
            builder.cbranch(builder.icmp_signed("<", p, stop), body, after)

            builder.position_at_end(body)
            offset = builder.zext(builder.load(builder.gep(offsets, [p])), integer)
            value = builder.uitofp(builder.load(builder.gep(values, [p])), lane)
            undefined, zeros = (
                ir.Constant(vector, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), LANES), None),
            )
            factor = builder.shuffle_vector(builder.insert_element(undefined, value, integer(0)), undefined, zeros)
            added = []
            for total, address in zip(sums, addresses(entry(matrix.data, builder.add(first, offset))), strict=True):
                product = builder.fmul(factor, builder.load(address, align=alignment), flags=("contract",))
                added.append(builder.fadd(total, product, flags=("contract",)))
            following = builder.add(p, integer(1))
            builder.branch(head)

            p.add_incoming(start, before)
            p.add_incoming(following, body)
            for total, first_value, next_value in zip(sums, initial, added, strict=True):
                total.add_incoming(first_value, before)
                total.add_incoming(next_value, body)

            builder.position_at_end(after)
            for total, address in zip(sums, sums_at, strict=True):
                builder.store(total, address, align=alignment)
            return context.get_dummy_value()

        return signature, generate

    return add_rows


_add_rows_8 = _add_rows(8)
_add_rows_1 = _add_rows(1)


@njit(cache=True, fastmath={"contract"})
def _add_block(
    result: Array, i: int, matrix: Array, first: int, offsets: Array, values: Array, start: int, stop: int
) -> None:
    """Add one row's non-zeros in one block: ``result[i] += sum_p values[p] * matrix[first + offsets[p]]``."""
    width = result.shape[1]
    j = 0
    while j + 8 * LANES <= width:
        _add_rows_8(result, i, j, matrix, first, offsets, values, start, stop)
        j += 8 * LANES
    while j + LANES <= width:
        _add_rows_1(result, i, j, matrix, first, offsets, values, start, stop)
        j += LANES
    if j < width:
        for p in range(start, stop):
            for rest in range(j, width):
                result[i, rest] += values[p] * matrix[first + offsets[p], rest]


@njit(parallel=True, cache=True)
def _matmul(pointers: Array, offsets: Array, values: Array, matrix: Array, start: Array, result: Array) -> None:
    rows, width = result.shape
    for strip in prange((rows + STRIP - 1) // STRIP):
        for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
            for j in range(width):
                result[i, j] = start[j]
        for block in range(pointers.shape[0]):
            for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
                begin, end = pointers[block, i], pointers[block, i + 1]
                _add_block(result, i, matrix, block * BLOCK, offsets, values, begin, end)


@njit(parallel=True, cache=True)
def _matmul_summed(pointers: Array, offsets: Array, values: Array, matrix: Array, partial: Array) -> Array:
    blocks = pointers.shape[0]
    chunks, rows, width = partial.shape
    for chunk in prange(chunks):
        partial[chunk] = 0
        for block in range(blocks * chunk // chunks, blocks * (chunk + 1) // chunks):
            for i in range(rows):
                begin, end = pointers[block, i], pointers[block, i + 1]
                _add_block(partial[chunk], i, matrix, block * BLOCK, offsets, values, begin, end)
    result = np.empty((rows, width), dtype=matrix.dtype)
    for i in prange(rows):
        for j in range(width):
            total = partial[0, i, j]
            for chunk in range(1, chunks):
                total += partial[chunk, i, j]
            result[i, j] = total
    return result


def sparse_matmul_numba(blocks: Blocks, matrix: Array, start: Array) -> Array:
    """``P M + start`` for a P with many rows: threads share out strips of rows.

    Args:
        blocks: P, (rows, columns).
        matrix: M, (columns, width).
        start: added to every row, (width,).

    Returns:
        (rows, width), in the dtype of `matrix`.
    """
    result = empty((blocks.shape[0], matrix.shape[1]), matrix.dtype)
    _matmul(blocks.pointers, blocks.offsets, blocks.values, aligned(matrix), start, result)
    return result


def sparse_matmul_numpy(blocks: Blocks, matrix: Array, start: Array) -> Array:
    """``P M + start``, by way of the dense P."""
    return decompress(blocks).astype(matrix.dtype) @ matrix + start


def sparse_matmul_summed_numba(blocks: Blocks, matrix: Array) -> Array:
    """``P M`` for a P with many columns: threads share out chunks of blocks, whose sums are added in order.

    Args:
        blocks: P, (rows, columns).
        matrix: M, (columns, width).

    Returns:
        (rows, width), in the dtype of `matrix`.
    """
    count = len(blocks.pointers)
    chunks = min(CHUNKS, (count + BLOCKS_PER_CHUNK - 1) // BLOCKS_PER_CHUNK)
    partial = empty((chunks, blocks.shape[0], matrix.shape[1]), matrix.dtype)
    return _matmul_summed(blocks.pointers, blocks.offsets, blocks.values, aligned(matrix), partial)


def sparse_matmul_summed_numpy(blocks: Blocks, matrix: Array) -> Array:
    """``P M``, by way of the dense P."""
    return decompress(blocks).astype(matrix.dtype) @ matrix
