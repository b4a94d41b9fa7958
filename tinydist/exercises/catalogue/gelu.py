"""Exercise gelu: x Φ(x) and its gradient rule."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.ops import Result
from tinydist.ops.activations import normal_cdf
from tinydist.tensor import Tensor


def gelu(x: Array) -> Result:
    share = normal_cdf(x)
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return x * share, (lambda g: g * (share + x * density),)


TEN = np.array([10.0])

CASES = op_cases(
    gelu,
    OpCase({"x": np.array([1.0])}, g=TEN, wide=True),
    OpCase({"x": np.array([1.0])}, g=-TEN, why="a negative g", wide=True),
    OpCase({"x": np.array([-0.5])}, g=TEN, why="below 0 the slope is small", wide=True),
    OpCase({"x": np.array([-2.0])}, g=TEN, why="the slope is negative here", wide=True),
    OpCase({"x": np.array([0.0])}, g=TEN, why="at 0 the slope is ½", wide=True),
    OpCase({"x": np.array([1e-9, -1e-9, 1e-20])}, why="next to 0", atol=0, wide=True),
    OpCase(
        {"x": np.array([3.0, 4.0, 5.0, -3.0, -4.0, -5.0])}, why="where GELU is all but flat, or straight", wide=True
    ),
    OpCase({"x": np.array([30.0, -30.0, 100.0, -100.0])}, why="large numbers", wide=True),
    OpCase(
        {"x": np.array([1.5, -0.1])}, g=np.array([1e15, -1e-15]), why="a large g and a small one", atol=0, wide=True
    ),
    OpCase(
        {"x": np.array([0.12345678, -1.98765432])},
        why="entries of different signs, of which the sum is negative",
        wide=True,
    ),
    OpCase({"x": np.array([[-1.2]])}, why="axes of size 1", wide=True),
    OpCase({"x": numbers(8, 2, 3)}, wide=True),
    OpCase({"x": numbers(9, 2, 3, 2, low=-3, high=3)}, why="three axes", wide=True),
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


def gelu_like_relu(x: Array) -> Result:
    return x * normal_cdf(x), (lambda g: g * (x > 0),)


def gelu_by_silu(x: Array) -> Result:
    share = 1 / (1 + np.exp(-x))
    return x * share, (lambda g: g * (share + x * share * (1 - share)),)


RUBRIC = Rubric(
    library=ops.gelu,
    solution=gelu,
    cases=CASES,
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
            gelu_by_silu,
            "This is SiLU, x σ(x), another activation of the same kind. GELU takes the normal distribution instead.",
        ),
        Mistake(gelu_like_relu, "This is the rule of relu. The slope of GELU goes over from 0 to 1 smoothly."),
        Mistake(
            gelu_off_below_zero,
            "That is ReLU's habit. Below 0 the slope of GELU is small and for a good part negative, but not 0.",
        ),
    ),
    gives=("normal_cdf",),
    twins=(Tensor.backward,),
)
