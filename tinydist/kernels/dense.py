"""Dense matrix products and sums over the batch.

The product is there four times: NumPy's, NumPy's in reproducible pieces, and in numba as a plain and as a blocked loop.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from tinydist.kernels.chunks import CHUNKS, sum_chunks
from tinydist.kernels.jit import kernel
from tinydist.kernels.memory import empty
from tinydist.kernels.rows import dense_product, in_tiles

Array = NDArray[Any]

PIECE = 2**25
"""Multiplications of a piece, at the least: half a millisecond of work, beside which the threads' start is little."""

PIECES = 16
"""Largest number of pieces into which a product is cut; all numbers are powers of two, to be shared out evenly."""

_blas = ThreadpoolController().select(user_api="blas").lib_controllers
_blas_lock = Lock()  # the number of BLAS threads is one setting for the whole process


def matmul_numpy(a: Array, b: Array) -> Array:
    """Return the matrix product of ``(..., n, k)`` and ``(..., k, m)``, ``(..., n, m)``, by NumPy."""
    return np.matmul(a, b)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread within this block, which is what threadpoolctl's own limit does in ten times the time."""
    with _blas_lock:
        before = [(library, library.num_threads) for library in _blas]
        several = [(library, threads) for library, threads in before if threads != 1]
        for library, _ in several:
            _set_blas_threads(library, 1)
        try:
            yield
        finally:
            for library, threads in several:
                _set_blas_threads(library, threads)


def _set_blas_threads(library: Any, threads: int) -> None:
    """Set the number of threads of a BLAS library, from whichever thread of this process.

    Since version 3.8 threadpoolctl lets one thread set that of OpenBLAS, the first to do so, until it gives that up. It
    ignores others in silence, and their products would have other bits.
    """
    give_up = getattr(library, "clear_controlling_thread", lambda **_: None)
    give_up(force=True)
    library.set_num_threads(threads)
    give_up(force=True)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return so many threads, started once, as starting them takes as long as a piece of a product."""
    return ThreadPoolExecutor(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork does not copy threads


def matmul_blas(a: Array, b: Array) -> Array:
    """Return the matrix product of ``(..., n, k)`` and ``(..., k, m)``, the same bits at any number of threads.

    BLAS libraries cut a product differently for each number of threads, and so round it differently. Here BLAS is
    held to one thread, and a large product is cut along its longest axis into pieces, as many as its size asks for,
    which as many threads as numba uses share out: strips of the result, or, if k is the longest, terms that are added
    in order.
    """
    with _one_blas_thread():
        pieces = min(PIECES, 1 << (a.size * b.shape[-1] // PIECE).bit_length() >> 1)
        if a.ndim > 2 or b.ndim > 2 or pieces <= 1:
            return matmul_numpy(a, b)
        (n, k), m = a.shape, b.shape[1]
        longest = max(n, k, m)
        cuts = [slice(longest * i // pieces, longest * (i + 1) // pieces) for i in range(pieces)]
        dtype = np.result_type(a, b)
        threads = _pool(get_num_threads())
        if longest == k:
            terms = empty((pieces, n, m), dtype)
            list(threads.map(lambda i: np.matmul(a[:, cuts[i]], b[cuts[i]], out=terms[i]), range(pieces)))
            return functools.reduce(np.add, terms)
        product = empty((n, m), dtype)
        if longest == n:
            list(threads.map(lambda cut: np.matmul(a[cut], b, out=product[cut]), cuts))
        else:
            list(threads.map(lambda cut: np.matmul(a, b[:, cut], out=product[:, cut]), cuts))
        return product


@kernel(parallel=True)
def matmul_numba(a: Array, b: Array) -> Array:
    """Return the matrix product of ``(n, k)`` and ``(k, m)``.

    Threads share out the rows of the result. The innermost loop runs along a row of `b` and of the result, so
    memory is read in order and the compiler can use vector instructions. Every entry is summed over k in
    ascending order whatever the number of threads: the same bits each time.
    """
    n, inner = a.shape
    m = b.shape[1]
    product = np.zeros((n, m), dtype=a.dtype)
    for i in prange(n):
        for k in range(inner):
            factor = a[i, k]
            for j in range(m):
                product[i, j] += factor * b[k, j]
    return product


def matmul_blocked_numba(a: Array, b: Array) -> Array:
    """Return the matrix product of ``(n, k)`` and ``(k, m)``, in blocks that stay in cache and with sums in registers.

    The sums are those of :func:`matmul_numba`, in another order of the loops; see :mod:`tinydist.kernels.rows`. A BLAS
    library goes one step further and keeps several rows of the result in registers at once, so that a row of `b`,
    once loaded, serves them all.
    """
    product = empty((a.shape[0], b.shape[1]), b.dtype)
    dense_product(np.ascontiguousarray(a), in_tiles(b), product)
    return product


def column_sums_numpy(x: Array) -> Array:
    """Return the sums of `x`, (batch, width), over its first axis, (width,)."""
    return x.sum(axis=0)


@kernel(parallel=True)
def _column_terms(x: Array, partial: Array) -> None:
    """Write the sums over each chunk of the rows of `x`, (chunks, 1, width)."""
    batch, width = x.shape
    chunks = len(partial)
    for chunk in prange(chunks):
        partial[chunk] = 0
        for i in range(batch * chunk // chunks, batch * (chunk + 1) // chunks):
            for j in range(width):
                partial[chunk, 0, j] += x[i, j]


def column_sums_numba(x: Array) -> Array:
    """Return the sums of `x`, (batch, width), over its first axis, (width,): fixed chunks, added in order."""
    partial = empty((CHUNKS, 1, x.shape[1]), x.dtype)
    _column_terms(x, partial)
    return sum_chunks(partial)[0]
