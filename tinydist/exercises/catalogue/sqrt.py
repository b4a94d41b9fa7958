"""Exercise sqrt: a square root whose gradient is never NaN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result


def check_sqrt(sqrt: Any) -> Iterator[Observation]:
    yield from ask_op_on(
        sqrt,
        np.sqrt,
        OpCase({"x": np.array([4.0])}, g=np.array([10.0])),
        OpCase({"x": np.array([0.01, 0.09])}),
        OpCase(
            {"x": np.array([0.0, 4.0])},
            g=np.array([10.0, 10.0]),
            gradients={"x": np.array([0.0, 2.5])},
            note="at 0 the slope is infinite; the gradient is defined as 0",
        ),
        OpCase({"x": numbers(4, 2, 3, low=0.5)}),
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


def sqrt_without_the_half(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: np.where(y == 0, 0, g / np.where(y == 0, 1, y)),)


def sqrt_by_x(x: Array) -> Result:
    return np.sqrt(x), (lambda g: np.where(x == 0, 0, 0.5 * g / np.where(x == 0, 1, x)),)


def sqrt_times_root(x: Array) -> Result:
    y = np.sqrt(x)
    return y, (lambda g: 0.5 * g * y,)


SQRT = Exercise(
    name="sqrt",
    title="a square root that never gives nan",
    library=ops.sqrt,
    lesson="05_kinks",
    task="""
    The slope of the root is 1 / (2 sqrt(x)). Return (value, (rule,)).

    Look out: at x = 0 the slope is infinite, and infinity times a gradient of 0 is nan. Every distance of zero would
    bring one, so the gradient at 0 is defined as 0. It has to be exactly 0, and nothing else may change.
    """,
    hints=(
        "Compute y = np.sqrt(x) once; the slope is 0.5 / y.",
        "np.where computes both of its branches, so the one that is not taken must not divide by 0 either.",
        "at_zero = y == 0; divide by np.where(at_zero, 1, y); then choose 0 where at_zero.",
    ),
    check=check_sqrt,
    mistakes=(
        Mistake(
            sqrt_dividing_by_zero,
            "This divides by the root, which is 0 at x = 0. The gradient there is defined as 0: choose it by np.where.",
        ),
        Mistake(
            sqrt_multiplying_infinity,
            "Multiplying with a mask does not help: 0 times infinity is nan. Choose with np.where instead.",
        ),
        Mistake(
            sqrt_with_epsilon,
            "A small number in the denominator avoids the division by zero, but the gradient at 0 is then huge, not 0, "
            "and one step along it throws the weights far away.",
        ),
        Mistake(sqrt_without_the_half, "The factor 1/2 is missing: the derivative of x^(1/2) is 1/2 x^(-1/2)."),
        Mistake(sqrt_by_x, "This divides by x. The slope is 1 / (2 sqrt(x)): divide by the root."),
        Mistake(sqrt_times_root, "This multiplies with the root. The slope is 1 / (2 sqrt(x)): divide by it."),
    ),
)
