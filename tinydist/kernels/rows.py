"""Sums of scaled rows of a matrix, kept in registers: the inner loops of sparse and of narrow dense matrix products.

``sums[i] += sum_p values[p] * matrix[row of p]``: with `values` the non-zeros of row i of a sparse matrix, or the few
entries of row i of a narrow one, this is a matrix product. The speed depends on two things: that the sums stay in
registers, for which see :func:`_add_rows`, and that the rows of `matrix` come from the fastest cache. So `matrix` is
cut into tiles: as many columns as :data:`SUMS` registers hold, and of these columns a block of rows at a time.

All kernels sum in a fixed order: the same bits at any number of threads, and where sums are in tiles with registers of
any size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from tinydist.kernels.chunks import sum_chunks
from tinydist.kernels.jit import kernel
from tinydist.kernels.memory import aligned_empty
from tinydist.kernels.processor import REGISTER

Array = NDArray[Any]

SUMS = 8
"""Number of registers that hold sums. A multiply-add takes four cycles and two can start per cycle, so eight sums that
do not wait for one another keep a processor busy, and AVX2, which has sixteen registers, has some left."""

TILE = SUMS * REGISTER
"""Size of a row of a tile in bytes: with AVX-512 128 columns of float32, with AVX2 64."""

BLOCK = 112
"""Number of rows in a block. A block of a tile has 28 kB with AVX2, which the first cache (32 kB or more) holds. With
AVX-512 it has 56 kB, and half as many rows were no faster (measured). At most 256, so that an offset fits a byte."""

STRIP = 64
"""Number of rows of the result that a thread takes through all blocks before it goes on to the next."""


def _add_rows_plain(
    sums: Array,
    i: int,
    tile: Array,
    first: int,
    offsets: Array | None,
    values: Array,
    start: int,
    stride: int,
    count: int,
) -> None:
    """Add scaled rows of a tile to a row of sums, in plain Python.

    It shows the computation and runs with NUMBA_DISABLE_JIT=1; see :func:`_add_rows` for the one that is compiled.

    Args:
        sums: (rows, tile width), C-contiguous; row `i` is changed in place.
        i: row of `sums`.
        tile: (rows, tile width), C-contiguous.
        first: row of `tile` from which rows are counted.
        offsets: row of each value, counted from `first`, one axis; None if they follow one another.
        values: factors of the rows, one axis.
        start: position of the first value and offset.
        stride: steps from one value to the next.
        count: number of values.
    """
    for n in range(count):
        row = first + (n if offsets is None else int(offsets[start + n]))
        sums[i] += values[start + n * stride] * tile[row]


@intrinsic
def _add_rows(
    _context: Any,
    sums: Any,
    _i: Any,
    tile: Any,
    _first: Any,
    offsets: Any,
    values: Any,
    _start: Any,
    _stride: Any,
    _count: Any,
) -> Any:
    """Add scaled rows of a tile to a row of sums; for numba to compile.

    It computes what :func:`_add_rows_plain` does. Written like that, numba stores the sums to memory and loads them
    again for every n, because an array might overlap another. So the loop is spelled out in LLVM's language, with the
    sums as vector variables: they are loaded once before the loop and stored once after it. With AVX-512 the machine
    code of one step is a load of the offset, a load and conversion of the value, its broadcast to all lanes, and eight
    multiply-adds (vfmadd231ps) that read a row of `tile` straight from the cache into eight sums in registers zmm0 to
    zmm7.
    """
    number = types.intp
    signature = types.void(sums, number, tile, number, offsets, values, number, number, number)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, i, tile, first, offsets, values, start, stride, count = arguments

        def array(position: int, value: Any) -> Any:
            return context.make_array(signature.args[position])(context, builder, value)

        sums, tile, values = array(0, sums), array(2, tile), array(5, values)
        integer, lane = ir.IntType(64), context.get_value_type(signature.args[0].dtype)
        size = lane.get_abi_size(context.target_data)
        lanes = REGISTER // size
        vector = ir.VectorType(lane, lanes)

        def addresses(data: Any, row: Any) -> list[Any]:
            """Return the addresses of the vectors of a row."""
            entry = builder.gep(data, [builder.mul(row, integer(SUMS * lanes))])
            starts = [builder.gep(entry, [integer(k * lanes)]) for k in range(SUMS)]
            return [builder.bitcast(start, vector.as_pointer()) for start in starts]

        def row_of(n: Any) -> Any:
            if isinstance(signature.args[4], types.NoneType):
                return builder.add(first, n)
            offset = builder.load(builder.gep(array(4, offsets).data, [builder.add(start, n)]))
            return builder.add(first, builder.zext(offset, integer))

        def value_of(n: Any) -> Any:
            value = builder.load(builder.gep(values.data, [builder.add(start, builder.mul(n, stride))]))
            return builder.uitofp(value, lane) if isinstance(signature.args[5].dtype, types.Integer) else value

        sums_at = addresses(sums.data, i)
        initial = [builder.load(address, align=size) for address in sums_at]
        before = builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)

        builder.position_at_end(head)
        n = builder.phi(integer)
        totals = [builder.phi(vector) for _ in range(SUMS)]
        builder.cbranch(builder.icmp_signed("<", n, count), body, after)

        builder.position_at_end(body)
        undefined = ir.Constant(vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
        one_lane = builder.insert_element(undefined, value_of(n), integer(0))
        factor = builder.shuffle_vector(one_lane, undefined, zeros)
        added = []
        for total, address in zip(totals, addresses(tile.data, row_of(n)), strict=True):
            product = builder.fmul(factor, builder.load(address, align=size), flags=("contract",))
            added.append(builder.fadd(total, product, flags=("contract",)))
        following = builder.add(n, integer(1))
        builder.branch(head)

        n.add_incoming(integer(0), before)
        n.add_incoming(following, body)
        for total, first_value, next_value in zip(totals, initial, added, strict=True):
            total.add_incoming(first_value, before)
            total.add_incoming(next_value, body)

        builder.position_at_end(after)
        for total, address in zip(totals, sums_at, strict=True):
            builder.store(total, address, align=size)
        return context.get_dummy_value()

    return signature, generate


add_rows: Any = _add_rows_plain if config.DISABLE_JIT else _add_rows  # type: ignore[attr-defined]


def empty_tiles(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return uninitialised memory for matrices, (..., rows, width), in tiles, (..., tiles, rows, tile width)."""
    *several, rows, width = shape
    tile_width = TILE // dtype.itemsize
    return aligned_empty((*several, (width + tile_width - 1) // tile_width, rows, tile_width), dtype)


@kernel()
def _fill_tiles(matrix: Array, tiles: Array) -> None:
    """Copy a matrix, (rows, width), into tiles, (tiles, at least rows, tile width), with zeros beyond its width."""
    count, _, tile_width = tiles.shape
    for i in range(len(matrix)):
        for t in range(count):
            entries, copied = matrix[i, t * tile_width :], tiles[t, i]
            used = min(tile_width, len(entries))
            for j in range(used):
                copied[j] = entries[j]
            for j in range(used, tile_width):
                copied[j] = 0


def in_tiles(matrix: Array) -> Array:
    """Return a matrix, (rows, width), in tiles, (tiles, rows, tile width), with zeros beyond its width."""
    tiles = empty_tiles(matrix.shape, matrix.dtype)
    _fill_tiles(np.ascontiguousarray(matrix), tiles)
    return tiles


def sum_in_tiles(partial: Array, width: int) -> Array:
    """Return the sum of matrices in tiles, (chunks, tiles, rows, tile width), added in order, as (rows, width)."""
    chunks, count, rows, tile_width = partial.shape
    total = sum_chunks(partial.reshape(chunks, count * rows, tile_width)).reshape(count, rows, tile_width)
    return np.ascontiguousarray(total.swapaxes(0, 1).reshape(rows, count * tile_width)[:, :width])


@kernel()
def _write_strip(sums: Array, result: Array, first: int, t: int) -> None:
    """Write sums of tile `t`, (rows, tile width), to the rows of `result` from `first` on."""
    tile_width = sums.shape[1]
    for i in range(min(len(sums), len(result) - first)):
        total, entries = sums[i], result[first + i, t * tile_width :]
        for j in range(min(tile_width, len(entries))):
            entries[j] = total[j]


@kernel(parallel=True, fastmath={"contract"})
def sparse_product(pointers: Array, offsets: Array, values: Array, tiles: Array, start: Array, result: Array) -> None:
    """Write ``P M + start`` into `result`, for a P in blocks of columns; threads share out strips of rows.

    Args:
        pointers, offsets, values: P, see :class:`tinydist.kernels.sparse.Blocks`.
        tiles: M, (columns, width), in tiles.
        start: added to every row, (width,), in tiles, (tiles, 1, tile width).
        result: (rows, width), C-contiguous.
    """
    rows = len(result)
    count, _, tile_width = tiles.shape
    for strip in prange((rows + STRIP - 1) // STRIP):
        first, last = strip * STRIP, min(rows, (strip + 1) * STRIP)
        sums = np.empty((STRIP, tile_width), dtype=tiles.dtype)
        for t in range(count):
            tile = tiles[t]
            for i in range(last - first):
                for j in range(tile_width):  # written out, since a copy of a row takes numba two seconds to compile
                    sums[i, j] = start[t, 0, j]
            for block in range(pointers.shape[0]):
                for i in range(first, last):
                    begin, end = pointers[block, i], pointers[block, i + 1]
                    add_rows(sums, i - first, tile, block * BLOCK, offsets, values, begin, 1, end - begin)
            _write_strip(sums, result, first, t)


@kernel(parallel=True, fastmath={"contract"})
def sparse_product_summed(
    pointers: Array, offsets: Array, values: Array, matrix: Array, tiled: Array, partial: Array
) -> None:
    """Write the terms of ``P M``, for a P with many blocks of columns; threads share out chunks of blocks.

    Args:
        pointers, offsets, values: P, see :class:`tinydist.kernels.sparse.Blocks`.
        matrix: M, (columns, width), C-contiguous.
        tiled: memory for a block of the matrix in tiles, of each chunk, (chunks, tiles, BLOCK, tile width).
        partial: the sums of the chunks, in tiles, (chunks, tiles, rows, tile width); written.
    """
    blocks = len(pointers)
    chunks, count, rows, _ = partial.shape
    for chunk in prange(chunks):
        partial[chunk] = 0
        tiles = tiled[chunk]
        for block in range(blocks * chunk // chunks, blocks * (chunk + 1) // chunks):
            _fill_tiles(matrix[block * BLOCK : (block + 1) * BLOCK], tiles)
            for t in range(count):
                sums, tile = partial[chunk, t], tiles[t]
                for i in range(rows):
                    begin, end = pointers[block, i], pointers[block, i + 1]
                    add_rows(sums, i, tile, 0, offsets, values, begin, 1, end - begin)


@kernel(fastmath={"reassoc", "contract", "nsz"})
def dot(a: Array, b: Array) -> float:
    """Return the sum of products of two arrays of one axis, in vectors (which is why it may be reassociated).

    NaN is respected.
    """
    total = a.dtype.type(0)
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


@kernel(parallel=True)
def narrow_product(x: Array, weight: Array, result: Array) -> None:
    """Write ``X W^T`` into `result`, for a W with few rows; threads share out the rows of X.

    Args:
        x: X, (batch, in), C-contiguous.
        weight: W, (out, in), C-contiguous.
        result: (batch, out), C-contiguous.
    """
    for i in prange(len(x)):
        row, outputs = x[i], result[i]
        for j in range(len(weight)):
            outputs[j] = dot(row, weight[j])


@kernel(parallel=True, fastmath={"contract"})
def dense_product(a: Array, tiles: Array, result: Array) -> None:
    """Write ``A B`` into `result`, tile by tile; threads share out strips of rows.

    Args:
        a: A, (rows, columns), C-contiguous.
        tiles: B, (columns, width), in tiles.
        result: (rows, width), C-contiguous.
    """
    rows, columns = a.shape
    values = a.reshape(-1)
    count, _, tile_width = tiles.shape
    for strip in prange((rows + STRIP - 1) // STRIP):
        first, last = strip * STRIP, min(rows, (strip + 1) * STRIP)
        sums = np.empty((STRIP, tile_width), dtype=tiles.dtype)
        for t in range(count):
            tile = tiles[t]
            sums[:] = 0
            for k in range(0, columns, BLOCK):
                for i in range(first, last):
                    add_rows(sums, i - first, tile, k, None, values, i * columns + k, 1, min(BLOCK, columns - k))
            _write_strip(sums, result, first, t)


@kernel(parallel=True, fastmath={"contract"})
def narrow_product_summed(narrow: Array, matrix: Array, tiled: Array, partial: Array) -> None:
    """Write the terms of ``N^T M``, for an N with few columns and many rows; threads share out chunks of rows.

    Args:
        narrow: N, (rows, columns), C-contiguous.
        matrix: M, (rows, width), C-contiguous.
        tiled: memory for a block of the matrix in tiles, of each chunk, (chunks, tiles, BLOCK, tile width).
        partial: the sums of the chunks, in tiles, (chunks, tiles, columns, tile width); written.
    """
    rows, columns = narrow.shape
    values = narrow.reshape(-1)
    chunks, count = partial.shape[:2]
    for chunk in prange(chunks):
        partial[chunk] = 0
        tiles = tiled[chunk]
        last = rows * (chunk + 1) // chunks
        for first in range(rows * chunk // chunks, last, BLOCK):
            length = min(BLOCK, last - first)
            _fill_tiles(matrix[first : first + length], tiles)
            for t in range(count):
                sums, tile = partial[chunk, t], tiles[t]
                for j in range(columns):
                    add_rows(sums, j, tile, 0, None, values, first * columns + j, columns, length)
