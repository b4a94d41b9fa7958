"""Comparison of the results of an answer with the expected ones, with the difference in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.exercises.exercise import Observation

RTOL = {"float64": 1e-6, "float32": 1e-4}
"""Allowed relative error by dtype: enough for finite differences and another order of rounding, too little for a wrong
formula."""


def difference(observation: Observation) -> str | None:
    """Return the difference in words; "" if the values show it by themselves; None if there is none."""
    received, expected = observation.received, observation.expected
    if received is None and expected is not None:
        return "None: was it never returned, or never set?"
    if isinstance(expected, float | np.ndarray | np.generic):
        return _numeric_difference(received, np.asarray(expected), observation.rtol, strict=type(expected) is not float)
    return None if type(received) is type(expected) and received == expected else ""


def _numeric_difference(received: Any, expected: NDArray[Any], rtol: float | None, strict: bool) -> str | None:
    array = _as_array(received)
    if array is None or array.dtype.kind not in "fiub":
        return f"of type {type(received).__name__}, not numbers"
    if array.shape != expected.shape:
        return f"shape {array.shape} instead of {expected.shape}"
    if strict and array.dtype != expected.dtype:
        return f"{array.dtype} instead of {expected.dtype}"
    wrong = ~_close(array, expected, rtol)
    if not wrong.any():
        return None
    if array.size == 1:
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    values = f"expected {_number(expected[index])}, received {_number(array[index])}"
    return f"{int(wrong.sum())} of {wrong.size} entries differ, the first at {list(index)}: {values}"


def _close(array: NDArray[Any], expected: NDArray[Any], rtol: float | None) -> NDArray[np.bool_]:
    if expected.dtype.kind != "f":
        return np.asarray(array == expected)
    if rtol is None:
        rtol = RTOL.get(str(expected.dtype), 1e-6)
    finite = np.abs(expected[np.isfinite(expected)])
    tolerance = rtol * max(1e-3, finite.max(initial=0))
    return np.isclose(array, expected, rtol=rtol, atol=tolerance * 1e-2, equal_nan=True)


def same(a: Any, b: Any) -> bool:
    """Return whether two answers gave the same: equal values within rounding, NaN like NaN."""
    first, second = _as_array(a), _as_array(b)
    if first is None or second is None or first.dtype.kind not in "fiub" or second.dtype.kind not in "fiub":
        return type(a) is type(b) and bool(a == b)
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        return False
    return bool(np.all(_close(first, second, None)))


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
        text = np.array2string(array, separator=", ", threshold=24, edgeitems=2, precision=6)
        if array.size > 24:
            text += f" of shape {array.shape}"
        return text
    return repr(value) if len(repr(value)) <= 200 else repr(value)[:197] + "..."


def _number(value: Any) -> str:
    return f"{value:.9g}" if np.asarray(value).dtype.kind == "f" else str(value)
