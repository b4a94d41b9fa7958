"""Dense matrix product, three times: NumPy's, the same in reproducible pieces, and a loop in numba."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

Array = NDArray[Any]

PIECES = 4
"""Into how many pieces a large product is cut, whatever the number of threads."""

SMALL = 2**24
"""Multiplications up to which a product is not worth cutting (measured: about half a millisecond of work)."""

_blas = ThreadpoolController()
_blas_lock = Lock()  # the number of BLAS threads is one setting for the whole process


def matmul_numpy(a: Array, b: Array) -> Array:
    """Matrix product of ``(..., n, k)`` and ``(..., k, m)`` by NumPy."""
    return np.matmul(a, b)


def matmul_blas(a: Array, b: Array) -> Array:
    """Matrix product of ``(..., n, k)`` and ``(..., k, m)`` by NumPy, with the same bits at any number of threads.

    BLAS libraries cut a product differently for each number of threads, and so round it differently. Here BLAS is
    held to one thread, and a large product is cut along the longer side of its result into a fixed number of
    pieces, which as many threads as numba uses share out.
    """
    with _blas_lock, _blas.limit(limits=1, user_api="blas"):
        if a.ndim > 2 or b.ndim > 2 or a.size * b.shape[-1] <= SMALL:
            return matmul_numpy(a, b)
        n, m = a.shape[0], b.shape[1]
        product = np.empty((n, m), dtype=np.result_type(a, b))

        def multiply(piece: int) -> None:
            if n >= m:
                part = slice(n * piece // PIECES, n * (piece + 1) // PIECES)
                np.matmul(a[part], b, out=product[part])
            else:
                part = slice(m * piece // PIECES, m * (piece + 1) // PIECES)
                np.matmul(a, b[:, part], out=product[:, part])

        with ThreadPoolExecutor(get_num_threads()) as threads:
            list(threads.map(multiply, range(PIECES)))
        return product


@njit(parallel=True, cache=True)
def matmul_numba(a: Array, b: Array) -> Array:
    """Matrix product of ``(n, k)`` and ``(k, m)``.

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
