"""Exercise gelu: x Φ(x) and its gradient rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import norm

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result
from tinydist.ops.activations import normal_cdf


def check_gelu(gelu: Any) -> Iterator[Observation]:
    yield from ask_op_on(
        gelu,
        lambda x: x * norm.cdf(x),
        OpCase({"x": np.array([1.0])}, g=np.array([10.0])),
        OpCase({"x": np.array([-2.0])}, g=np.array([10.0]), note="the slope is negative here"),
        OpCase(
            {"x": np.array([0.0])}, g=np.array([10.0]), gradients={"x": np.array([5.0])}, note="at 0 the slope is ½"
        ),
        OpCase({"x": np.array([30.0, -30.0])}),
        OpCase({"x": numbers(8, 2, 3)}),
    )


def _density(x: Array) -> Array:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def gelu_without_the_density(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: g * normal_cdf(x),)


def gelu_without_x(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: g * (normal_cdf(x) + _density(x)),)


def gelu_density_alone(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: g * x * _density(x),)


def gelu_without_g(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: np.ones_like(g) * (normal_cdf(x) + x * _density(x)),)


def gelu_unnormalised_density(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: g * (normal_cdf(x) + x * np.exp(-x * x / 2)),)


def gelu_by_the_logistic_function(x: Array) -> Result:
    share = 1 / (1 + np.exp(-1.702 * x))
    return x * share, (lambda g: g * (share + 1.702 * x * share * (1 - share)),)


def gelu_off_below_zero(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: np.where(x > 0, g * (normal_cdf(x) + x * _density(x)), 0),)


GELU = Exercise(
    name="gelu",
    title="an activation that is never quite off",
    library=ops.gelu,
    lesson="15_a_flat_side",
    task="""
    GELU weighs x with the share of a standard normal variable that is below it: x Φ(x). `normal_cdf` gives you Φ.
    Return (value, (rule,)).

    The rule needs the slope. Both factors depend on x, and the derivative of Φ is the density of the normal
    distribution, exp(-x²/2) / sqrt(2 π). Unlike ReLU, GELU lets a little through on its negative side.
    """,
    hints=(
        "A product: the slope is 1 times Φ(x), plus x times the derivative of Φ at x.",
        "With the density phi = np.exp(-x * x / 2) / np.sqrt(2 * np.pi), the slope is normal_cdf(x) + x * phi.",
    ),
    check=check_gelu,
    mistakes=(
        Mistake(
            gelu_without_the_density,
            "Here Φ(x) counts as a constant. It depends on x as well: by the product rule x times its derivative, the "
            "density, comes on top.",
        ),
        Mistake(gelu_without_x, "The second part of the product rule lacks its factor: it is x times the density."),
        Mistake(
            gelu_density_alone,
            "This has only one half of the product rule: the derivative of x is 1, and Φ(x) times that belongs to the "
            "slope, too.",
        ),
        Mistake(
            gelu_without_g,
            "The slope is right, but the incoming gradient g is missing: a rule multiplies g with the slope.",
        ),
        Mistake(
            gelu_unnormalised_density,
            "The derivative of Φ is exp(-x²/2) divided by sqrt(2 π), so that the area under it is 1.",
        ),
        Mistake(
            gelu_by_the_logistic_function,
            "x σ(1.702 x) is a well-known stand-in for GELU, near it but not the same. Use the normal distribution.",
        ),
        Mistake(
            gelu_off_below_zero,
            "That is ReLU's habit. Below 0 the slope of GELU is small and for a good part negative, but not 0.",
        ),
    ),
    gives=("normal_cdf",),
)
