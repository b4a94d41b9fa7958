"""Exercise relu: max(x, 0) and its gradient rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers, raised
from tinydist.exercises.relu_rule import assert_relu
from tinydist.kernels import elementwise
from tinydist.ops import Result


def check_relu(relu: Any) -> Iterator[Observation]:
    g = np.array([10.0])
    yield from ask_op_on(
        relu,
        lambda x: np.maximum(x, 0),
        OpCase({"x": np.array([2.0])}, g=-g),
        OpCase({"x": np.array([-2.0])}, g=g),
        OpCase({"x": np.array([0.0])}, g=g, gradients={"x": np.array([0.0])}, note="the kink: the gradient here is 0"),
        OpCase({"x": numbers(1, 2, 3)}),
    )
    given = {"why": "all at once: signs, kink, dtypes"}
    yield about_to_try(given)
    verdict = raised(lambda: assert_relu(relu), AssertionError)
    yield Observation("the error of tinydist.exercises.relu_rule.assert_relu", verdict, "no error", given)


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


RELU = Exercise(
    name="relu",
    title="max(x, 0) and its gradient rule",
    library=ops.relu,
    lesson="05_kinks",
    task="""
    Positive numbers stay, others become 0. Return (value, (rule,)). The rule lets g through where x was positive.

    Look out: at x = 0 there is a kink: slope 0 on the left, 1 on the right, and no derivative. tinydist chooses 0.
    """,
    hints=(
        "np.maximum compares an array with a number. For the rule, look at x, not at g.",
        "np.where(condition, this, that) chooses entry by entry. What is the condition at x = 0?",
    ),
    check=check_relu,
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
    see=(elementwise.relu_numpy, elementwise.relu_vjp_numpy),
)
