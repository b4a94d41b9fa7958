"""Exercise weighted_squares_numba: weighted squared distances in compiled loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, ask_kernel, numbers
from tinydist.kernels import distance
from tinydist.kernels.jit import kernel


def check_weighted_squares(weighted_squares: Any) -> Iterator[Observation]:
    def case(batch: int, centers: int, features: int) -> dict[str, Array]:
        return {
            "x": numbers(1, batch, features),
            "center": numbers(2, centers, features),
            "weight": numbers(3, centers, features),
        }

    def truth(x: Array, center: Array, weight: Array) -> Array:
        return np.asarray(np.sum(weight * (x[:, None] - center) ** 2, axis=2))

    yield from ask_kernel(weighted_squares, truth, case(1, 1, 1), case(1, 1, 3), case(2, 3, 2), case(300, 10, 16))


def squares_uncompiled(x: Array, center: Array, weight: Array) -> Array:
    return np.stack([(x - c) ** 2 @ w for c, w in zip(center, weight, strict=True)], axis=1)


@kernel()
def squares_not_squared(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]), dtype=x.dtype)
    for i in range(x.shape[0]):
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                squares[i, j] += weight[j, k] * (x[i, k] - center[j, k])
    return squares


@kernel()
def squares_weight_squared(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]), dtype=x.dtype)
    for i in range(x.shape[0]):
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                squares[i, j] += (weight[j, k] * (x[i, k] - center[j, k])) ** 2
    return squares


@kernel()
def squares_last_feature(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]), dtype=x.dtype)
    for i in range(x.shape[0]):
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                squares[i, j] = weight[j, k] * (x[i, k] - center[j, k]) ** 2
    return squares


@kernel()
def squares_running_on(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]), dtype=x.dtype)
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                total += weight[j, k] * (x[i, k] - center[j, k]) ** 2
            squares[i, j] = total
    return squares


@kernel()
def squares_in_float64(x: Array, center: Array, weight: Array) -> Array:
    squares = np.zeros((x.shape[0], center.shape[0]))
    for i in range(x.shape[0]):
        for j in range(center.shape[0]):
            for k in range(x.shape[1]):
                squares[i, j] += weight[j, k] * (x[i, k] - center[j, k]) ** 2
    return squares


WEIGHTED_SQUARES_NUMBA = Exercise(
    name="weighted_squares_numba",
    title="distances in compiled loops",
    library=distance.weighted_squares_numba,
    lesson="12_fast_kernels",
    task="""
    result[i, j] = sum over k of weight[j, k] * (x[i, k] - center[j, k])**2, with x of shape (batch, features), center
    and weight of shape (centers, features), and the result of shape (batch, centers). Write three nested loops. numba
    compiles them, so they are as fast as C and need no array of all the differences.

    Look out: prange shares a loop out between threads, so no two turns of it may write to the same place. Allocate the
    result in the dtype of x, and start sums with x.dtype.type(0).
    """,
    hints=(
        "for i in prange(batch): then j over the centres, then k over the features, with a sum of its own for each "
        "(i, j).",
        "squares = np.empty((batch, center.shape[0]), dtype=x.dtype), and squares[i, j] = total after the loop over k.",
    ),
    check=check_weighted_squares,
    mistakes=(
        Mistake(
            squares_uncompiled,
            "The line @njit(parallel=True) above the function is missing; without it Python runs the loops itself, "
            "some hundred times more slowly.",
        ),
        Mistake(squares_not_squared, "The differences are not squared."),
        Mistake(
            squares_weight_squared,
            "The weight was squared as well. It multiplies the square of the difference: weight * difference**2.",
        ),
        Mistake(
            squares_last_feature,
            "Only the last feature is left: the sum over k is overwritten in each turn. Add to it with +=.",
        ),
        Mistake(
            squares_running_on,
            "The sum runs on from one centre to the next. Start it at 0 for each (i, j), inside the loop over j.",
        ),
        Mistake(
            squares_in_float64,
            "The result is float64 whatever comes in, because np.empty and np.zeros make float64. Pass dtype=x.dtype.",
        ),
    ),
    see=(distance.weighted_squares_numpy,),
)
