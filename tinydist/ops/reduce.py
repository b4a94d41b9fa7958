"""Reductions along axes: sum, mean, max. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist.ops.elementwise import Array, Result

__all__ = ["max", "mean", "sum"]

Axis = int | tuple[int, ...] | None


def _restore_axes(reduced: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Give a reduced array its reduced axes back as axes of size 1, so that it broadcasts against `x`."""
    if keepdims or axis is None:
        return reduced if keepdims else np.reshape(reduced, (1,) * x.ndim)
    return np.expand_dims(reduced, axis)


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the sum over `axis`.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """

    def vjp(g: Array) -> Array:
        return np.broadcast_to(_restore_axes(g, x, axis, keepdims), x.shape)

    return np.sum(x, axis=axis, keepdims=keepdims), (vjp,)


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the mean over `axis`.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    y = np.mean(x, axis=axis, keepdims=keepdims)

    def vjp(g: Array) -> Array:
        count = x.size // (y.size or 1)
        return np.broadcast_to(_restore_axes(g, x, axis, keepdims) / count, x.shape)

    return y, (vjp,)


def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Compute the maximum over `axis`; entries that tie share the gradient equally.

    Args:
        x: any shape.
        axis: one axis or several; all by default.
        keepdims: keep the reduced axes with size 1.
    """
    y = np.max(x, axis=axis, keepdims=keepdims)

    def vjp(g: Array) -> Array:
        is_max = x == _restore_axes(y, x, axis, keepdims)
        ties = is_max.sum(axis=axis, keepdims=True, dtype=g.dtype)
        return is_max * (_restore_axes(g, x, axis, keepdims) / ties)

    return y, (vjp,)
