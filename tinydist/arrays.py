"""The numbers that the engine computes with: the one place that takes arrays in, and refuses those that would go wrong.

* Floats are float32 or float64, nothing narrower or wider.
* Whole numbers, which bools count as, may be constants. Ops compute with them in int64, so that no small integer wraps
  around, and in float64 where the result may be a fraction.
* Every array is a plain one, in the byte order of this machine.
* A Python number takes the dtype of the tensors beside it; an option is a copy, which nobody can change later.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinydist.errors import DTypeError, ShapeError

Array = NDArray[Any]

FLOATS = frozenset(map(np.dtype, (np.float32, np.float64)))

LARGEST_WHOLE = 2.0**62
"""Magnitude from which the result of whole numbers is refused, half of where int64 ends: it is estimated in float64."""


def is_real(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is one of real numbers, which bools and integers count as."""
    return dtype.kind in "fiub"


def as_real(name: str, data: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """Return data as a plain array of real numbers; an array that is one already is not copied.

    Args:
        name: of who asks, for error messages.
        data: anything NumPy makes an array of.
        dtype: to convert to; by default that of `data`.

    Raises:
        DTypeError: if the data are not real numbers, floats that are neither float32 nor float64, or a masked array;
            or if their conversion to integers would change them.
        ShapeError: if lists within the data differ in length.
    """
    if type(data) is np.ndarray and data.dtype in FLOATS and dtype in (None, data.dtype) and data.flags.aligned:
        return data
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError(f"{name} would lose the mask of a masked array; fill its gaps with data.filled(value)")
    try:
        given = np.asarray(data)
    except ValueError as reason:  # lists of several lengths
        raise ShapeError(f"{name}: the data have no shape: {reason}") from None
    for wanted in (given.dtype, np.dtype(dtype or given.dtype)):
        if not is_real(wanted):
            raise DTypeError(f"{name} holds real numbers, got data of dtype {wanted}")
    array = given
    if dtype is not None:
        with np.errstate(invalid="ignore"):
            array = given.astype(dtype, copy=False)
    if array.dtype.kind == "f" and array.dtype.newbyteorder("=") not in FLOATS:
        raise DTypeError(
            f"{name} computes in float32 or float64, got {array.dtype}; convert with dtype=np.float32 or "
            "array.astype(np.float32)"
        )
    if array.dtype.kind != "f" and array is not given and not np.array_equal(array, given):
        raise DTypeError(
            f"{name}: converting {given.dtype} to {array.dtype} would change the numbers; round them before"
        )
    plain = array.flags.aligned and array.dtype.isnative
    return array if plain else array.astype(array.dtype.newbyteorder("="))


def as_numbers(name: str, *inputs: ArrayLike) -> list[Array]:
    """Return the inputs of an op as arrays that it can compute with: whole numbers, if all are, in int64.

    Args:
        name: of the op, for error messages.
        inputs: of the op.

    Raises:
        DTypeError: as :func:`as_real`; or if whole numbers do not fit into int64.
    """
    arrays = [as_real(name, x) for x in inputs]
    if any(array.dtype.kind == "f" for array in arrays):
        return arrays
    if any(array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max for array in arrays):
        raise DTypeError(
            f"{name}: whole numbers have to fit into int64, got uint64 beyond it; convert with dtype=float"
        )
    return [array.astype(np.int64, copy=False) for array in arrays]


def as_floats(name: str, *inputs: ArrayLike) -> list[Array]:
    """Return the inputs of an op as arrays of one dtype, their widest float; whole numbers alone become float64.

    Args:
        name: of the op, for error messages.
        inputs: of the op.

    Raises:
        DTypeError: as :func:`as_real`.
    """
    arrays = [as_real(name, x) for x in inputs]
    dtype = np.result_type(*arrays)
    if dtype.kind != "f":
        dtype = np.dtype(np.float64)
    return [array.astype(dtype, copy=False) for array in arrays]


def exact(name: str, compute: Callable[..., Array], *arrays: Array) -> Array:
    """Return ``compute(*arrays)``, unless it is of whole numbers and its entries outgrow int64, which would wrap them.

    Args:
        name: of the op, for error messages.
        compute: from arrays to an array.
        arrays: as :func:`as_numbers` returns them.

    Raises:
        DTypeError: if an entry of whole numbers reaches ``LARGEST_WHOLE``.
    """
    y = compute(*arrays)
    if y.dtype.kind != "f":
        with np.errstate(over="ignore"):
            estimate = np.abs(compute(*(array.astype(np.float64) for array in arrays)))
        if estimate.max(initial=0) >= LARGEST_WHOLE:
            raise DTypeError(f"{name}: the result outgrows int64; compute in floats, with dtype=float")
    return y


def check_broadcast(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise a ShapeError unless two shapes broadcast.

    Args:
        name: of the op, for error messages.
        a, b: the shapes.
    """
    if a == b:
        return
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        raise ShapeError(
            f"{name}: shapes {a} and {b} do not broadcast. Aligned from the right, two sizes "
            "must be equal or one of them 1; reshape one operand so that they are."
        ) from None


def number(x: Any) -> Any:
    """Return a NumPy scalar or 0-dimensional array as the Python number it holds; anything else as it is."""
    is_scalar = isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0)
    return x.item() if is_scalar and is_real(x.dtype) else x


def constant(x: Any, dtypes: Sequence[np.dtype[Any]]) -> Any:
    """Return a number in the dtype it takes beside floats of these dtypes; anything else as it is."""
    x = number(x)
    if isinstance(x, bool | int | float) and any(dtype.kind == "f" for dtype in dtypes):
        return np.asarray(x, dtype=np.result_type(*dtypes))
    return x


def option(x: Any) -> Any:
    """Return an option that its caller cannot change later: a copy of an array or list, a number for a scalar.

    A Python number keeps the dtype of the arrays beside it; a NumPy scalar could widen it.
    """
    if isinstance(x, np.ndarray) and x.ndim:
        return x.copy()
    if isinstance(x, tuple):
        return tuple(map(option, x))
    return copy.deepcopy(x) if isinstance(x, list) else number(x)
