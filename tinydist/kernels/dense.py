"""Dense matrix product, twice: NumPy's (BLAS) and a loop in numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


def matmul_numpy(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Matrix product of ``(..., n, k)`` and ``(..., k, m)`` by NumPy."""
    return np.matmul(a, b)


@njit(parallel=True, cache=True)
def matmul_numba(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
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
