"""Ops that move entries without changing them. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["concatenate", "index", "reshape", "transpose"]


def reshape(x: Array, shape: tuple[int, ...]) -> Result:
    """Arrange the same entries, in row-major order, under a new `shape` (one size may be -1).

    Raises:
        ShapeError: unless the entries fit the shape.
    """
    try:
        y = x.reshape(shape)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} entries of shape {x.shape} do not fit shape {tuple(shape)}; "
            "the product of the sizes must stay the same"
        ) from None
    return y, (lambda g: g.reshape(x.shape),)


def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Result:
    """Permute the axes (reverse them by default).

    Raises:
        ShapeError: unless `axes` is a permutation of the axes of `x`.
    """
    try:
        y = x.transpose(axes)
    except ValueError:
        raise ShapeError(
            f"transpose: axes {axes} are not a permutation of the {x.ndim} axes of shape {x.shape}"
        ) from None
    inverse = None if axes is None else np.argsort([axis % x.ndim for axis in axes])
    return y, (lambda g: g.transpose(inverse),)


def index(x: Array, key: Any) -> Result:
    """Pick ``x[key]`` for any NumPy key: integers, slices, masks, integer arrays.

    An entry picked more than once receives the sum of its copies' gradients.
    """
    parts = key if isinstance(key, tuple) else (key,)
    basic = (int, np.integer, slice, type(None), type(...))
    picks_at_most_once = all(isinstance(part, basic) for part in parts)

    def vjp(g: Array) -> Array:
        gradient = np.zeros(x.shape, dtype=g.dtype)
        if picks_at_most_once:
            gradient[key] = g
        else:
            np.add.at(gradient, key, g)
        return gradient

    return x[key], (vjp,)


def concatenate(*arrays: Array, axis: int = 0) -> Result:
    """Join arrays along an existing `axis`.

    Raises:
        ShapeError: unless the other axes agree.
    """
    try:
        y = np.concatenate(arrays, axis=axis)
    except ValueError as reason:
        shapes = ", ".join(str(a.shape) for a in arrays) or "nothing"
        raise ShapeError(f"concatenate: shapes {shapes} along axis {axis}: {reason}") from None
    ends = np.cumsum([a.shape[axis] for a in arrays])

    def vjp_of(position: int) -> Any:
        start = ends[position] - arrays[position].shape[axis]
        return lambda g: np.moveaxis(np.moveaxis(g, axis, 0)[start : ends[position]], 0, axis)

    return y, tuple(vjp_of(position) for position in range(len(arrays)))
