"""Exercise weighted_squares_numba: weighted squared distances in compiled loops."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from tinydist.exercises.probes import Array, kernel_cases, numbers, said_if_not_compiled
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import distance


@njit(parallel=True)
def weighted_squares_numba(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]), dtype=x.dtype)
    for i in prange(x.shape[0]):
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                squares[i, j] += weight[j, k] * (x[i, k] - center[j, k]) ** 2
    return squares


def _points(batch: int, centers: int, features: int, size: float = 1.0) -> dict[str, Array]:
    return {
        "x": size * numbers(1 + batch, batch, features),
        "center": size * numbers(2 + centers, centers, features),
        "weight": numbers(3 + features, centers, features),
    }


def _squares(x: Array, center: Array, weight: Array) -> Array:
    return np.asarray(np.sum(weight * (x[:, None] - center) ** 2, axis=2))


_WEIGHTS = {
    "x": np.array([[1.5, -2.0, 0.5]]),
    "center": np.array([[0.5, 1.0, 0.0]]),
    "weight": np.array([[250.0, -40.0, 0.001]]),
}

_AT_CENTERS = {
    "x": np.array([[1.5, -2.0], [0.0, 3.0], [-1.0, -1.0]]),
    "center": np.array([[1.5, -2.0], [0.0, 0.0]]),
    "weight": np.array([[2.0, -1.0], [0.0, 0.5]]),
}

CASES = kernel_cases(
    _squares,
    ("a single term", {"x": np.array([[5.0]]), "center": np.array([[2.0]]), "weight": np.array([[4.0]])}),
    ("one row and one centre", _points(1, 1, 3)),
    ("several centres, one feature", _points(2, 3, 1)),
    ("several centres, one row", _points(1, 3, 2)),
    ("more rows than centres", _points(5, 2, 3)),
    ("more centres than rows", _points(2, 4, 3)),
    ("rows on centres, and weights of 0", _AT_CENTERS),
    ("weights of all sizes", _WEIGHTS),
    ("tiny numbers", _points(2, 3, 2, 1e-9)),
    ("huge numbers", _points(2, 3, 2, 1e9)),
    ("two rows, three centres, four features", _points(2, 3, 4)),
    ("larger arrays", _points(131, 11, 37)),
)


def squares_not_squared(x: Array, center: Array, weight: Array) -> Array:
    return np.asarray(np.sum(weight * (x[:, None] - center), axis=2))


def squares_weight_squared(x: Array, center: Array, weight: Array) -> Array:
    return np.asarray(np.sum((weight * (x[:, None] - center)) ** 2, axis=2))


def squares_without_weight(x: Array, center: Array, _weight: Array) -> Array:
    return np.asarray(np.sum((x[:, None] - center) ** 2, axis=2))


def squares_with_a_root(x: Array, center: Array, weight: Array) -> Array:
    return np.sqrt(_squares(x, center, weight))


def squares_last_feature(x: Array, center: Array, weight: Array) -> Array:
    return _squares(x[:, -1:], center[:, -1:], weight[:, -1:])


def squares_without_last_feature(x: Array, center: Array, weight: Array) -> Array:
    return _squares(x[:, :-1], center[:, :-1], weight[:, :-1])


def squares_running_on(x: Array, center: Array, weight: Array) -> Array:
    return np.cumsum(_squares(x, center, weight), axis=1)


def squares_in_float64(x: Array, center: Array, weight: Array) -> Array:
    return np.asarray(np.sum(weight * (x[:, None] - center) ** 2, axis=2, dtype=np.float64))


def squares_in_float32(x: Array, center: Array, weight: Array) -> Array:
    return _squares(x, center, weight).astype(np.float32)


def squares_transposed(x: Array, center: Array, weight: Array) -> Array:
    return _squares(x, center, weight).T


RUBRIC = Rubric(
    library=distance.weighted_squares_numba,
    solution=weighted_squares_numba,
    cases=CASES,
    mistakes=(
        Mistake(squares_not_squared, "The differences are not squared."),
        Mistake(
            squares_weight_squared,
            "The weight was squared as well. It multiplies the square of the difference: weight * difference**2.",
        ),
        Mistake(squares_without_weight, "The weight is missing: each square is multiplied with weight[j, k]."),
        Mistake(squares_with_a_root, "These are distances. The squared distances are wanted, without a root."),
        Mistake(
            squares_last_feature,
            "Only the last feature is left: the sum over k is overwritten in each turn. Add to it with +=.",
        ),
        Mistake(squares_without_last_feature, "The last feature is missing: k runs up to x.shape[1] - 1."),
        Mistake(
            squares_running_on,
            "The sum runs on from one centre to the next. Start it at 0 for each (i, j), inside the loop over j.",
        ),
        Mistake(squares_transposed, "The result is transposed: its shape is (batch, centers)."),
        Mistake(
            squares_in_float64,
            "The result is float64 whatever comes in, because np.empty and np.zeros make float64. Pass dtype=x.dtype.",
        ),
        Mistake(squares_in_float32, "The result is float32 whatever comes in. Allocate it with dtype=x.dtype."),
    ),
    twins=(distance.weighted_squares_numpy,),
    turns=tuple(_points(65, 2, 33).values()),  # of more rows, and more features, than a block usually has
    remarks=said_if_not_compiled,
)
