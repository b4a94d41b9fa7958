"""Reductions along axes: sums, means, largest and smallest entries. Conventions as in :mod:`tinydist.ops.elementwise`.

They raise a :class:`tinydist.errors.ShapeError` for axes that the array does not have, or that are given twice, and
for an extremum or a mean of nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinydist.arrays import as_floats, as_numbers, exact
from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["logsumexp", "max", "mean", "min", "sum"]

Axis = int | tuple[int, ...] | None


def reduced_axes(name: str, shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """Return the axes, from 0, over which an op reduces an array.

    Args:
        name: of the op, for error messages.
        shape: of the array.
        axis: one axis, several, or None for all.

    Raises:
        ShapeError: unless the array has these axes, and each is given once.
    """
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    try:
        found = tuple(range(len(shape))[a] for a in axes)
        valid = len(set(found)) == len(found) and not any(isinstance(a, bool) for a in axes)
    except (IndexError, TypeError):
        valid = False
    if not valid:
        some = f"whole numbers from {-len(shape)} to {len(shape) - 1}, each axis once, or " if shape else ""
        raise ShapeError(f"{name}: axis {axis!r} does not name axes of shape {shape}; expected {some}None for all")
    return found


def _check_not_empty(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    if 0 in (shape[axis] for axis in axes):
        raise ShapeError(f"{name}: nothing to reduce along axes {axes} of shape {shape}; each needs an entry")


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the sum over `axis`.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    (x,) = as_numbers("sum", x)
    axes = reduced_axes("sum", x.shape, axis)

    def vjp(g: Array) -> Array:
        return np.broadcast_to(g if keepdims else np.expand_dims(g, axes), x.shape)

    return exact("sum", lambda x: np.sum(x, axis=axes, keepdims=keepdims), x), (vjp,)


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the mean over `axis`, which does not overflow with the sum.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    (x,) = as_floats("mean", x)
    axes = reduced_axes("mean", x.shape, axis)
    _check_not_empty("mean", x.shape, axes)
    count = math.prod(x.shape[axis] for axis in axes)
    with np.errstate(over="ignore"):
        y = np.mean(x, axis=axes, keepdims=keepdims)
    if np.isinf(y).any():  # the sum may have overflowed
        y = np.sum(x / count, axis=axes, keepdims=keepdims)

    def vjp(g: Array) -> Array:
        return np.broadcast_to((g if keepdims else np.expand_dims(g, axes)) / count, x.shape)

    return y, (vjp,)


def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the maximum over `axis`; entries that tie share the gradient equally.

    Among entries with a NaN, the maximum is NaN, and so are their gradients.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    return _extremum("max", np.max, x, axis, keepdims)


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the minimum over `axis`; arguments, ties and NaN as in :func:`max`."""
    return _extremum("min", np.min, x, axis, keepdims)


def _extremum(name: str, reduce: Any, x: Array, axis: Axis, keepdims: bool) -> Result:
    (x,) = as_numbers(name, x)
    axes = reduced_axes(name, x.shape, axis)
    _check_not_empty(name, x.shape, axes)
    y = reduce(x, axis=axes, keepdims=True)

    def vjp(g: Array) -> Array:
        picked = x == y
        ties = np.maximum(picked.sum(axis=axes, keepdims=True, dtype=g.dtype), 1)
        return np.where(picked, g.reshape(y.shape) / ties, np.where(np.isnan(y), y, 0))

    return y if keepdims else np.squeeze(y, axes), (vjp,)


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute ``log(sum(e ** x))`` over `axis`, shifted by the largest entry so that nothing overflows.

    The gradient of an entry is its share of the sum, the softmax; NaN where all entries are minus infinity.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    (x,) = as_floats("logsumexp", x)
    axes = reduced_axes("logsumexp", x.shape, axis)
    _check_not_empty("logsumexp", x.shape, axes)
    largest = np.max(x, axis=axes, keepdims=True)
    shift = np.where(np.isinf(largest), 0, largest)
    with np.errstate(over="ignore", divide="ignore"):  # e ** inf is inf, log 0 is -inf
        y = shift + np.log(np.sum(np.exp(x - shift), axis=axes, keepdims=True))

    def vjp(g: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return g.reshape(y.shape) * np.exp(x - y)

    return y if keepdims else np.squeeze(y, axes), (vjp,)
