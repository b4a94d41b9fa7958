"""The table of activations, and those beyond ReLU, Abs and Tanh. Conventions as in :mod:`tinydist.ops.elementwise`.

At large magnitudes, where a slope vanishes, none of them overflows or turns a huge input into NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinydist.ops import elementwise
from tinydist.ops.elementwise import Array, Result, sigmoid

__all__ = ["ACTIVATIONS", "elu", "gelu", "gelu_tanh", "leaky_relu", "silu", "sin", "softplus", "square"]

_FAR = 40.0
"""A pre-activation beyond which exp(-x²/2), even in float64, is 0: larger ones are not squared, lest they overflow."""


def normal_cdf(x: Array) -> Array:
    """Return Φ(x), the probability that a standard normal variable is below x."""
    from scipy.special import ndtr  # here, because it would slow down every import of tinydist

    return ndtr(x)


def gelu(x: Array) -> Result:
    """Compute the Gaussian error linear unit ``x Φ(x)``, with the standard normal distribution Φ (arXiv 1606.08415)."""
    probability = normal_cdf(x)

    def vjp(g: Array) -> Array:
        near = np.minimum(np.abs(x), _FAR)
        density = np.exp(-0.5 * near * near) * (1 / math.sqrt(2 * math.pi))
        return g * (probability + x * density)

    return x * probability, (vjp,)


def gelu_tanh(x: Array) -> Result:
    """Compute the tanh form of :func:`gelu`: ``x/2 (1 + tanh u)``, ``u = √(2/π) (x + 0.044715 x³)`` (arXiv 1606.08415).

    It is written as ``x σ(2u)``, which is the same and loses no digits where tanh is near -1.
    """
    near = np.clip(x, -_FAR, _FAR)
    scale = math.sqrt(2 / math.pi)
    share, _ = sigmoid(2 * scale * (near + 0.044715 * near**3))

    def vjp(g: Array) -> Array:
        steepness = 2 * scale * (1 + 3 * 0.044715 * near**2)
        return g * (share + near * share * (1 - share) * steepness)

    return x * share, (vjp,)


def silu(x: Array) -> Result:
    """Compute the sigmoid linear unit ``x σ(x)`` (arXiv 1702.03118), also called Swish (arXiv 1710.05941)."""
    share, _ = sigmoid(x)
    return x * share, (lambda g: g * (share + x * share * (1 - share)),)


def leaky_relu(x: Array, slope: float = 0.01) -> Result:
    """Compute `x` where it is positive, else ``slope x`` (Maas et al. 2013).

    At 0 the gradient is that of the negative side.
    """
    return np.where(x > 0, x, slope * x), (lambda g: np.where(x > 0, g, slope * g),)


def elu(x: Array) -> Result:
    """Compute the exponential linear unit (arXiv 1511.07289): `x` where positive, else ``e**x - 1``; smooth at 0."""
    below = np.minimum(x, 0)
    return np.where(x > 0, x, np.expm1(below)), (lambda g: g * np.exp(below),)


def softplus(x: Array) -> Result:
    """Compute ``log(1 + e**x)``, a smooth, positive ReLU whose slope is the logistic function (Dugas et al. 2001)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-1.0 * np.abs(x))), (lambda g: g * sigmoid(x)[0],)


def sin(x: Array) -> Result:
    """Compute the sine of an angle in radians."""
    return np.sin(x), (lambda g: g * np.cos(x),)


def square(x: Array) -> Result:
    """Compute ``x**2``."""
    return x * x, (lambda g: g * (2 * x),)


ACTIVATIONS: dict[str, Callable[[Array], Result]] = {
    "ReLU": elementwise.relu,
    "Abs": elementwise.abs,
    "GELU": gelu,
    "GELUTanh": gelu_tanh,
    "SiLU": silu,
    "LeakyReLU": leaky_relu,
    "ELU": elu,
    "Softplus": softplus,
    "Tanh": elementwise.tanh,
    "Sin": sin,
    "Square": square,
}
"""Every activation by the name that models have for it, the paper's two first."""
