"""Exercise sum: a sum along axes and its gradient rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result


def check_sum(sum: Any) -> Iterator[Observation]:
    table = numbers(6, 2, 3)
    yield from ask_op_on(
        sum,
        np.sum,
        OpCase({"x": numbers(7, 3)}, g=np.array(10.0)),
        OpCase({"x": table}, {"axis": 0}, note="one sum for each column"),
        OpCase({"x": table}, {"axis": 1}, note="one sum for each row"),
        OpCase({"x": table}, {"axis": -1, "keepdims": True}),
        OpCase({"x": table}, {"axis": None, "keepdims": True}),
        OpCase({"x": numbers(8, 2, 3, 2)}, {"axis": (0, 2)}),
    )


def sum_unexpanded(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: g,)


def sum_like_mean(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    _, (rule,) = ops.mean(x, axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims), (rule,)


def sum_weighted_by_x(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    def vjp(g: Array) -> Array:
        return x * (g if keepdims or axis is None else np.expand_dims(g, axis))

    return np.sum(x, axis=axis, keepdims=keepdims), (vjp,)


def sum_lost_axes(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: np.broadcast_to(g, x.shape),)


def sum_always_last_axis(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    def vjp(g: Array) -> Array:
        return np.broadcast_to(g if keepdims or axis is None else g[..., None], x.shape)

    return np.sum(x, axis=axis, keepdims=keepdims), (vjp,)


SUM = Exercise(
    name="sum",
    title="a sum along axes and its gradient rule",
    library=ops.sum,
    lesson="03_broadcasting",
    task="""
    A sum is the counterpart of a copy: every entry of x goes into one sum, with slope 1. So its gradient is the
    gradient of that sum. Return (value, (rule,)), with a comma: a tuple of one.

    Look out: the rule must return the shape of x, and summing has taken axes away, except with keepdims=True.
    axis may be None (all axes), a number or a tuple of numbers.
    """,
    hints=(
        "Give g its lost axes back with size 1; then np.broadcast_to(..., x.shape) copies it along them.",
        "np.expand_dims(g, axis) puts them back. It cannot take axis=None; but then g is a single number already.",
        "There are three cases: keepdims (no axis was lost), axis=None, and the rest.",
    ),
    check=check_sum,
    mistakes=(
        Mistake(
            sum_unexpanded,
            "The rule hands g on as it came, in the shape of the sum. Every entry of x needs its gradient: copy g to "
            "all entries that were summed.",
        ),
        Mistake(
            sum_like_mean, "This is the rule of the mean. In a sum every entry has slope 1, however many there are."
        ),
        Mistake(sum_weighted_by_x, "The gradient of a sum does not depend on x: every entry has slope 1, not slope x."),
        Mistake(
            sum_lost_axes,
            "The axes that the sum took away are lost in g, and NumPy then lines it up with x from the right, which is "
            "the wrong way or none at all. Put them back with np.expand_dims(g, axis).",
        ),
        Mistake(
            sum_always_last_axis,
            "g was copied along the wrong axis: its lost axis has to come back where it was, not at the end.",
        ),
    ),
)
