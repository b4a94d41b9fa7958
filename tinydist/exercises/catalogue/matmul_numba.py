"""Exercise matmul_numba: a matrix product in compiled loops."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from tinydist.exercises.probes import Array, kernel_cases, numbers, said_if_not_compiled
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import dense


@njit(parallel=True)
def matmul_numba(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in prange(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                product[i, j] += a[i, k] * b[k, j]
    return product


def _factors(n: int, inner: int, m: int, size: float = 1.0) -> dict[str, Array]:
    return {"a": size * numbers(n + inner, n, inner), "b": size * numbers(inner + m + 20, inner, m)}


_WITH_ZEROS = {
    "a": np.array([[0.0, -2.0, 1.5], [0.0, 0.0, 0.0], [-1.0, 0.0, -3.0]]),
    "b": np.array([[2.0, -1.0], [0.5, 0.0], [-4.0, 3.0]]),
}

CASES = kernel_cases(
    lambda a, b: np.einsum("nk,km->nm", a, b),
    ("two by two", _factors(2, 2, 2)),
    ("a single term", _factors(1, 1, 1)),
    ("one row, as a batch of one", _factors(1, 3, 2)),
    ("one column", _factors(3, 2, 1)),
    ("sums of a single term", _factors(3, 1, 4)),
    ("wider than high", _factors(2, 3, 5)),
    ("higher than wide", _factors(7, 5, 2)),
    ("factors of 0, and a row of them", _WITH_ZEROS),
    ("tiny numbers", _factors(2, 3, 2, 1e-9)),
    ("huge numbers", _factors(2, 3, 2, 1e9)),
    ("two rows, four terms, three columns", _factors(2, 4, 3)),
    ("larger arrays", _factors(71, 53, 41)),
)


def product_last_term(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                product[i, j] = a[i, k] * b[k, j]
    return product


def product_transposed(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                product[i, j] += a[i, k] * b[j, k]
    return product


def product_running_on(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        total = a.dtype.type(0)
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            product[i, j] = total
    return product


def product_in_float64(a: Array, b: Array) -> Array:
    return np.asarray((a[:, :, None] * b).sum(axis=1, dtype=np.float64))


def product_in_float32(a: Array, b: Array) -> Array:
    return np.matmul(a.astype(np.float32), b.astype(np.float32))


def product_of_whole_numbers(a: Array, b: Array) -> Array:
    return np.trunc(a[:, :, None] * b).sum(axis=1, dtype=a.dtype)


def product_without_last_term(a: Array, b: Array) -> Array:
    return np.matmul(a[:, :-1], b[:-1])


def product_first_row_only(a: Array, b: Array) -> Array:
    product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    product[0] = a[0] @ b
    return product


RUBRIC = Rubric(
    library=dense.matmul_numba,
    solution=matmul_numba,
    cases=CASES,
    mistakes=(
        Mistake(product_last_term, "Only the last term is left: the sum over k is overwritten. Add to it with +=."),
        Mistake(product_transposed, "The second factor is transposed: a row of a meets a column of b, b[k, j]."),
        Mistake(
            product_running_on,
            "The sum runs on from one entry to the next. Start it at 0 for each (i, j), inside the loop over j.",
        ),
        Mistake(product_without_last_term, "The last term of each sum is missing: k runs up to a.shape[1] - 1."),
        Mistake(
            product_first_row_only,
            "Only the first row is filled: the return stands inside the loop over the rows, which it ends.",
        ),
        Mistake(
            product_of_whole_numbers,
            "Each term is cut to a whole number. Leave out int, and start sums with a.dtype.type(0).",
        ),
        Mistake(
            product_in_float64,
            "The result is float64 whatever comes in, because np.zeros makes float64. Pass dtype=a.dtype.",
        ),
        Mistake(product_in_float32, "The result is float32 whatever comes in. Allocate it with dtype=a.dtype."),
    ),
    twins=(dense.matmul_numpy,),
    turns=tuple(_factors(33, 34, 5).values()),  # of more rows, and more terms, than a block usually has
    remarks=said_if_not_compiled,
)
