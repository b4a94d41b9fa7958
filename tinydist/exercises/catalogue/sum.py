"""Exercise sum: a sum along axes and its gradient rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.ops import Result
from tinydist.tensor import Tensor


def sum(x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Result:
    def vjp(g: np.ndarray) -> np.ndarray:
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        return np.broadcast_to(g, x.shape)

    return np.sum(x, axis=axis, keepdims=keepdims), (vjp,)


TABLE = numbers(6, 2, 3)
CUBE = numbers(8, 2, 3, 4)

CASES = op_cases(
    sum,
    OpCase({"x": np.array([2.0, 5.0, -4.0])}, g=np.array(10.0)),
    OpCase({"x": np.array([2.0, 5.0, -4.0])}, g=np.array(-10.0), why="a negative g"),
    OpCase({"x": np.array([0.0, 0.0, 7.0])}, why="zeros"),
    OpCase({"x": TABLE}, why="all axes"),
    OpCase({"x": TABLE}, {"axis": 0}, why="one sum for each column"),
    OpCase({"x": TABLE}, {"axis": 1}, why="one sum for each row"),
    OpCase({"x": TABLE}, {"axis": -1}, why="the last axis"),
    OpCase({"x": TABLE}, {"axis": -2}, why="the last axis but one"),
    OpCase({"x": numbers(9, 3, 3)}, {"axis": 0}, why="g fits along either axis, but belongs along one"),
    OpCase({"x": numbers(9, 3, 3)}, {"axis": 1}, why="g fits along either axis, but belongs along one"),
    OpCase({"x": TABLE}, {"axis": 0, "keepdims": True}, why="the summed axis stays, with size 1"),
    OpCase({"x": TABLE}, {"axis": -1, "keepdims": True}, why="the summed axis stays, with size 1"),
    OpCase({"x": TABLE}, {"axis": None, "keepdims": True}, why="all axes stay, with size 1"),
    OpCase({"x": CUBE}, {"axis": 1}, why="the axis in the middle"),
    OpCase({"x": CUBE}, {"axis": -2}, why="the axis in the middle"),
    OpCase({"x": CUBE}, {"axis": -3}, why="the first of three axes"),
    OpCase({"x": numbers(10, 3, 3, 3)}, {"axis": 1}, why="g fits along any axis, but belongs along two"),
    OpCase({"x": CUBE}, {"axis": (1,)}, why="a tuple of one axis"),
    OpCase({"x": CUBE}, {"axis": (0, 2)}, why="two axes"),
    OpCase({"x": CUBE}, {"axis": (2, 0)}, why="two axes, not in their order"),
    OpCase({"x": CUBE}, {"axis": (-1, 1)}, why="two axes, one counted from the end"),
    OpCase({"x": CUBE}, {"axis": (-3, -1)}, why="two axes, both counted from the end"),
    OpCase({"x": numbers(10, 3, 3, 3)}, {"axis": (0, 1)}, why="g fits along any axis, but belongs along one"),
    OpCase({"x": numbers(10, 3, 3, 3)}, {"axis": (-1, 0)}, why="g fits along any axis, but belongs along one"),
    OpCase({"x": CUBE}, {"axis": (0, -1), "keepdims": True}, why="two axes, which stay with size 1"),
    OpCase({"x": CUBE}, {"axis": (2, 1, 0)}, why="all axes, in a tuple"),
    OpCase({"x": numbers(11, 1, 3)}, {"axis": 0}, why="a sum of one entry each"),
    OpCase({"x": numbers(12, 3, 1)}, {"axis": -1}, why="a sum of one entry each"),
    OpCase({"x": numbers(12, 3, 1)}, {"axis": 0}, why="an axis of size 1 that is not summed"),
    OpCase({"x": np.array(4.0)}, why="a number, without any axis"),
    OpCase({"x": np.zeros((0, 3))}, {"axis": 0}, why="an empty batch: each sum is 0"),
    OpCase({"x": np.zeros((0, 3))}, {"axis": 1}, why="an empty batch: there is no sum"),
    OpCase(
        {"x": np.array([[1e-20, 2.0, 1e6], [3e-20, 5e-9, 1e20]])},
        {"axis": 0},
        g=np.array([1e15, -1e-15, 40.0]),
        why="small and large numbers",
        atol=0,
    ),
    OpCase({"x": numbers(13, 2, 3, 2, 4)}, {"axis": (-1, 1)}, why="two of four axes"),
)


def sum_unexpanded(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: g,)


def sum_like_mean(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    y, (rule,) = sum(x, axis, keepdims)
    return y, (lambda g: rule(g) * (y.size / max(x.size, 1)),)


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


def sum_ignoring_keepdims(x: Array, axis: Any = None, keepdims: bool = False) -> Result:  # noqa: ARG001
    shape = np.sum(x, axis=axis, keepdims=True).shape
    return np.sum(x, axis=axis), (lambda g: np.broadcast_to(g.reshape(shape), x.shape),)


def sum_without_negative_axes(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    shape = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
    return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: np.broadcast_to(g.reshape(shape), x.shape),)


def sum_filled_in_order(x: Array, axis: Any = None, keepdims: bool = False) -> Result:
    return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: np.resize(g, x.shape),)


RUBRIC = Rubric(
    library=ops.sum,
    solution=sum,
    cases=CASES,
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
        Mistake(
            sum_ignoring_keepdims,
            "keepdims is ignored in the value: with keepdims=True the axes that were summed stay, with size 1.",
        ),
        Mistake(
            sum_without_negative_axes,
            "An axis may be counted from the end: -1 is the last one. np.expand_dims understands that; a comparison "
            "with 0, 1, 2, ... does not.",
        ),
        Mistake(
            sum_filled_in_order,
            "g was repeated until the shape was full, row after row. That is right along the first axes only: an entry "
            "of g belongs to the entries that went into its sum.",
        ),
    ),
    twins=(
        Tensor.backward,
        ops.mean,
    ),
)
