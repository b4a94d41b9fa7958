"""Exercise matmul_numba: a matrix product in compiled loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, ask_kernel, numbers
from tinydist.kernels import dense
from tinydist.kernels.jit import kernel


def check_matmul_numba(matmul: Any) -> Iterator[Observation]:
    """Yield observations; the truth is NumPy's einsum."""
    yield from ask_kernel(
        matmul,
        lambda a, b: np.einsum("nk,km->nm", a, b),
        {"a": numbers(1, 2, 2), "b": numbers(2, 2, 2)},
        {"a": numbers(3, 2, 3), "b": numbers(4, 3, 4)},
        {"a": numbers(5, 50, 30), "b": numbers(6, 30, 20)},
    )


def product_uncompiled(a: Array, b: Array) -> Array:
    return a @ b


@kernel()
def product_last_term(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                product[i, j] = a[i, k] * b[k, j]
    return product


@kernel()
def product_transposed(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                product[i, j] += a[i, k] * b[j, k]
    return product


@kernel()
def product_running_on(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        total = a.dtype.type(0)
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            product[i, j] = total
    return product


@kernel()
def product_in_float64(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                product[i, j] += a[i, k] * b[k, j]
    return product


MATMUL_NUMBA = Exercise(
    name="matmul_numba",
    title="a matrix product in compiled loops",
    library=dense.matmul_numba,
    lesson="12_fast_kernels",
    task="""
    result[i, j] = sum over k of a[i, k] * b[k, j], in three nested loops that numba compiles. Any order of the loops is
    right; i, k, j is fast, because the innermost loop then runs along rows of b and of the result, which lie in memory
    one after the other.

    Look out: prange shares a loop out between threads, so no two turns of it may write to the same place: use it for i.
    Allocate the result in the dtype of a.
    """,
    hints=(
        "product = np.zeros((n, m), dtype=a.dtype), and each turn of the innermost loop adds one term to it.",
        "for i in prange(n): for k in range(inner): factor = a[i, k]; for j in range(m): ...",
    ),
    check=check_matmul_numba,
    mistakes=(
        Mistake(
            product_uncompiled,
            "The line @njit(parallel=True) above the function is missing; without it Python runs the loops itself.",
        ),
        Mistake(product_last_term, "Only the last term is left: the sum over k is overwritten. Add to it with +=."),
        Mistake(product_transposed, "The second factor is transposed: a row of a meets a column of b, b[k, j]."),
        Mistake(
            product_running_on,
            "The sum runs on from one entry to the next. Start it at 0 for each (i, j), inside the loop over j.",
        ),
        Mistake(
            product_in_float64,
            "The result is float64 whatever comes in, because np.zeros makes float64. Pass dtype=a.dtype.",
        ),
    ),
    see=(dense.matmul_numpy,),
)
