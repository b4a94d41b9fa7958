"""Exercise abs: |x| and its gradient rule."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, Asked, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Case, Mistake, Rubric
from tinydist.kernels import elementwise
from tinydist.ops import Result
from tinydist.tensor import Tensor


def abs(x: Array) -> Result:
    return np.abs(x), (lambda g: g * np.sign(x),)


TEN = np.array([10.0])

CASES: tuple[Case, ...] = (
    *op_cases(
        abs,
        OpCase({"x": np.array([2.0])}, g=TEN),
        OpCase({"x": np.array([2.0])}, g=-TEN, why="a negative g where x is positive"),
        OpCase({"x": np.array([-2.0])}, g=TEN, why="x is negative"),
        OpCase({"x": np.array([-2.0])}, g=-TEN, why="a negative g where x is negative"),
        OpCase({"x": np.array([0.0])}, g=TEN, why="the kink: the gradient here is 0"),
        OpCase({"x": np.array([0.0])}, g=-TEN, why="the kink, and a negative g"),
        OpCase({"x": np.array([-0.0])}, g=TEN, why="zero with a minus sign is zero, too"),
        OpCase({"x": np.array([1e-9, -1e-9])}, why="next to the kink", atol=0),
        OpCase({"x": np.array([1e-15, -1e-15])}, why="nearer to the kink", atol=0),
        OpCase({"x": np.array([7.0, 800.0, 1e15, -7.0, -1e15])}, why="large numbers", atol=0),
        OpCase({"x": np.array([3.0, -9.0, 0.0])}, why="entries of different signs, of which the sum is negative"),
        OpCase({"x": np.array([-3.0, 9.0])}, g=np.array([1e15, -1e-15]), why="a large g and a small one", atol=0),
        OpCase({"x": np.array([[-5.0]])}, why="axes of size 1"),
        OpCase({"x": numbers(1, 2, 3)}),
        OpCase({"x": numbers(2, 2, 3, 2)}, why="three axes"),
    ),
    # in float64 only: in float32 the square of such a number is 0, and its root is a fair way to |x|
    Asked(abs, OpCase({"x": np.array([1e-30, -1e-30])}, why="all but at the kink", atol=0)),
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


RUBRIC = Rubric(
    library=ops.abs,
    solution=abs,
    cases=CASES,
    mistakes=(
        Mistake(
            abs_like_relu,
            "This is the rule of relu: no gradient where x is negative. But |x| falls there, with slope -1. That |x| "
            "still learns where relu is dead is the whole difference between Abs2 and ReLU2.",
        ),
        Mistake(
            abs_passing_all, "g passes unchanged. Where x is negative, |x| falls as x rises: there the rule gives -g."
        ),
        Mistake(abs_of_g, "The rule takes |g|. The sign of x decides whether g is flipped, not that of g."),
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
    twins=(
        Tensor.backward,
        elementwise.abs_numpy,
        elementwise.abs_vjp_numpy,
    ),
)
