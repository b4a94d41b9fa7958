"""Questions that many checks ask. The expected results come from formulas and finite differences, not from the ops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from tinydist.exercises.exercise import Observation, about_to_try
from tinydist.gradcheck import central_difference

Array = NDArray[Any]

SMALL = 20
"""Number of entries of a result up to which a kernel is run by Python as well."""


@dataclass(frozen=True)
class OpCase:
    """A case to try an op on.

    Attributes:
        inputs: float64 arrays by name, in the order of the op's arguments.
        options: the op's other arguments.
        gradients: what the gradient rules must give for `g`; measured by finite differences where it is None.
        g: the incoming gradient; random numbers where it is None.
        note: why this case is tried, shown to the learner.
    """

    inputs: Mapping[str, Array]
    options: Mapping[str, Any] = field(default_factory=dict)
    gradients: Mapping[str, Array] | None = None
    g: Array | None = None
    note: str = ""


def ask_op(op: Any, formula: Callable[..., Array], case: OpCase, dtype: type = np.float64) -> Iterator[Observation]:
    """Yield observations of an op: its value, each of its gradients, and whether it left its inputs unchanged.

    Args:
        op: takes arrays and options, returns ``(value, vjps)``.
        formula: the value by NumPy.
        case: what to try.
        dtype: of the inputs that the op receives, and so of everything it should give.
    """
    wide = [np.asarray(x, dtype=np.float64) for x in case.inputs.values()]
    value = np.asarray(formula(*wide, **case.options))
    g = np.asarray(np.random.default_rng(0).uniform(0.5, 2, value.shape)).round(2) if case.g is None else case.g
    inputs: list[Array] = [x.astype(dtype) for x in wide]
    given: dict[str, Any] = {name: x.copy() for name, x in zip(case.inputs, inputs, strict=True)} | dict(case.options)
    if dtype != np.float64:
        given["dtype"] = np.dtype(dtype).name
    if case.note:
        given = {"why": case.note} | given
    yield about_to_try(given)
    result = op(*inputs, **case.options)
    yield Observation("what comes back", _kind(result), _pair(len(inputs)), given)
    y, vjps = result
    yield Observation("the value", y, value.astype(dtype), given)
    given["g"] = g
    for position, name in enumerate(case.inputs):
        gradient = vjps[position](g.astype(dtype))
        if case.gradients is not None:
            expected = np.asarray(case.gradients[name])
        else:
            expected = measured_gradient(partial(_loss, formula, wide, position, g, case.options), wide[position])
        yield Observation(f"the gradient of {name}", gradient, expected.astype(dtype), given)
    for name, x in zip(case.inputs, inputs, strict=True):
        yield Observation(f"{name} itself, which must stay as it was", x, given[name], given)


def ask_op_on(op: Any, formula: Callable[..., Array], *cases: OpCase) -> Iterator[Observation]:
    """Yield observations of an op on each case in float64, then on the last in float32."""
    for case in cases:
        yield from ask_op(op, formula, case)
    yield from ask_op(op, formula, replace(cases[-1], note="float32 in must give float32 out"), np.float32)


def ask_kernel(function: Any, truth: Callable[..., Array], *cases: Mapping[str, Array]) -> Iterator[Observation]:
    """Yield observations of a kernel on each case, in float64 and float32, and whether it left its inputs unchanged.

    Args:
        function: the kernel, which must be compiled by numba.
        truth: the result by NumPy.
        cases: arrays by name, in the order of the kernel's arguments.
    """
    compiled = "compiled by numba" if isinstance(function, Dispatcher) else "a plain Python function"
    yield Observation("what the function is", compiled, "compiled by numba")
    for dtype in (np.float64, np.float32):
        for case in cases:
            inputs = [x.astype(dtype) for x in case.values()]
            given = {name: x.copy() for name, x in zip(case, inputs, strict=True)} | {"dtype": np.dtype(dtype).name}
            expected = truth(*(x.astype(np.float64) for x in inputs)).astype(dtype)
            yield about_to_try(given)
            if expected.size <= SMALL:  # Python says which line read outside an array; compiled code reads on
                yield Observation("the result by Python, without numba", function.py_func(*inputs), expected, given)
            yield Observation("the result", function(*inputs), expected, given)
            for name, x in zip(case, inputs, strict=True):
                yield Observation(f"{name} itself, which must stay as it was", x, given[name], given)


def _loss(formula: Callable[..., Array], inputs: list[Array], at: int, g: Array, options: Any, moved: Array) -> float:
    """Return ``<g, formula>`` with the input at position `at` moved."""
    return float(np.sum(g * formula(*inputs[:at], moved, *inputs[at + 1 :], **options)))


def measured_gradient(function: Callable[[Array], float], x: Array) -> Array:
    """Return the gradient of a function of an array, entry by entry by central differences."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        direction = np.zeros_like(x)
        direction[index] = 1
        gradient[index] = central_difference(function, x, direction)
    return gradient


def raised(call: Callable[[], Any], *expected: type[Exception]) -> str:
    """Call a function and return the name of the first of the `expected` errors that it raises, or "no error".

    Other errors pass through.
    """
    try:
        call()
    except expected as error:
        return next(kind.__name__ for kind in expected if isinstance(error, kind))
    return "no error"


def numbers(seed: int, *shape: int, low: float = -2, high: float = 2) -> Array:
    """Return random numbers with one decimal, easy to read, none of them 0.

    Args:
        seed: of the random numbers.
        shape: of the array.
        low, high: limits of the numbers.
    """
    drawn = np.random.default_rng(seed).uniform(low, high, shape).round(1)
    return np.where(drawn == 0, 0.5, drawn)


def _pair(inputs: int) -> str:
    return f"a pair (value, vjps) with {inputs} gradient rule{'s' if inputs > 1 else ''} in a tuple"


def _kind(result: Any) -> str:
    """Return the kind of an op's result in words."""
    if result is None:
        return "None: is a return missing?"
    if not isinstance(result, tuple) or len(result) != 2:
        size = f" of {len(result)}" if isinstance(result, tuple) else ""
        return f"something of type {type(result).__name__}{size}"
    vjps = result[1]
    if not isinstance(vjps, tuple):
        return f"a pair whose second part is a {type(vjps).__name__}; write (rule,) for a tuple of one"
    return _pair(len(vjps))
