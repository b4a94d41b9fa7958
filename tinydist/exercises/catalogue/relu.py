"""Exercise relu: max(x, 0) and its gradient rule."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import elementwise
from tinydist.ops import Result
from tinydist.tensor import Tensor


def relu(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, g, 0),)


TEN = np.array([10.0])

CASES = op_cases(
    relu,
    OpCase({"x": np.array([2.0])}, g=TEN),
    OpCase({"x": np.array([2.0])}, g=-TEN, why="a negative g where x is positive"),
    OpCase({"x": np.array([-2.0])}, g=TEN),
    OpCase({"x": np.array([-2.0])}, g=-TEN, why="a negative g where x is negative"),
    OpCase({"x": np.array([0.0])}, g=TEN, why="the kink: the gradient here is 0"),
    OpCase({"x": np.array([1e-9, -1e-9])}, why="next to the kink", atol=0),
    OpCase({"x": np.array([1e-30, -1e-30])}, why="as near to the kink as makes no difference", atol=0),
    OpCase({"x": np.array([7.0, 800.0, 1e20, -7.0, -1e20])}, why="large numbers", atol=0),
    OpCase({"x": np.array([3.0, -9.0, 0.0])}, why="entries of different signs, of which the sum is negative"),
    OpCase({"x": np.array([2.0, -9.0])}, g=np.array([1e15, 1e15]), why="a large g", atol=0),
    OpCase({"x": np.array([2.0, -9.0])}, g=np.array([-1e-15, 1e-15]), why="a small g", atol=0),
    OpCase({"x": np.array([[5.0]])}, why="axes of size 1"),
    OpCase({"x": numbers(1, 2, 3)}),
    OpCase({"x": numbers(2, 2, 3, 2)}, why="three axes"),
)


def relu_one_at_the_kink(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x >= 0, g, 0),)


def relu_half_at_the_kink(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: g * (np.sign(x) + 1) / 2,)


def relu_without_g(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, np.ones_like(g), 0),)


def relu_passing_all(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: g,)


def relu_times_value(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: g * np.maximum(x, 0),)


def relu_masking_by_g(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.maximum(g, 0),)


def relu_in_place(x: Array) -> Result:
    x[x < 0] = 0
    return x, (lambda g: np.where(x > 0, g, 0),)


RUBRIC = Rubric(
    library=ops.relu,
    solution=relu,
    cases=CASES,
    mistakes=(
        Mistake(
            relu_one_at_the_kink,
            "The gradient is 1 at the kink: x >= 0 lets g through at x = 0. The choice here is 0, so the condition is "
            "x > 0. It matters: a dead unit gives exactly 0 for every image.",
        ),
        Mistake(
            relu_half_at_the_kink,
            "The gradient at the kink is one half. Any number from 0 to 1 could be defended; the choice here is 0.",
        ),
        Mistake(relu_without_g, "g is missing: the rule returns the slope alone. Multiply it with what arrives, g."),
        Mistake(
            relu_masking_by_g,
            "The rule cuts off negative gradients. It is x that decides, not g: a negative g passes where x > 0.",
        ),
        Mistake(
            relu_passing_all,
            "g passes everywhere. Where x is negative the output stays 0 whatever x does, so the gradient there is 0.",
        ),
        Mistake(
            relu_times_value, "The rule multiplies g with the value. The slope is 1 where x > 0, however large x is."
        ),
        Mistake(
            relu_in_place,
            "x itself was changed. Others still need it: the rule of the op that made it, for one. Make a new array.",
        ),
    ),
    twins=(Tensor.backward, ops.clamp, ops.leaky_relu, elementwise.relu_numpy, elementwise.relu_vjp_numpy),
)
