"""Exercise abs: |x| and its gradient rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.kernels import elementwise
from tinydist.ops import Result


def check_abs(abs: Any) -> Iterator[Observation]:
    g = np.array([10.0])
    yield from ask_op_on(
        abs,
        np.abs,
        OpCase({"x": np.array([2.0])}, g=-g),
        OpCase({"x": np.array([-2.0])}, g=g),
        OpCase({"x": np.array([0.0])}, g=g, gradients={"x": np.array([0.0])}, note="the kink: the gradient here is 0"),
        OpCase({"x": numbers(2, 2, 3)}),
    )


def abs_like_relu(x: Array) -> Result:
    return np.abs(x), (lambda g: np.where(x > 0, g, 0),)


def abs_passing_all(x: Array) -> Result:
    return np.abs(x), (lambda g: g,)


def abs_of_g(x: Array) -> Result:
    return np.abs(x), (lambda g: np.abs(g),)


def abs_without_g(x: Array) -> Result:
    return np.abs(x), (lambda g: np.sign(x).astype(g.dtype),)


def abs_one_at_the_kink(x: Array) -> Result:
    return np.abs(x), (lambda g: np.where(x >= 0, g, -g),)


def abs_minus_one_at_the_kink(x: Array) -> Result:
    return np.abs(x), (lambda g: np.where(x > 0, g, -g),)


def abs_dividing(x: Array) -> Result:
    return np.abs(x), (lambda g: g * x / np.abs(x),)


ABS = Exercise(
    name="abs",
    title="|x| and its gradient rule",
    library=ops.abs,
    lesson="05_kinks",
    task="""
    Negative numbers are turned round. So is their gradient: where x was negative, the rule returns -g.

    Look out: at x = 0 there is a kink: slope -1 on the left, 1 on the right. tinydist chooses 0, halfway.
    """,
    hints=(
        "The slope is 1 where x > 0 and -1 where x < 0. There is a NumPy function of that shape, and it is 0 at 0.",
        "That function is np.sign.",
    ),
    check=check_abs,
    mistakes=(
        Mistake(
            abs_like_relu,
            "This is the rule of relu: no gradient where x is negative. But |x| falls there, with slope -1. That |x| "
            "still learns where relu is dead is the whole difference between Abs2 and ReLU2.",
        ),
        Mistake(
            abs_passing_all, "g passes unchanged. Where x is negative, |x| falls as x rises: there the rule gives -g."
        ),
        Mistake(abs_of_g, "The rule takes |g|. The sign of x decides whether g is turned round, not that of g."),
        Mistake(abs_without_g, "g is missing: the rule returns the slope alone. Multiply it with what arrives, g."),
        Mistake(
            abs_one_at_the_kink, "The gradient is 1 at the kink: x >= 0 counts 0 as positive. The choice at x = 0 is 0."
        ),
        Mistake(
            abs_minus_one_at_the_kink,
            "The gradient is -1 at the kink: whatever is not positive counts as negative. At x = 0 it must be 0.",
        ),
        Mistake(
            abs_dividing,
            "x / |x| is the sign of x, except at 0, where it is 0 / 0 and gives nan. One nan in a gradient, and after "
            "the next step every weight behind it is nan.",
        ),
    ),
    see=(elementwise.abs_numpy, elementwise.abs_vjp_numpy),
)
