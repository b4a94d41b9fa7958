"""Arrays by name, as models and optimisers save them, checked as a whole before any is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.arrays import is_real
from tinydist.errors import StateDictError

Array = NDArray[Any]


def fitted(
    state: Mapping[str, ArrayLike],
    needed: Mapping[str, Array],
    owner: str,
    problem_of: Callable[[str, Array], str | None] = lambda _name, _array: None,
) -> dict[str, Array]:
    """Return copies of the arrays of a state, each in the dtype of the needed one of that name.

    Args:
        state: arrays, or what NumPy makes arrays of, by name.
        needed: the arrays that they are to replace, by name.
        owner: "model" or "optimiser", for the error.
        problem_of: returns what is wrong with the converted array of that name, None if nothing is.

    Raises:
        TypeError: if the state is no mapping.
        StateDictError: naming every entry that is missing, unknown, of another shape, or no number of that dtype.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"expected a state as state_dict() returns it, arrays by name, got a {type(state).__name__}")
    problems = [f"'{name}' is missing" for name in needed.keys() - state.keys()]
    problems += [f"'{name}' is unknown to this {owner}" for name in state.keys() - needed.keys()]
    converted = {}
    for name in needed.keys() & state.keys():
        try:
            converted[name] = _converted(state[name], needed[name], owner)
            problem = problem_of(name, converted[name])
        except ValueError as reason:
            problem = str(reason)
        if problem:
            problems.append(f"'{name}' {problem}")
    if problems:
        raise StateDictError(
            f"this state does not fit the {owner}: {'; '.join(sorted(problems))}. "
            f"The {owner}'s arrays are {', '.join(needed) or 'none'}"
        )
    return converted


def _converted(given: ArrayLike, needed: Array, owner: str) -> Array:
    """Return a copy of an array in the dtype of the needed one, or raise a ValueError that says what is wrong."""
    if isinstance(given, np.ma.MaskedArray):
        raise ValueError("is a masked array, whose mask would be lost; fill its gaps with array.filled(value)")
    array = np.asarray(given)
    if not is_real(array.dtype):
        raise ValueError(f"has dtype {array.dtype}, the {owner} needs {needed.dtype}")
    if array.shape != needed.shape:
        raise ValueError(f"has shape {array.shape}, the {owner} needs {needed.shape}")
    with np.errstate(all="ignore"):
        converted = array.astype(needed.dtype)
        whole = needed.dtype.kind == "f" or np.array_equal(converted, array)
    if not whole or np.any(np.isfinite(array) & ~np.isfinite(converted)):
        raise ValueError(f"has numbers that {needed.dtype} cannot hold")
    return converted
