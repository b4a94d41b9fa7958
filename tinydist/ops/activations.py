"""The table of activations, and those beyond ReLU, Abs and Tanh. Conventions as in :mod:`tinydist.ops.elementwise`.

At large magnitudes, where a slope vanishes, none of them overflows or turns a huge or infinite input into NaN, but for
the sine of infinity, which is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinydist.arrays import as_floats, as_numbers, exact
from tinydist.ops import elementwise
from tinydist.ops.elementwise import Array, Result, sigmoid

__all__ = ["ACTIVATIONS", "elu", "gelu", "gelu_tanh", "leaky_relu", "silu", "sin", "softplus", "square"]

_FAR = 40.0
"""A pre-activation beyond which exp(-x²/2), even in float64, is 0: larger ones are not squared, lest they overflow."""


def _times_share(x: Array, share: Array) -> Array:
    """Return ``x share``, which is 0 where x is minus infinity."""
    return np.maximum(x, np.finfo(x.dtype).min) * share


def normal_cdf(x: Array) -> Array:
    """Return Φ(x), the probability that a standard normal variable is below x."""
    from scipy.special import ndtr  # here, because it would slow down every import of tinydist

    return ndtr(x)


def gelu(x: Array) -> Result:
    """Compute the Gaussian error linear unit ``x Φ(x)``, with the standard normal distribution Φ (arXiv 1606.08415)."""
    (x,) = as_floats("gelu", x)
    probability = normal_cdf(x)

    def vjp(g: Array) -> Array:
        near = np.clip(x, -_FAR, _FAR)
        density = np.exp(-0.5 * near * near) * (1 / math.sqrt(2 * math.pi))
        return g * (probability + near * density)

    return _times_share(x, probability), (vjp,)


def gelu_tanh(x: Array) -> Result:
    """Compute the tanh form of :func:`gelu`: ``x/2 (1 + tanh u)``, ``u = √(2/π) (x + 0.044715 x³)`` (arXiv 1606.08415).

    It is written as ``x σ(2u)``, which is the same and loses no digits where tanh is near -1.
    """
    (x,) = as_floats("gelu_tanh", x)
    near = np.clip(x, -_FAR, _FAR)
    scale = math.sqrt(2 / math.pi)
    share, _ = sigmoid(2 * scale * (near + 0.044715 * near**3))

    def vjp(g: Array) -> Array:
        steepness = 2 * scale * (1 + 3 * 0.044715 * near**2)
        return g * (share + near * share * (1 - share) * steepness)

    return _times_share(x, share), (vjp,)


def silu(x: Array) -> Result:
    """Compute the sigmoid linear unit ``x σ(x)`` (arXiv 1702.03118), also called Swish (arXiv 1710.05941)."""
    (x,) = as_floats("silu", x)
    share, _ = sigmoid(x)
    near = np.clip(x, -1e3, 1e3)  # beyond, σ(x) (1 - σ(x)) is 0
    return _times_share(x, share), (lambda g: g * (share + near * share * (1 - share)),)


def leaky_relu(x: Array, slope: float = 0.01) -> Result:
    """Compute `x` where it is positive, else ``slope x`` (Maas et al. 2013).

    At 0 the gradient is that of the negative side.
    """
    (x,) = as_floats("leaky_relu", x)
    slope = float(slope)  # a plain number takes the dtype of x
    return np.where(x > 0, x, slope * x), (lambda g: np.where(x > 0, g, np.where(x <= 0, slope, x) * g),)


def elu(x: Array) -> Result:
    """Compute the exponential linear unit (arXiv 1511.07289): `x` where positive, else ``e**x - 1``; smooth at 0."""
    (x,) = as_floats("elu", x)
    below = np.minimum(x, 0)
    return np.where(x > 0, x, np.expm1(below)), (lambda g: g * np.exp(below),)


def softplus(x: Array) -> Result:
    """Compute ``log(1 + e**x)``, a smooth, positive ReLU whose slope is the logistic function (Dugas et al. 2001)."""
    (x,) = as_floats("softplus", x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), (lambda g: g * sigmoid(x)[0],)


def sin(x: Array) -> Result:
    """Compute the sine of an angle in radians."""
    (x,) = as_floats("sin", x)
    return np.sin(x), (lambda g: g * np.cos(x),)


def square(x: Array) -> Result:
    """Compute ``x**2``."""
    (x,) = as_numbers("square", x)
    return exact("square", np.square, x), (lambda g: g * (2 * x),)


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
