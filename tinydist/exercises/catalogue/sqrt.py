"""Exercise sqrt: a square root whose gradient is never NaN."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, Asked, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Case, Mistake, Rubric
from tinydist.ops import Result
from tinydist.tensor import Tensor


def sqrt(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: np.divide(g, 2 * y, out=np.zeros_like(y), where=y != 0),)


TEN = np.array([10.0])

CASES: tuple[Case, ...] = (
    *op_cases(
        sqrt,
        OpCase({"x": np.array([4.0])}, g=TEN),
        OpCase({"x": np.array([4.0])}, g=-TEN, why="a negative g"),
        OpCase({"x": np.array([0.01, 0.09, 1.0])}),
        OpCase({"x": np.array([0.0])}, g=TEN, why="at 0 the slope is infinite; the gradient is defined as 0"),
        OpCase({"x": np.array([0.0])}, g=-TEN, why="at 0 the gradient is 0 for a negative g, too"),
        OpCase({"x": np.array([0.0])}, g=np.array([0.0]), why="infinity times a gradient of 0 is nan"),
        OpCase({"x": np.array([0.0, 4.0, 0.0, 9.0])}, g=np.array([10.0, 10.0, 0.0, 0.0]), why="each entry by itself"),
        OpCase({"x": np.array([1e-8, 1e-12, 1e-20])}, why="near 0 the slope is large, as it is", atol=0),
        OpCase({"x": np.array([1e-30, 1e-20, 0.0])}, g=np.array([10.0, -10.0, 10.0]), why="nearer to 0", atol=0),
        OpCase({"x": np.array([400.0, 1e20, 1e30])}, g=np.array([-1e15, 1.0, 1e-9]), why="large numbers", atol=0),
        OpCase({"x": np.array([4.0, 9.0])}, g=np.array([1e-15, -1e-12]), why="a small g", atol=0),
        OpCase({"x": np.array([[9.0]])}, why="axes of size 1"),
        OpCase({"x": numbers(4, 2, 3, low=0.5)}),
        OpCase({"x": numbers(5, 2, 3, 2, low=0.1, high=30)}, why="three axes"),
    ),
    Asked(sqrt, OpCase({"x": np.array([1e-200])}, why="as near to 0 as makes no difference")),
)


def sqrt_dividing_by_zero(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: 0.5 * g / y,)


def sqrt_multiplying_infinity(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: (y != 0) * (0.5 * g / y),)


def sqrt_with_epsilon(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: 0.5 * g / (y + 1e-12),)


def sqrt_with_epsilon_beside_two_roots(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: g / (2 * y + 1e-12),)


def sqrt_without_the_half(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: np.where(y == 0, 0, g / np.where(y == 0, 1, y)),)


def sqrt_by_x(x: Array) -> Result:
    return np.sqrt(x), (lambda g: np.where(x == 0, 0, 0.5 * g / np.where(x == 0, 1, x)),)


def sqrt_times_root(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: 0.5 * g * y,)


def sqrt_of_nan_to_num(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: np.nan_to_num(0.5 * g / y),)


def sqrt_flat_near_zero(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: np.where(x > 1e-12, 0.5 * g / np.where(x > 1e-12, y, 1), 0),)


RUBRIC = Rubric(
    library=ops.sqrt,
    solution=sqrt,
    cases=CASES,
    mistakes=(
        Mistake(
            sqrt_dividing_by_zero,
            "This divides by the root, which is 0 at x = 0. The gradient there is defined as 0: choose it by np.where.",
        ),
        Mistake(
            sqrt_multiplying_infinity,
            "Multiplying with a mask does not help: 0 times infinity is nan. Choose with np.where instead.",
        ),
        *(
            Mistake(
                with_epsilon,
                "A small number in the denominator avoids the division by zero, but the gradient at 0 is then huge, "
                "not 0, and one step along it throws the weights far away.",
            )
            for with_epsilon in (sqrt_with_epsilon, sqrt_with_epsilon_beside_two_roots)
        ),
        Mistake(
            sqrt_of_nan_to_num,
            "np.nan_to_num turns nan into 0, but infinity into the largest number there is. At x = 0 it has to be 0.",
        ),
        Mistake(
            sqrt_flat_near_zero,
            "Small numbers count as 0. Only at exactly 0 is the gradient defined as 0; next to it the slope is large, "
            "but it is the slope.",
        ),
        Mistake(sqrt_without_the_half, "The factor 1/2 is missing: the derivative of x^(1/2) is 1/2 x^(-1/2)."),
        Mistake(sqrt_by_x, "This divides by x. The slope is 1 / (2 sqrt(x)): divide by the root."),
        Mistake(sqrt_times_root, "This multiplies with the root. The slope is 1 / (2 sqrt(x)): divide by it."),
    ),
    twins=(
        Tensor.backward,
        ops.pow,
    ),
)
