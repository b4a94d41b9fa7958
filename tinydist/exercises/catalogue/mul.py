"""Exercise mul: a product and its two gradient rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result, unbroadcast


def check_mul(mul: Any) -> Iterator[Observation]:
    row = numbers(1, 3)
    yield from ask_op_on(
        mul,
        np.multiply,
        OpCase({"a": np.array(3.0), "b": np.array(-2.0)}, g=np.array(10.0)),
        OpCase({"a": row, "b": numbers(2, 3)}),
        OpCase({"a": row, "b": np.array(2.0)}, note="b is copied to all three places"),
        OpCase({"a": numbers(3, 2, 1), "b": row}, note="both are copied, along different axes"),
        OpCase({"a": numbers(4, 2, 3), "b": numbers(5, 3)}),
    )


def mul_like_add(a: Array, b: Array) -> Result:
    return a * b, (lambda g: unbroadcast(g, a.shape), lambda g: unbroadcast(g, b.shape))


def mul_by_its_own_factor(a: Array, b: Array) -> Result:
    return a * b, (lambda g: unbroadcast(g * a, a.shape), lambda g: unbroadcast(g * b, b.shape))


def mul_without_g(a: Array, b: Array) -> Result:
    return a * b, (
        lambda g: unbroadcast(np.ones_like(g) * b, a.shape),
        lambda g: unbroadcast(np.ones_like(g) * a, b.shape),
    )


def mul_without_unbroadcast(a: Array, b: Array) -> Result:
    return a * b, (lambda g: g * b, lambda g: g * a)


def mul_unbroadcast_too_early(a: Array, b: Array) -> Result:
    return a * b, (
        lambda g: unbroadcast(g, a.shape) * unbroadcast(b * np.ones_like(g), a.shape),
        lambda g: unbroadcast(g, b.shape) * unbroadcast(a * np.ones_like(g), b.shape),
    )


MUL = Exercise(
    name="mul",
    title="a product and its two gradient rules",
    library=ops.mul,
    lesson="03_broadcasting",
    task="""
    An op returns a pair: its value, and a tuple with one gradient rule for each input. A rule is a function of g,
    the gradient of the loss with respect to the value, and returns the gradient of the loss with respect to its input.

    Look out: with shapes (3,) and () NumPy copies the number to three places, but its gradient must have its own
    shape again. unbroadcast(gradient, shape) does that.
    """,
    hints=(
        "d(a b)/da = b. The chain rule multiplies that with g.",
        "The rule for a is: lambda g: g * b, but of the shape of a.",
        "return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: ...)",
    ),
    check=check_mul,
    mistakes=(
        Mistake(mul_like_add, "This hands g on as a sum would. A product multiplies it with the other factor."),
        Mistake(
            mul_by_its_own_factor,
            "The factors are swapped: the more b there is, the more a change of a matters, so the gradient of a is "
            "g * b, and that of b is g * a.",
        ),
        Mistake(
            mul_without_g,
            "g is missing. A rule continues the chain rule: what arrives from the loss, times the slope here.",
        ),
        Mistake(
            mul_without_unbroadcast,
            "The gradient has the shape of the product, not of the input: unbroadcast is missing. Broadcasting copied "
            "an entry to many places, and the gradient of the one entry is the sum over its copies.",
        ),
        Mistake(
            mul_unbroadcast_too_early,
            "Multiply first, then sum over the copies: the sum of the products is not the product of the sums.",
        ),
    ),
    gives=("unbroadcast",),
)
