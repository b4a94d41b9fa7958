"""Exercise weighted_distance: the op behind OffsetL2."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import distance
from tinydist.ops import Result
from tinydist.tensor import Tensor


def weighted_distance(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    difference = x[:, None] - center
    s = np.sum(weight * difference**2, axis=2)
    d = np.sqrt(np.maximum(s, floor))

    def u(g: Array) -> Array:
        return np.divide(g, d, out=np.zeros_like(d), where=s > floor)

    return d, (
        lambda g: np.einsum("bc,cf,bcf->bf", u(g), weight, difference),
        lambda g: -np.einsum("bc,cf,bcf->cf", u(g), weight, difference),
        lambda g: np.einsum("bc,bcf->cf", u(g), difference**2) / 2,
    )


def inputs(x: Any, center: Any, weight: Any) -> dict[str, Array]:
    """Return the arrays of a case by name."""
    return {"x": np.array(x), "center": np.array(center), "weight": np.array(weight)}


def drawn(seed: int, batch: int, centers: int, features: int) -> dict[str, Array]:
    """Return random arrays of these sizes, the centres far from x, and the weights positive."""
    return {
        "x": numbers(seed, batch, features),
        "center": numbers(seed + 1, centers, features, low=3, high=5),
        "weight": numbers(seed + 2, centers, features, low=0.5),
    }


TEN = np.array([[10.0]])
# Where a sum should be exactly 0 or exactly the floor, halves and whole numbers stand: any way to add them is exact.
FROM_ZERO_UP = inputs(
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.5, 2.0], [-3.0, 1.0]], [[0.0, 0.0], [1.0, 2.0]], [[1.0, 2.0], [4.0, 0.5]]
)

CASES = op_cases(
    weighted_distance,
    OpCase(inputs([[5.0]], [[2.0]], [[4.0]]), g=TEN),
    OpCase(inputs([[5.0]], [[2.0]], [[4.0]]), g=-TEN, why="a negative g"),
    OpCase(inputs([[2.0]], [[5.0]], [[0.25]]), g=TEN, why="x lies below the centre"),
    OpCase(inputs([[3.0, 4.0]], [[0.0, 0.5]], [[1.0, 2.0]]), why="two features"),
    OpCase(inputs([[2.0]], [[2.0]], [[4.0]]), g=TEN, why="distance 0: all gradients are 0"),
    OpCase(inputs([[2.0]], [[2.0]], [[4.0]]), g=0 * TEN, why="distance 0, and a g of 0"),
    OpCase(inputs([[1.0]], [[0.5]], [[2.0]]), {"floor": 4.0}, g=TEN, why="s = 0.5 is below the floor: d = sqrt(floor)"),
    OpCase(inputs([[2.0]], [[1.0]], [[4.0]]), {"floor": 4.0}, g=TEN, why="s is exactly the floor: all gradients are 0"),
    OpCase(
        inputs([[2.0, 2.0]], [[1.5, 1.0]], [[4.0, -0.75]]),
        {"floor": 0.25},
        g=TEN,
        why="s is exactly the floor: all gradients are 0",
    ),
    OpCase(inputs([[1.0]], [[0.0]], [[1 + 2.0**-20]]), {"floor": 1.0}, g=TEN, why="s is just above the floor"),
    OpCase(
        inputs([[4.0]], [[1.0]], [[1.0]]), {"floor": 4.0}, g=TEN, why="s = 9 is above the floor, which is not added"
    ),
    OpCase(inputs([[400.0], [100.0]], [[0.0]], [[1.0]]), {"floor": 4e4}, why="a large floor"),
    OpCase(inputs([[2.0**-19], [2.0**-21]], [[0.0]], [[1.0]]), {"floor": 2.0**-40}, why="a tiny floor"),
    OpCase(inputs([[3.0]], [[2.0]], [[-4.0]]), g=TEN, why="a negative sum is below a floor of 0"),
    OpCase(inputs([[3.0]], [[2.0]], [[-4.0]]), {"floor": 0.25}, g=TEN, why="a negative sum is below the floor"),
    OpCase(inputs([[3.0, 5.0]], [[2.0, 1.0]], [[-4.0, 2.0]]), g=TEN, why="a negative weight, but a positive sum"),
    OpCase(inputs([[3.0, 5.0]], [[2.0, 1.0]], [[0.0, 2.0]]), g=TEN, why="a weight of 0, which has a gradient itself"),
    OpCase(inputs([[3.0, 5.0]], [[2.0, 1.0]], [[0.0, 0.0]]), g=TEN, why="weights of 0 only: s is 0"),
    OpCase(inputs([[0.0, 0.0]], [[3.0, 0.0]], [[1.0, 2.0]]), g=TEN, why="zeros"),
    OpCase(FROM_ZERO_UP, why="x on a centre and beside it"),
    OpCase(FROM_ZERO_UP, {"floor": 1.0}, why="sums below the floor, at the floor and above it"),
    OpCase(inputs([[2.0**-30, 0.0]], [[0.0, 0.0]], [[1.0, 3.0]]), g=TEN, why="a tiny distance is not 0", atol=0),
    OpCase(inputs([[2.0**-45]], [[0.0]], [[1.0]]), g=-TEN, why="a tiny distance is not 0", atol=0),
    OpCase(
        inputs([[2.0**-30], [2.0**20]], [[0.0], [0.0]], [[2.0**40], [2.0**-40]]),
        g=np.array([[1e-15, 1.0], [1e15, -1.0]]),
        why="small and large numbers",
        atol=0,
    ),
    OpCase(inputs([[0.0]], [[2.0**-45], [-(2.0**20)]], [[3.0], [3.0]]), why="small and large numbers", atol=0),
    OpCase(inputs([[5.0]], [[2.0]], [[4.0]]), g=np.array([[1e-15]]), why="a tiny g", atol=0),
    OpCase(inputs([[5.0]], [[2.0]], [[4.0]]), g=np.array([[-1e15]]), why="a huge g", atol=0),
    OpCase(drawn(1, 1, 3, 2), why="a batch of one"),
    OpCase(drawn(4, 3, 1, 2), why="a single centre"),
    OpCase(drawn(7, 4, 3, 1), why="a single feature"),
    OpCase(drawn(10, 3, 3, 3), why="all sizes are equal"),
    OpCase(drawn(13, 4, 2, 3), {"floor": 25.0}, why="some sums are below the floor"),
    OpCase(drawn(13, 4, 2, 3), why="three different sizes"),
)


def _op(
    x: Array,
    center: Array,
    weight: Array,
    floor: float,
    *,
    guard: bool = True,
    outer: float = 1.0,
    center_sign: float = -1.0,
    weight_factor: float = 0.5,
    square_weight: bool = False,
    root: bool = True,
    floored: bool = True,
    at_floor: bool = False,
    flat_below: float | None = None,
    absolute: bool = False,
) -> Result:
    """Return the value and the rules by NumPy, in which one thing may be wrong."""
    difference = x[:, None] - center  # (batch, centers, features)
    w = weight * weight if square_weight else weight
    squared = np.sum(w * difference**2, axis=2)
    squared = np.abs(squared) if absolute else squared
    y = np.sqrt(np.maximum(squared, squared.dtype.type(floor))) if floored else np.sqrt(squared)

    def pull(g: Array) -> Array:
        g = np.asarray(outer * g, dtype=g.dtype)
        if not root:
            return g
        lowest = floor if flat_below is None else flat_below
        above = squared >= lowest if at_floor else squared > lowest
        return np.where(above, g / np.where(above & (y > 0), y, 1), 0) if guard else g / y

    return y, (
        lambda g: np.einsum("bc,cf,bcf->bf", pull(g), w, difference),
        lambda g: np.asarray(center_sign * np.einsum("bc,cf,bcf->cf", pull(g), w, difference), dtype=g.dtype),
        lambda g: np.asarray(
            weight_factor
            * np.einsum("bc,bcf->cf", pull(g), difference**2)
            * (2 * weight if square_weight else np.ones_like(weight)),
            dtype=g.dtype,
        ),
    )


def distance_dividing_by_zero(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, guard=False)


def distance_doubled(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, outer=2, weight_factor=0.25)


def distance_halved(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, outer=0.5, weight_factor=1)


def distance_squared(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    difference = x[:, None] - center
    return np.maximum(np.sum(weight * difference**2, axis=2), floor), (
        lambda g: 2 * np.einsum("bc,cf,bcf->bf", g, weight, difference),
        lambda g: -2 * np.einsum("bc,cf,bcf->cf", g, weight, difference),
        lambda g: np.einsum("bc,bcf->cf", g, difference**2),
    )


def distance_flipped(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, center_sign=1)


def distance_full_weight(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, weight_factor=1)


def distance_weight_squared(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, square_weight=True)


def distance_without_the_root(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, root=False)


def distance_moving_at_the_floor(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, at_floor=True)


def distance_with_a_floor_of_its_own(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor**2)


def distance_flat_at_zero_only(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, flat_below=0)


def distance_of_absolute_sums(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, absolute=True)


def distance_without_floor(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, floored=False)


RUBRIC = Rubric(
    library=ops.weighted_distance,
    solution=weighted_distance,
    cases=CASES,
    mistakes=(
        Mistake(
            distance_doubled,
            "The gradients of x and center are twice too large. The root's derivative is 1 / (2 d), and its 2 cancels "
            "the one from the square.",
        ),
        Mistake(
            distance_halved,
            "The gradients of x and center are half of what they should be. The root's derivative is 1 / (2 d), but "
            "that of the square has a 2 as well, and the two cancel.",
        ),
        Mistake(distance_squared, "The value is the squared distance: the root is missing."),
        Mistake(
            distance_flipped,
            "The sign of the gradient of center is flipped: moving the centre towards x makes the distance smaller.",
        ),
        Mistake(distance_full_weight, "The gradient of weight lacks the factor 1/2, which nothing cancels there."),
        Mistake(
            distance_weight_squared,
            "The weight was squared. Here it multiplies the squared difference as it is, as in the author's program; "
            "squaring it is the paper's form, and the layer's business.",
        ),
        Mistake(
            distance_without_the_root,
            "These are the rules of the squared distance. The root divides by the distance: u = g / d.",
        ),
        Mistake(
            distance_dividing_by_zero,
            "This divides by the distance even where it is zero (or at its floor). A point exactly on its prototype "
            "would fill the network with nan. Where the squared distance is not above the floor, the gradient is 0.",
        ),
        Mistake(
            distance_moving_at_the_floor,
            "At exactly the floor the gradients are not 0. They are 0 wherever s is not above the floor: s > floor, "
            "not s >= floor.",
        ),
        Mistake(
            distance_with_a_floor_of_its_own,
            "The floor was taken for one of the distance. It is one of the squared distance: d = sqrt(max(s, floor)).",
        ),
        Mistake(
            distance_flat_at_zero_only,
            "Between 0 and the floor there is a gradient. But there the distance is sqrt(floor), whatever x does, so "
            "all gradients are 0.",
        ),
        Mistake(
            distance_of_absolute_sums,
            "A negative sum was turned into a positive one. It counts as one below the floor.",
        ),
        Mistake(
            distance_without_floor,
            "The floor is missing: the squared distance is at least `floor`, which also catches sums that negative "
            "weights make negative.",
        ),
    ),
    twins=(
        Tensor.backward,
        distance.weighted_squares_numpy,
        distance.weighted_squares_numba,
        distance.weighted_squares_vjp_x_numpy,
        distance.weighted_squares_vjp_x_numba,
        distance.weighted_squares_vjp_center_numpy,
        distance.weighted_squares_vjp_center_numba,
        distance.weighted_squares_vjp_weight_numpy,
        distance.weighted_squares_vjp_weight_numba,
    ),
)
