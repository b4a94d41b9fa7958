"""Exercise weighted_distance: the op behind OffsetL2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op, ask_op_on, numbers
from tinydist.kernels import distance
from tinydist.ops import Result


def check_weighted_distance(weighted_distance: Any) -> Iterator[Observation]:
    def inputs(x: Any, center: Any, weight: Any) -> dict[str, Array]:
        return {"x": np.array(x), "center": np.array(center), "weight": np.array(weight)}

    zero = np.zeros((1, 1))
    flat = {"x": zero, "center": zero, "weight": zero}
    general = {
        "x": numbers(1, 3, 2),
        "center": numbers(2, 2, 2, low=3, high=5),
        "weight": numbers(3, 2, 2, low=0.5),
    }
    yield from ask_op(weighted_distance, _distances, OpCase(inputs([[5.0]], [[2.0]], [[4.0]]), g=np.array([[10.0]])))
    yield from ask_op(weighted_distance, _distances, OpCase(inputs([[3.0, 4.0]], [[0.0, 0.5]], [[1.0, 2.0]])))
    at_center = OpCase(
        inputs([[2.0]], [[2.0]], [[4.0]]), g=np.array([[10.0]]), gradients=flat, note="distance zero: gradients are 0"
    )
    yield from ask_op(weighted_distance, _distances, at_center)
    negative = OpCase(
        inputs([[3.0]], [[2.0]], [[-4.0]]),
        {"floor": 0.25},
        g=np.array([[10.0]]),
        gradients=flat,
        note="a negative sum counts as below the floor",
    )
    yield from ask_op(weighted_distance, _distances, negative)
    yield from ask_op_on(weighted_distance, _distances, OpCase(general))


def _distances(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Array:
    return np.asarray(np.sqrt(np.maximum(np.sum(weight * (x[:, None] - center) ** 2, axis=2), floor)))


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
) -> Result:
    """Return the value and the rules by NumPy, in which one thing may be wrong."""
    difference = x[:, None] - center  # (batch, centers, features)
    w = weight * weight if square_weight else weight
    squared = np.sum(w * difference**2, axis=2)
    y = np.sqrt(np.maximum(squared, squared.dtype.type(floor))) if floored else np.sqrt(squared)

    def pull(g: Array) -> Array:
        g = np.asarray(outer * g, dtype=g.dtype)
        if not root:
            return g
        above = squared > floor
        return np.where(above, g / np.where(above, y, 1), 0) if guard else g / y

    return y, (
        lambda g: np.einsum("bc,cf,bcf->bf", pull(g), w, difference),
        lambda g: np.asarray(center_sign * np.einsum("bc,cf,bcf->cf", pull(g), w, difference), dtype=g.dtype),
        lambda g: np.asarray(weight_factor * np.einsum("bc,bcf->cf", pull(g), difference**2), dtype=g.dtype),
    )


def distance_dividing_by_zero(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, guard=False)


def distance_doubled(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, outer=2, weight_factor=0.25)


def distance_flipped(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, center_sign=1)


def distance_full_weight(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, weight_factor=1)


def distance_weight_squared(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, square_weight=True)


def distance_without_the_root(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, root=False)


def distance_without_floor(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor, floored=False)


WEIGHTED_DISTANCE = Exercise(
    name="weighted_distance",
    title="distances to prototypes and their three gradient rules",
    library=ops.weighted_distance,
    lesson="11_offset_l2",
    task="""
    The op behind OffsetL2. Return (value, (rule for x, rule for center, rule for weight)).

    Loops over the centres are fine, and so is one big array of differences, x[:, None] - center, of shape (batch,
    centers, features). The library calls kernels instead, which are exercises of their own.

    Look out: where the squared distance is not above the floor, all gradients are 0, and dividing by a distance of 0
    must not give nan. float32 in, float32 out: np.float64 numbers such as np.sqrt(2.0) widen what they touch.
    """,
    hints=(
        "Write down s = sum of weight * (x - center)**2 and d = sqrt(max(s, floor)). All three rules start with "
        "u = g / d, which is 0 where s <= floor.",
        "The derivative of d by s is 1 / (2 d). The 2 cancels against the square, except in the rule for weight.",
        "np.einsum('bc,cf,bcf->bf', u, weight, difference) is the rule for x.",
    ),
    check=check_weighted_distance,
    mistakes=(
        Mistake(
            distance_doubled,
            "The gradients of x and center are twice too large. The root's derivative is 1 / (2 d), and its 2 cancels "
            "the one from the square.",
        ),
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
            distance_without_floor,
            "The floor is missing: the squared distance is at least `floor`, which also catches sums that negative "
            "weights make negative.",
        ),
    ),
    see=(
        distance.weighted_squares_numpy,
        distance.weighted_squares_vjp_x_numpy,
        distance.weighted_squares_vjp_center_numpy,
        distance.weighted_squares_vjp_weight_numpy,
    ),
)
