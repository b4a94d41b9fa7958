"""Ops that move entries without changing them. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinydist.arrays import as_numbers, as_real
from tinydist.errors import DTypeError, ShapeError
from tinydist.ops.elementwise import Array, Result, unbroadcast

__all__ = ["concatenate", "index", "reshape", "stack", "transpose", "where"]


def reshape(x: Array, shape: tuple[int, ...]) -> Result:
    """Arrange the same entries, in row-major order, under a new `shape` (one size may be -1).

    Raises:
        ShapeError: unless the entries fit the shape.
    """
    x = as_real("reshape", x)
    try:
        y = x.reshape(shape)
    except (ValueError, TypeError):
        raise ShapeError(
            f"reshape: {x.size} entries of shape {x.shape} do not fit shape {shape}; "
            "the product of the sizes must stay the same, and one whole number at most may be -1"
        ) from None
    return y, (lambda g: g.reshape(x.shape),)


def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Result:
    """Permute the axes (reverse them by default).

    Raises:
        ShapeError: unless `axes` is a permutation of the axes of `x`.
    """
    x = as_real("transpose", x)
    try:
        y = x.transpose(axes)
    except (ValueError, TypeError):
        raise ShapeError(
            f"transpose: axes {axes} are not a permutation of the {x.ndim} axes of shape {x.shape}"
        ) from None
    inverse = None if axes is None else np.argsort([axis % x.ndim for axis in axes])
    return y, (lambda g: g.transpose(inverse),)


def index(x: Array, key: Any) -> Result:
    """Pick ``x[key]`` for any NumPy key: integers, slices, masks, integer arrays.

    An entry picked more than once receives the sum of its copies' gradients.

    Raises:
        IndexError: unless the key fits the shape of `x`.
        DTypeError: if a mask within the key would be lost.
    """
    x = as_real("index", x)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise DTypeError("index: the mask of a masked array would be lost; fill its gaps with key.filled(value)")
    basic = (int, np.integer, slice, type(None), type(...))
    picks_at_most_once = all(isinstance(part, basic) for part in parts)

    def vjp(g: Array) -> Array:
        gradient = np.zeros(x.shape, dtype=g.dtype)
        if picks_at_most_once:
            gradient[key] = g
        else:
            np.add.at(gradient, key, g)
        return gradient

    try:
        return x[key], (vjp,)
    except IndexError as reason:
        raise IndexError(f"index: the key {key!r} does not fit shape {x.shape}: {reason}") from None


def concatenate(*arrays: Array, axis: int = 0) -> Result:
    """Join arrays along an existing `axis`.

    Raises:
        ShapeError: unless there is an array, all have such an axis, and the other axes agree.
    """
    arrays = _of_one_kind("concatenate", *arrays)
    y = _joined("concatenate", np.concatenate, arrays, axis)
    ends = np.cumsum([a.shape[axis] for a in arrays])

    def vjp_of(position: int) -> Any:
        start = ends[position] - arrays[position].shape[axis]
        return lambda g: np.moveaxis(np.moveaxis(g, axis, 0)[start : ends[position]], 0, axis)

    return y, tuple(vjp_of(position) for position in range(len(arrays)))


def stack(*arrays: Array, axis: int = 0) -> Result:
    """Join arrays of one shape along a new `axis`.

    Raises:
        ShapeError: unless there is an array, all have one shape, and the result has such an axis.
    """
    arrays = _of_one_kind("stack", *arrays)
    y = _joined("stack", np.stack, arrays, axis)

    def vjp_of(position: int) -> Any:
        return lambda g: np.moveaxis(g, axis, 0)[position]

    return y, tuple(vjp_of(position) for position in range(len(arrays)))


def _of_one_kind(name: str, *arrays: Array) -> tuple[Array, ...]:
    """Return arrays that are to be joined; whole ones, which NumPy might join as floats, without losing digits."""
    arrays = tuple(as_real(name, a) for a in arrays)
    whole = arrays and all(a.dtype.kind != "f" for a in arrays)
    return tuple(as_numbers(name, *arrays)) if whole and np.result_type(*arrays).kind == "f" else arrays


def _joined(name: str, join: Any, arrays: tuple[Array, ...], axis: int) -> Array:
    try:
        return join(arrays, axis=operator.index(axis))
    except (ValueError, TypeError) as reason:
        shapes = ", ".join(str(a.shape) for a in arrays) or "nothing"
        raise ShapeError(f"{name}: shapes {shapes} along axis {axis}: {reason}") from None


def where(a: Array, b: Array, condition: Array) -> Result:
    """Pick the entry of `a` where the condition is true, else that of `b`; all broadcast.

    Each entry receives the gradient of the places it was picked for, and 0 from all others.

    Args:
        a, b: any shapes.
        condition: bools, which take no gradient.

    Raises:
        DTypeError: unless the condition consists of bools.
        ShapeError: unless the three shapes broadcast.
    """
    a, b = _of_one_kind("where", a, b)
    condition = as_real("where", condition)
    if condition.dtype != np.bool:
        raise DTypeError(f"where: the condition consists of bools, got {condition.dtype}; compare, such as x > 0")
    try:
        y = np.where(condition, a, b)
    except ValueError:
        raise ShapeError(
            f"where: the shapes {condition.shape} of the condition, {a.shape} and {b.shape} do not broadcast"
        ) from None
    return y, (
        lambda g: unbroadcast(np.where(condition, g, 0), a.shape),
        lambda g: unbroadcast(np.where(condition, 0, g), b.shape),
    )
