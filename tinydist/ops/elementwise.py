"""Elementwise ops with NumPy broadcasting.

Every op in ``tinydist.ops`` is a plain function from arrays to ``(value, vjps)``. ``vjps`` holds one
function per input: given the gradient ``g`` of a scalar loss with respect to ``value`` (same shape as
``value``), it returns the gradient with respect to that input (same shape as the input). The product
of a cotangent ``g`` with the Jacobian is a *vector-Jacobian product*, hence the name. Ops on two arrays
raise a :class:`tinydist.errors.ShapeError` if the shapes do not broadcast.

Which numbers ops compute with is said, and decided, in :mod:`tinydist.arrays`; all raise a
:class:`tinydist.errors.DTypeError` for others.

At a kink no derivative exists and one has to be chosen. The choices here: ``relu``, ``abs``, ``sqrt``
and ``clamp`` have gradient 0 at their kinks; ``maximum`` gives each of two tied inputs half.

NaN is passed on: what is computed from a NaN is NaN, and so is the gradient wherever a slope depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist import kernels
from tinydist.arrays import as_floats, as_numbers, check_broadcast, exact

__all__ = [
    "Result",
    "Vjps",
    "abs",
    "add",
    "clamp",
    "div",
    "exp",
    "log",
    "maximum",
    "mul",
    "neg",
    "pow",
    "power_of",
    "relu",
    "sigmoid",
    "sqrt",
    "sub",
    "tanh",
    "unbroadcast",
]

Array = NDArray[Any]
Vjps = tuple[Callable[[Array], Array], ...]
Result = tuple[Array, Vjps]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum `gradient` over the axes along which an input of `shape` was broadcast.

    Broadcasting copies an entry to many places; the gradient of the one entry is the sum over its copies.

    Args:
        gradient: gradient with respect to the broadcast input.
        shape: the input's own shape.

    Returns:
        An array of `shape`, dtype of `gradient`.
    """
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape)


def broadcastable(name: str, a: Array, b: Array) -> list[Array]:
    """Return the inputs of an op on two arrays, see :func:`tinydist.arrays.as_numbers`, if their shapes broadcast."""
    a, b = as_numbers(name, a, b)
    check_broadcast(name, a.shape, b.shape)
    return [a, b]


def add(a: Array, b: Array) -> Result:
    """Compute the sum ``a + b``."""
    a, b = broadcastable("add", a, b)
    return exact("add", np.add, a, b), (
        lambda g: unbroadcast(g, a.shape),
        lambda g: unbroadcast(g, b.shape),
    )


def sub(a: Array, b: Array) -> Result:
    """Compute the difference ``a - b``."""
    a, b = broadcastable("sub", a, b)
    return exact("sub", np.subtract, a, b), (
        lambda g: unbroadcast(g, a.shape),
        lambda g: unbroadcast(-g, b.shape),
    )


def mul(a: Array, b: Array) -> Result:
    """Compute the product ``a * b``."""
    a, b = broadcastable("mul", a, b)
    return exact("mul", np.multiply, a, b), (
        lambda g: unbroadcast(g * b, a.shape),
        lambda g: unbroadcast(g * a, b.shape),
    )


def div(a: Array, b: Array) -> Result:
    """Compute the quotient ``a / b``."""
    a, b = broadcastable("div", a, b)
    y = a / b
    return y, (
        lambda g: unbroadcast(g / b, a.shape),
        lambda g: unbroadcast(-(g / b) * y, b.shape),  # b² would be 0 for a small b
    )


def maximum(a: Array, b: Array) -> Result:
    """Compute the larger of `a` and `b`; where they tie, each receives half of the gradient."""
    a, b = broadcastable("maximum", a, b)
    y = np.maximum(a, b)

    def share(winner: Array, loser: Array) -> Array:
        return np.where(np.isnan(y), np.nan, (winner > loser) + 0.5 * (winner == loser))

    return y, (
        lambda g: unbroadcast(g * share(a, b).astype(g.dtype), a.shape),
        lambda g: unbroadcast(g * share(b, a).astype(g.dtype), b.shape),
    )


def neg(x: Array) -> Result:
    """Compute the negation ``-x``."""
    (x,) = as_numbers("neg", x)
    return exact("neg", np.negative, x), (lambda g: -g,)


def pow(x: Array, exponent: float) -> Result:
    """Compute the power ``x ** exponent`` for a constant exponent.

    At ``x = 0`` with ``0 < exponent < 1`` the slope is infinite; the gradient there is 0, as for :func:`sqrt`.

    Raises:
        TypeError: unless the exponent is a number.
    """
    if not isinstance(exponent, int | float | np.integer | np.floating):
        raise TypeError(
            f"pow takes a number as its exponent, got {type(exponent).__name__}; "
            "for a tensor exponent write (b * a.log()).exp()"
        )

    exponent = int(exponent) if isinstance(exponent, int | np.integer) else float(exponent)  # these take x's dtype
    (x,) = as_numbers("pow", x) if isinstance(exponent, int) and exponent >= 0 else as_floats("pow", x)
    y = exact("pow", lambda x: x**exponent, x)

    def vjp(g: Array) -> Array:
        if exponent == 0:
            return np.zeros_like(g)
        at_pole = (x == 0) if 0 < exponent < 1 else np.zeros(x.shape, dtype=bool)
        slope: Array = exponent * np.where(at_pole, 1, x) ** (exponent - 1)
        return g * np.where(at_pole, 0, slope)

    return y, (vjp,)


def power_of(x: Array, base: float) -> Result:
    """Compute ``base ** x`` for a positive, constant base.

    Raises:
        TypeError: unless the base is a number.
        ValueError: unless it is positive.
    """
    if not isinstance(base, int | float | np.integer | np.floating):
        raise TypeError(f"power_of takes a number as its base, got {type(base).__name__}; write (x * b.log()).exp()")
    if not base > 0:
        raise ValueError(f"power_of needs a base above 0, whose powers are real everywhere, got {base}")
    (x,) = as_floats("power_of", x)
    y: Array = float(base) ** x
    return y, (lambda g: g * y * math.log(base),)


def exp(x: Array) -> Result:
    """Compute the exponential ``e ** x``."""
    (x,) = as_floats("exp", x)
    y = np.exp(x)
    return y, (lambda g: g * y,)


def log(x: Array) -> Result:
    """Compute the natural logarithm."""
    (x,) = as_floats("log", x)
    return np.log(x), (lambda g: g / x,)


def sqrt(x: Array) -> Result:
    """Compute the square root; its slope at 0 is infinite, the gradient there is defined as 0."""
    (x,) = as_floats("sqrt", x)
    y = np.sqrt(x)

    def vjp(g: Array) -> Array:
        at_zero = y == 0
        return np.where(at_zero, 0, 0.5 * g / np.where(at_zero, 1, y))

    return y, (vjp,)


def abs(x: Array) -> Result:
    """Compute the absolute value; the gradient is 0 at 0."""
    (x,) = as_numbers("abs", x)
    return exact("abs", kernels.absolute, x), (lambda g: kernels.absolute_vjp(g, x),)


def relu(x: Array) -> Result:
    """Compute the rectified linear unit ``max(x, 0)``; the gradient is 0 at 0."""
    (x,) = as_numbers("relu", x)
    return kernels.relu(x), (lambda g: kernels.relu_vjp(g, x),)


def clamp(x: Array, low: float | None = None, high: float | None = None) -> Result:
    """Limit `x` to ``[low, high]``; the gradient is 1 strictly inside, 0 outside and on both limits.

    Args:
        x: any shape.
        low, high: the limits; None is no limit.

    Raises:
        TypeError: if a limit is not a number.
        ValueError: if `low` is above `high`.
    """
    (x,) = as_numbers("clamp", x)
    for limit in (low, high):
        if limit is not None and not isinstance(limit, int | float | np.integer | np.floating):
            raise TypeError(f"clamp takes numbers or None as limits, got {limit!r}; for arrays use maximum")
    if low is not None and high is not None and low > high:
        raise ValueError(f"clamp needs low <= high, got low={low} and high={high}")
    raised = x if low is None else np.maximum(x, low)
    y = raised if high is None else np.minimum(raised, high)

    def vjp(g: Array) -> Array:
        above = True if low is None else x > low
        below = True if high is None else x < high
        inside: Array = np.logical_and(above, below)
        return g * np.where(np.isnan(y), np.nan, inside).astype(g.dtype)

    return y, (vjp,)


def tanh(x: Array) -> Result:
    """Compute the hyperbolic tangent."""
    (x,) = as_floats("tanh", x)
    y = np.tanh(x)
    return y, (lambda g: g * (1 - y * y),)


def sigmoid(x: Array) -> Result:
    """Compute the logistic function ``1 / (1 + e**-x)``; with ``e**-|x|``, so that nothing overflows or cancels."""
    (x,) = as_floats("sigmoid", x)
    decay = np.exp(-np.abs(x))
    return np.exp(np.minimum(x, 0)) / (1 + decay), (lambda g: g * (decay / (1 + decay) ** 2),)
