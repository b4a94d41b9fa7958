"""Exercise mul: a product and its two gradient rules."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.ops import Result, unbroadcast
from tinydist.tensor import Tensor


def mul(a: Array, b: Array) -> Result:
    return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))


ROW = numbers(1, 3)

CASES = op_cases(
    mul,
    OpCase({"a": np.array(3.0), "b": np.array(-2.0)}, g=np.array(10.0)),
    OpCase({"a": np.array(3.0), "b": np.array(-2.0)}, g=np.array(-10.0), why="a negative g"),
    OpCase({"a": np.array([0.0]), "b": np.array([2.0])}, why="a factor of 0"),
    OpCase({"a": np.array([2.0]), "b": np.array([0.0])}, why="a factor of 0"),
    OpCase({"a": ROW, "b": numbers(2, 3)}),
    OpCase({"a": ROW, "b": np.array(2.0)}, why="b is copied to all three places"),
    OpCase({"a": np.array(2.0), "b": ROW}, why="a is copied to all three places"),
    OpCase({"a": numbers(3, 2, 1), "b": ROW}, why="both are copied, along different axes"),
    OpCase({"a": numbers(4, 3, 3), "b": numbers(5, 3, 1)}, why="b is copied along the last axis"),
    OpCase({"a": numbers(6, 1, 1), "b": numbers(7, 1)}, why="axes of size 1 that nothing was copied along"),
    OpCase({"a": numbers(10, 3, 3), "b": ROW}, why="b is copied to all three rows"),
    OpCase({"a": numbers(11, 1, 3), "b": numbers(12, 3, 3)}, why="a is copied to all three rows"),
    OpCase({"a": numbers(13, 2, 3), "b": np.array(2.0)}, why="b is copied along two added axes"),
    OpCase({"a": numbers(14, 3), "b": numbers(15, 3, 3, 3)}, why="a is copied along two added axes"),
    OpCase(
        {"a": np.array([-7e15, 4e-15, 3.0, 3e-9, 3e9]), "b": np.array([1e-15, 9e15, -2.0, 2e-7, 2e7])},
        g=np.array([1e-15, -3e15, 1e15, 1.0, -1.0]),
        why="small and large numbers",
        atol=0,
    ),
    OpCase({"a": np.zeros((0, 3)), "b": ROW}, why="an empty batch"),
    OpCase({"a": numbers(8, 4, 1, 3), "b": numbers(9, 2, 1)}, why="several axes, copied and added"),
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


def mul_unbroadcast_before_multiplying(a: Array, b: Array) -> Result:
    return a * b, (lambda g: unbroadcast(g, a.shape) * b, lambda g: unbroadcast(g, b.shape) * a)


def mul_dividing_the_product(a: Array, b: Array) -> Result:
    y = a * b
    return y, (lambda g: unbroadcast(g * y / a, a.shape), lambda g: unbroadcast(g * y / b, b.shape))


def mul_bound_late(a: Array, b: Array) -> Result:
    rules = []
    for x, factor in ((a, b), (b, a)):
        rules.append(lambda g: unbroadcast(g * factor, x.shape))  # noqa: B023
    return a * b, tuple(rules)


RUBRIC = Rubric(
    library=ops.mul,
    solution=mul,
    cases=CASES,
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
        Mistake(
            mul_unbroadcast_before_multiplying,
            "unbroadcast comes too early. Multiply g with the other factor first, then sum over the copies.",
        ),
        Mistake(
            mul_dividing_the_product,
            "The product divided by a is b, except where a is 0: 0 / 0 is nan. Take b itself.",
        ),
        Mistake(
            mul_bound_late,
            "Both rules are the rule for b. A function made in a loop looks its names up when it is called, and by "
            "then the loop has left them at their last values.",
        ),
    ),
    gives=("unbroadcast",),
    twins=(Tensor.backward,),
)
