"""Exercise log_softmax: log-softmax without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, Asked, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Case, Mistake, Rubric
from tinydist.ops import Result
from tinydist.tensor import Tensor


def log_softmax(x: Array, axis: int = -1) -> Result:
    shifted = x - np.max(x, axis=axis, keepdims=True)
    y = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y, (lambda g: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True),)


G = np.array([1.0, 2.0])
TABLE = numbers(1, 2, 2)

CASES: tuple[Case, ...] = (
    *op_cases(
        log_softmax,
        OpCase({"x": np.array([1.0, 3.0])}, g=G),
        OpCase({"x": np.array([1.0, 3.0])}, g=-G, why="a negative g"),
        OpCase({"x": np.array([1.0, 3.0])}, g=np.array([1.0, -1.0]), why="a g of which the sum is 0"),
        OpCase({"x": np.array([-1.98765432, 0.0, 0.12345678])}, why="three classes"),
        OpCase({"x": np.array([5.0, 5.0, 5.0])}, why="equal logits"),
        OpCase({"x": TABLE}, why="each row is a distribution of its own"),
        OpCase({"x": TABLE}, {"axis": 0}, why="now each column is one"),
        OpCase({"x": numbers(2, 2, 3)}, {"axis": -2}, why="the last axis but one"),
        OpCase({"x": numbers(3, 3, 1)}, {"axis": 0}, why="an axis of size 1 besides"),
        OpCase({"x": np.array([1000.0, 0.0])}, g=G, why="e to the 1000 is too large for any float"),
        OpCase({"x": np.array([-1000.0, -1200.0])}, g=G, why="e to the -1000 is 0 in any float, and has no logarithm"),
        OpCase({"x": np.array([-1000.0, 1000.0, 800.0])}, why="logits far from each other"),
        OpCase({"x": np.array([0.0, 1e6, 0.0, 0.0])}, why="one logit far above the mean of all"),
        OpCase({"x": np.array([[1000.0, 800.0], [-1000.0, -1200.0]])}, why="rows of very different size"),
        OpCase({"x": np.array([[900.0, -900.0], [0.0, -500.0]])}, {"axis": 0}, why="columns of very different size"),
        OpCase({"x": np.array([[3.0, 3.0, 3.0], [0.0, 0.0, 0.0], [-7.0, -7.0, -7.0]])}, why="equal logits in each row"),
        OpCase({"x": numbers(4, 2, 3)}, g=1e-15 * numbers(5, 2, 3), why="a small g"),
        OpCase({"x": numbers(6, 2, 3)}, g=1e15 * numbers(7, 2, 3), why="a large g"),
        OpCase({"x": numbers(8, 3, 3, 3)}, {"axis": 1}, why="three axes of the same size"),
        OpCase({"x": numbers(9, 2, 3, 4)}, {"axis": 0}, why="the first of three axes"),
        OpCase({"x": numbers(9, 2, 3, 4)}, {"axis": 2}, why="the last of three axes"),
        OpCase({"x": numbers(9, 2, 3, 4)}, {"axis": -2}, why="the axis in the middle, counted from the end"),
        OpCase({"x": numbers(9, 2, 3, 4)}, why="three axes; without a word about the axis, it is the last one"),
        OpCase({"x": numbers(9, 2, 3, 4, low=-9, high=9)}, {"axis": 1}, why="the axis in the middle"),
    ),
    # in float64 only: in float32 the logarithm of the sum, as large as the logits, is a coarse number
    *(
        Asked(log_softmax, OpCase({"x": x}, why="near each other, and far from 0"))
        for x in (np.array([-1000.0, -1001.0]), np.array([[1000.0, 998.0, 999.0], [-1000.0, -1001.0, -1000.0]]))
    ),
)


def _log_softmax(x: Array, axis: int, rule: Any, keepdims: bool = True) -> Result:
    y = x - x.max(axis=axis, keepdims=True)
    y = y - np.log(np.exp(y).sum(axis=axis, keepdims=True))

    def vjp(g: Array) -> Array:
        return np.asarray(rule(g, np.exp(y), g.sum(axis=axis, keepdims=keepdims)))

    return y, (vjp,)


def log_softmax_overflowing(x: Array, axis: int = -1) -> Result:
    y = x - np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return y, (lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True),)


def log_softmax_of_softmax(x: Array, axis: int = -1) -> Result:
    p = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
    return np.log(p), (lambda g: g - p * g.sum(axis=axis, keepdims=True),)


def log_softmax_of_shifted_softmax(x: Array, axis: int = -1) -> Result:
    p = np.exp(x - x.max(axis=axis, keepdims=True))
    p = p / p.sum(axis=axis, keepdims=True)
    return np.log(p), (lambda g: g - p * g.sum(axis=axis, keepdims=True),)


def log_softmax_with_one_shift(x: Array, axis: int = -1) -> Result:
    shifted = x - x.max()
    y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return y, (lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True),)


def log_softmax_without_log(x: Array, axis: int = -1) -> Result:
    y, _ = _log_softmax(x, axis, None)
    p = np.exp(y)
    return p, (lambda g: p * (g - (p * g).sum(axis=axis, keepdims=True)),)


def log_softmax_value_without_log(x: Array, axis: int = -1) -> Result:
    y, rules = _log_softmax(x, axis, lambda g, p, total: g - p * total)
    return np.exp(y), rules


def log_softmax_summing_all(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g - p * g.sum())


def log_softmax_rule_on_the_last_axis(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g - p * g.sum(axis=-1, keepdims=True))


def log_softmax_without_the_sum(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g - p)


def log_softmax_own_entry_only(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g * (1 - p))


def log_softmax_passing_g(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, _p, _total: g)


def log_softmax_losing_the_axis(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, total: g - p * total, keepdims=False)


def log_softmax_last_axis(x: Array, axis: int = -1) -> Result:  # noqa: ARG001
    return _log_softmax(x, -1, lambda g, p, total: g - p * total)


RUBRIC = Rubric(
    library=ops.log_softmax,
    solution=log_softmax,
    cases=CASES,
    mistakes=(
        *(
            Mistake(softmax, "The value is the softmax itself. The logarithm of it is wanted.")
            for softmax in (log_softmax_without_log, log_softmax_value_without_log)
        ),
        Mistake(
            log_softmax_own_entry_only,
            "The rule treats each entry by itself, g (1 - p). But raising one logit also lowers all the other outputs, "
            "so each entry subtracts p times the sum of all g.",
        ),
        Mistake(log_softmax_without_the_sum, "The rule subtracts p; it should be p times the sum of g along the axis."),
        Mistake(log_softmax_passing_g, "The rule hands g on. The sum inside the logarithm depends on x as well."),
        Mistake(
            log_softmax_losing_the_axis,
            "The sum of g has lost its axis, so NumPy lines it up with the wrong one: sum with keepdims=True.",
        ),
        Mistake(log_softmax_last_axis, "The argument axis is ignored."),
        Mistake(
            log_softmax_rule_on_the_last_axis,
            "The rule ignores the argument axis: it sums g along the last axis, whichever one is asked for.",
        ),
        Mistake(
            log_softmax_summing_all,
            "The rule sums g over the whole array. Each row is a distribution of its own: sum along the axis only, "
            "with keepdims=True.",
        ),
        Mistake(
            log_softmax_of_shifted_softmax,
            "This is the logarithm of the softmax. A small share is rounded to 0, and the logarithm of 0 is minus "
            "infinity. Take the logarithm of the sum alone: shifted - log(sum of e^shifted).",
        ),
        Mistake(
            log_softmax_with_one_shift,
            "One number is subtracted everywhere. In a row that lies far below the largest logit of all, every e^x is "
            "then 0. Subtract from each row its own maximum: axis=axis, keepdims=True.",
        ),
        *(
            Mistake(
                overflowing,
                "The shift is missing: e to the power of a large logit overflows to infinity. Subtract the largest "
                "logit first; it changes nothing else.",
            )
            for overflowing in (log_softmax_overflowing, log_softmax_of_softmax)
        ),
    ),
    twins=(Tensor.backward,),
)
