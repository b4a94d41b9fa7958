"""Sums of scaled rows of a matrix, kept in registers: the inner loops of sparse and of narrow dense matrix products.

``result[i] += sum_p values[p] * matrix[row of p]``: with `values` the non-zeros of row i of a sparse matrix, or the few
entries of row i of a narrow one, this is a matrix product. The speed depends on two things: that the rows of `matrix`
come from the fastest cache, for which the callers cut the work into blocks, and that the sums stay in registers, for
which see :func:`_add_rows`.

All kernels sum in a fixed order: the same bits at any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from tinydist.kernels.chunks import sum_chunks
from tinydist.kernels.jit import kernel

Array = NDArray[Any]

BLOCK = 112
"""Number of rows of `matrix` in a block: 56 kB at a width of 128 float32 (measured: 40 takes a fifth longer, 80 and 200
within a tenth). At most 256, so that an offset fits a byte."""

STRIP = 64
"""Number of rows of the result that a thread takes through all blocks before it goes on to the next."""

LANES = 16
"""Number of entries in a vector of :func:`_add_rows`: one AVX-512 register of float32, or several smaller ones."""


def _add_rows_plain(vectors: int) -> Callable[..., None]:
    """Return the innermost loop, for ``vectors * LANES`` columns of the result at a time, in plain Python.

    It shows the computation and runs with NUMBA_DISABLE_JIT=1; see :func:`_add_rows` for the one that is compiled.
    """

    def add_rows(
        result: Array,
        i: int,
        j: int,
        matrix: Array,
        first: int,
        offsets: Array | None,
        values: Array,
        start: int,
        stride: int,
        count: int,
    ) -> None:
        columns = slice(j, j + vectors * LANES)
        for n in range(count):
            row = first + (n if offsets is None else int(offsets[start + n]))
            result[i, columns] += values[start + n * stride] * matrix[row, columns]

    return add_rows


def _add_rows(vectors: int) -> Callable[..., None]:
    """Return the innermost loop, for ``vectors * LANES`` columns of the result at a time, for numba to compile.

    It computes what :func:`_add_rows_plain` does. Written like that, numba stores the sums to memory and loads them
    again for every n, because an array might overlap another. So the loop is spelled out in LLVM's language, with the
    sums as vector variables: they are loaded once before the loop and stored once after it. With 8 vectors of 16
    float32 and AVX-512, the machine code of one step is a load of the offset, a load and conversion of the value, its
    broadcast to all lanes, and eight multiply-adds (vfmadd231ps) that read a row of `matrix` straight from the cache
    into eight sums in registers zmm0 to zmm7. Eight independent sums are also what keeps the multiply-add units busy:
    each takes four cycles and two start per cycle. Processors with shorter vectors use several registers for one of
    ours.
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
        _stride: Any,
        _count: Any,
    ) -> Any:
        number = types.intp
        signature = types.void(result, number, number, matrix, number, offsets, values, number, number, number)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            result, i, j, matrix, first, offsets, values, start, stride, count = arguments

            def array(position: int, value: Any) -> Any:
                return context.make_array(signature.args[position])(context, builder, value)

            result, matrix, values = array(0, result), array(3, matrix), array(6, values)
            integer, lane = ir.IntType(64), context.get_value_type(signature.args[0].dtype)
            vector = ir.VectorType(lane, LANES)
            width = builder.extract_value(matrix.shape, 1)

            def entry(data: Any, row: Any) -> Any:
                """Return the address of column j of a row."""
                return builder.gep(data, [builder.add(builder.mul(row, width), j)])

            def addresses(data: Any) -> list[Any]:
                """Return the addresses of the vectors that begin there."""
                starts = [builder.gep(data, [integer(k * LANES)]) for k in range(vectors)]
                return [builder.bitcast(start, vector.as_pointer()) for start in starts]

            def row_of(n: Any) -> Any:
                if isinstance(signature.args[5], types.NoneType):
                    return builder.add(first, n)
                offset = builder.load(builder.gep(array(5, offsets).data, [builder.add(start, n)]))
                return builder.add(first, builder.zext(offset, integer))

            def value_of(n: Any) -> Any:
                value = builder.load(builder.gep(values.data, [builder.add(start, builder.mul(n, stride))]))
                return builder.uitofp(value, lane) if isinstance(signature.args[6].dtype, types.Integer) else value

            alignment = lane.get_abi_size(context.target_data)
            sums_at = addresses(entry(result.data, i))
            initial = [builder.load(address, align=alignment) for address in sums_at]
            before = builder.block
            head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
            builder.branch(head)

            builder.position_at_end(head)
            n = builder.phi(integer)
            sums = [builder.phi(vector) for _ in range(vectors)]
            builder.cbranch(builder.icmp_signed("<", n, count), body, after)

            builder.position_at_end(body)
            undefined = ir.Constant(vector, ir.Undefined)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            one_lane = builder.insert_element(undefined, value_of(n), integer(0))
            factor = builder.shuffle_vector(one_lane, undefined, zeros)
            added = []
            for total, address in zip(sums, addresses(entry(matrix.data, row_of(n))), strict=True):
                product = builder.fmul(factor, builder.load(address, align=alignment), flags=("contract",))
                added.append(builder.fadd(total, product, flags=("contract",)))
            following = builder.add(n, integer(1))
            builder.branch(head)

            n.add_incoming(integer(0), before)
            n.add_incoming(following, body)
            for total, first_value, next_value in zip(sums, initial, added, strict=True):
                total.add_incoming(first_value, before)
                total.add_incoming(next_value, body)

            builder.position_at_end(after)
            for total, address in zip(sums, sums_at, strict=True):
                builder.store(total, address, align=alignment)
            return context.get_dummy_value()

        return signature, generate

    return add_rows


_make = _add_rows_plain if config.DISABLE_JIT else _add_rows  # type: ignore[attr-defined]
_add_rows_8, _add_rows_4, _add_rows_1 = _make(8), _make(4), _make(1)


@kernel(fastmath={"contract"})
def _add_sparse(
    result: Array, i: int, matrix: Array, first: int, offsets: Array, values: Array, start: int, count: int
) -> None:
    """Add non-zeros to a row: ``result[i] += sum_n values[start + n] * matrix[first + offsets[start + n]]``."""
    width = result.shape[1]
    j = 0
    while j + 8 * LANES <= width:
        _add_rows_8(result, i, j, matrix, first, offsets, values, start, 1, count)
        j += 8 * LANES
    if j + 4 * LANES <= width:
        _add_rows_4(result, i, j, matrix, first, offsets, values, start, 1, count)
        j += 4 * LANES
    while j + LANES <= width:
        _add_rows_1(result, i, j, matrix, first, offsets, values, start, 1, count)
        j += LANES
    if j < width:
        for p in range(start, start + count):
            for rest in range(j, width):
                result[i, rest] += values[p] * matrix[first + int(offsets[p]), rest]


@kernel(fastmath={"contract"})
def add_dense(
    result: Array, i: int, matrix: Array, first: int, values: Array, start: int, stride: int, count: int
) -> None:
    """Add consecutive rows to a row: ``result[i] += sum_n values[start + n * stride] * matrix[first + n]``.

    Args:
        result: (rows, width), C-contiguous; row `i` is changed in place.
        i: row of `result`.
        matrix: (at least first + count, width), C-contiguous.
        first: first row of `matrix`.
        values: factors of the rows, one axis.
        start: position of the first factor in `values`.
        stride: steps from one factor to the next.
        count: number of rows to add.
    """
    width = result.shape[1]
    j = 0
    while j + 8 * LANES <= width:
        _add_rows_8(result, i, j, matrix, first, None, values, start, stride, count)
        j += 8 * LANES
    if j + 4 * LANES <= width:
        _add_rows_4(result, i, j, matrix, first, None, values, start, stride, count)
        j += 4 * LANES
    while j + LANES <= width:
        _add_rows_1(result, i, j, matrix, first, None, values, start, stride, count)
        j += LANES
    if j < width:
        for n in range(count):
            for rest in range(j, width):
                result[i, rest] += values[start + n * stride] * matrix[first + n, rest]


@kernel(parallel=True)
def sparse_product(pointers: Array, offsets: Array, values: Array, matrix: Array, start: Array, result: Array) -> None:
    """Write ``P M + start`` into `result`, for a P in blocks of columns; threads share out strips of rows.

    Args:
        pointers, offsets, values: P, see :class:`tinydist.kernels.sparse.Blocks`.
        matrix: M, (columns, width), C-contiguous; fastest if it starts at a cache line.
        start: added to every row, (width,).
        result: (rows, width), C-contiguous.
    """
    rows, width = result.shape
    for strip in prange((rows + STRIP - 1) // STRIP):
        for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
            for j in range(width):
                result[i, j] = start[j]
        for block in range(pointers.shape[0]):
            for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
                begin, end = pointers[block, i], pointers[block, i + 1]
                _add_sparse(result, i, matrix, block * BLOCK, offsets, values, begin, end - begin)


@kernel(parallel=True)
def sparse_product_summed(pointers: Array, offsets: Array, values: Array, matrix: Array, partial: Array) -> Array:
    """Return ``P M`` for a P with many blocks of columns; threads share out chunks of blocks, which are added in order.

    Args:
        pointers, offsets, values: P, see :class:`tinydist.kernels.sparse.Blocks`.
        matrix: M, (columns, width), C-contiguous; fastest if it starts at a cache line.
        partial: memory for the sums of the chunks, (chunks, rows, width), C-contiguous.

    Returns:
        (rows, width).
    """
    blocks = pointers.shape[0]
    chunks, rows, _ = partial.shape
    for chunk in prange(chunks):
        partial[chunk] = 0
        for block in range(blocks * chunk // chunks, blocks * (chunk + 1) // chunks):
            for i in range(rows):
                begin, end = pointers[block, i], pointers[block, i + 1]
                _add_sparse(partial[chunk], i, matrix, block * BLOCK, offsets, values, begin, end - begin)
    return sum_chunks(partial)


@kernel(parallel=True, fastmath={"reassoc", "contract", "nsz"})
def narrow_linear_numba(x: Array, weight: Array) -> Array:
    """Return ``X W^T``, (batch, out), for a W with few rows.

    Each entry is a sum along two rows, in vectors (which is why sums may be reassociated); NaN is respected.

    Args:
        x: X, (batch, in), C-contiguous.
        weight: W, (out, in), C-contiguous.
    """
    batch, inner = x.shape
    result = np.empty((batch, weight.shape[0]), dtype=x.dtype)
    for i in prange(batch):
        for j in range(weight.shape[0]):
            total = x.dtype.type(0)
            for k in range(inner):
                total += x[i, k] * weight[j, k]
            result[i, j] = total
    return result


@kernel(parallel=True)
def dense_product(a: Array, b: Array, result: Array) -> None:
    """Write ``A B`` into `result`, block by block; threads share out strips of rows.

    Args:
        a: A, (rows, columns), C-contiguous.
        b: B, (columns, width), C-contiguous; fastest if it starts at a cache line.
        result: (rows, width), C-contiguous.
    """
    rows, columns = a.shape
    values = a.reshape(-1)
    for strip in prange((rows + STRIP - 1) // STRIP):
        for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
            for j in range(result.shape[1]):
                result[i, j] = 0
        for first in range(0, columns, BLOCK):
            count = min(BLOCK, columns - first)
            for i in range(strip * STRIP, min(rows, (strip + 1) * STRIP)):
                add_dense(result, i, b, first, values, i * columns + first, 1, count)


@kernel(parallel=True)
def narrow_product_summed(narrow: Array, matrix: Array, partial: Array) -> Array:
    """Return ``N^T M`` for an N with few columns and many rows; threads share out chunks of rows, added in order.

    Args:
        narrow: N, (rows, columns), C-contiguous.
        matrix: M, (rows, width), C-contiguous; fastest if it starts at a cache line.
        partial: memory for the sums of the chunks, (chunks, columns, width), C-contiguous.

    Returns:
        (columns, width).
    """
    rows, columns = narrow.shape
    values = narrow.reshape(-1)
    chunks = partial.shape[0]
    for chunk in prange(chunks):
        partial[chunk] = 0
        last = rows * (chunk + 1) // chunks
        for first in range(rows * chunk // chunks, last, BLOCK):
            count = min(BLOCK, last - first)
            for j in range(columns):
                add_dense(partial[chunk], j, matrix, first, values, first * columns + j, columns, count)
    return sum_chunks(partial)
