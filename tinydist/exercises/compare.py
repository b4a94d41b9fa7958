"""Comparison of the results of an answer with the expected ones, with the difference in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.arrays import is_real
from tinydist.exercises.rubric import Observation

RTOL = {"float64": 1e-8, "float32": 1e-4}
"""Allowed relative error by dtype: enough for another order of rounding, too little for a wrong formula."""

ATOL = 1e-2
"""Allowed error relative to the largest entry, as a share of the relative one: where terms cancel, less is exact."""


def difference(observation: Observation) -> str | None:
    """Return the difference in words; "" if the values show it by themselves; None if there is none."""
    received, expected = observation.received, observation.expected
    if received is None and expected is not None:
        return "None: was it never returned, or never set?"
    if isinstance(expected, float | np.ndarray | np.generic):
        return _numeric_difference(observation, np.asarray(expected))
    return None if type(received) is type(expected) and received == expected else ""


def _numeric_difference(observation: Observation, expected: NDArray[Any]) -> str | None:
    array = _as_array(observation.received)
    if array is not None and array.dtype.kind == "c":
        return "complex numbers, not real ones"
    if array is None or not is_real(array.dtype):
        return f"of type {type(observation.received).__name__}, not numbers"
    if array.shape != expected.shape:
        return f"shape {array.shape} instead of {expected.shape}"
    wrong = ~_close(array, expected, observation.rtol, observation.atol)
    if not wrong.any():
        return None if _dtype_will_do(array, observation) else f"{array.dtype} instead of {expected.dtype}"
    if array.size == 1:
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    values = f"expected {_number(expected[index])}, received {_number(array[index])}"
    return f"{int(wrong.sum())} of {wrong.size} entries differ, the first at {list(index)}: {values}"


def _dtype_will_do(array: NDArray[Any], observation: Observation) -> bool:
    if type(observation.expected) is float:
        return True
    return array.dtype == observation.expected.dtype or (observation.wide and array.dtype == np.float64)


def _close(
    array: NDArray[Any], expected: NDArray[Any], rtol: float | None = None, atol: float | None = None
) -> NDArray[np.bool_]:
    if expected.dtype.kind != "f":
        return np.asarray(array == expected)
    rtol = RTOL.get(str(expected.dtype), 1e-8) if rtol is None else rtol
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return np.isclose(
        array, expected, rtol=rtol, atol=largest * (rtol * ATOL if atol is None else atol), equal_nan=True
    )


def same(a: Any, b: Any, any_dtype: bool = False) -> bool:
    """Return whether two answers gave the same: equal values within rounding, NaN like NaN, and the same dtype.

    Args:
        a, b: what they gave.
        any_dtype: whether the dtypes may differ.
    """
    first, second = _as_array(a), _as_array(b)
    if first is None or second is None or not (is_real(first.dtype) and is_real(second.dtype)):
        return type(a) is type(b) and np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
    if first.shape != second.shape or not (any_dtype or first.dtype == second.dtype):
        return False
    narrow, wide = sorted((first, second), key=lambda array: array.dtype.itemsize)
    return bool(np.all(_close(wide, narrow)))


def _as_array(value: Any) -> NDArray[Any] | None:
    """Return the value as an array; None if NumPy cannot make one of it."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        return None


def short(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.ndarray | np.generic):
        array = np.asarray(value)
        if array.ndim == 0:
            return _number(array[()])
        text = np.array2string(
            array + 0 if array.dtype.kind == "f" else array, separator=", ", threshold=24, edgeitems=2, precision=6
        )
        if array.size > 24:
            text += f" of shape {array.shape}"
        return text
    return repr(value) if len(repr(value)) <= 200 else repr(value)[:197] + "..."


def _number(value: Any) -> str:
    return f"{value + 0:.9g}" if np.asarray(value).dtype.kind == "f" else str(value)
