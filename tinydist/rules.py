"""Ops and their gradient rules, called with care: what they return is checked, and what they may not change.

The ops of :mod:`tinydist.ops` are tested to leave the arrays they are given as they are. Your own ones are watched.
Nothing here needs the class of tensors, so that :mod:`tinydist.tensor` can import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist import ops
from tinydist.arrays import is_real
from tinydist.errors import BackwardError, DTypeError, ShapeError
from tinydist.ops import Vjps
from tinydist.snapshots import Snapshot, first_changed, snapshot

Array = NDArray[Any]

OWN = frozenset(id(function) for function in vars(ops).values() if callable(function))
"""The ids of the library's ops. Neither the name nor the module tells them: a function that wraps an op has both."""

READS_NOTHING = frozenset(
    {
        *(ops.add, ops.sub, ops.neg, ops.sum, ops.mean, ops.avg_pool2d, ops.sparse_linear),
        *(ops.reshape, ops.transpose, ops.index, ops.concatenate, ops.stack, ops.where),
        *(ops.sigmoid, ops.silu, ops.gelu_tanh, ops.elu, ops.cross_entropy),
    }
)
"""Ops whose rules do not read the inputs, which may change after them: they are linear or keep their slopes."""


def name_of(op: Callable[..., Any]) -> str:
    """Return the name of an op."""
    return getattr(op, "__name__", None) or repr(op)


def _is_own(op: Callable[..., Any]) -> bool:
    """Return whether an op is of this library."""
    return id(op) in OWN


def run(op: Callable[..., Any], arrays: Sequence[Array], options: Mapping[str, Any]) -> tuple[Array, Vjps]:
    """Return the value of an op and its gradient rules.

    Raises:
        TypeError: unless it returns a value and one function for each input.
        DTypeError: if the value is no array of real numbers.
        BackwardError: if it changes an input.
    """
    watched = [] if _is_own(op) else arrays
    before = [snapshot(array) for array in watched]
    outcome = op(*arrays, **options)
    name = name_of(op)
    if not (
        isinstance(outcome, tuple)
        and len(outcome) == 2
        and isinstance(outcome[1], tuple | list)
        and len(outcome[1]) == len(arrays)
        and all(map(callable, outcome[1]))
    ):
        raise TypeError(
            f"op '{name}' must return (value, vjps) with one vjp, a function, for each of its {len(arrays)} inputs, "
            f"such as: return x**2, (lambda g: 2 * g * x,); it returned {_described(outcome)}"
        )
    value, vjps = outcome
    if not _is_numeric(value):
        raise DTypeError(f"op '{name}' must return an array of real numbers as its value, got {_kind(value)}")
    changed = first_changed(watched, before, {})
    if changed is not None:
        raise BackwardError(
            f"op '{name}' changed its input {changed}, of shape {watched[changed].shape}, which others use as well; "
            "compute a new array instead of writing into x"
        )
    return np.asarray(value), tuple(vjps)


def recorded(op: Callable[..., Any], tensors: Sequence[Any]) -> tuple[Snapshot, ...]:
    """Return snapshots of what may not change after an op: of its inputs, if its rules may read them, and its result.

    Args:
        op: that was run.
        tensors: its inputs and its result.
    """
    kept = tensors[-1:] if _is_own(op) and op in READS_NOTHING else tensors
    return tuple([tensor._recorded[-1] if tensor._recorded else snapshot(tensor.data) for tensor in kept])


def check_unchanged(tensor: Any, known: dict[int, Snapshot]) -> None:
    """Raise a BackwardError if the result of an op, or an input that its rules may read, was changed after it.

    Args:
        tensor: the result of an op.
        known: see :func:`tinydist.snapshots.first_changed`.
    """
    values = [*(parent.data for parent in tensor.inputs), tensor.data]
    values = values[len(values) - len(tensor._recorded) :]
    changed = first_changed(values, tensor._recorded, known)
    if changed is not None:
        which = "the result" if changed == len(values) - 1 else f"input {changed}"
        raise BackwardError(
            f"{which} of '{tensor.op}', of shape {values[changed].shape}, was changed between the forward and the "
            "backward pass, so the gradient would be that of neither value; compute the value again after changing "
            "the array, or change a copy"
        )


def pull_back(tensor: Any, g: Array) -> list[Array | None]:
    """Return the gradient of each input of `tensor`, given that of the tensor; None for an input that requires none.

    Args:
        tensor: the result of an op with its graph, or a leaf, which has no inputs.
        g: gradient of the final loss with respect to it.

    Raises:
        TypeError, DTypeError, ShapeError: naming a rule that does not return an array of real numbers, in the shape of
            its input, or an input that is not floating-point.
        BackwardError: naming a rule that changes the gradient it is given, or a value.
    """
    if tensor.op is None:
        return []
    contribution_of = _checked if _is_own(tensor.function.func) else _watched
    return [
        contribution_of(tensor, position, g) if parent.requires_grad else None
        for position, parent in enumerate(tensor.inputs)
    ]


def _watched(tensor: Any, position: int, g: Array) -> Array:
    """Return what a rule makes of g, after a check that it is a gradient and that g and all values are as before."""
    before = snapshot(g)
    contribution = _checked(tensor, position, g)
    if snapshot(g) != before:
        raise BackwardError(
            f"the gradient rule of '{tensor.op}' for input {position} changed g, the gradient it was given, "
            "which other rules read as well; compute a new array instead of writing into g"
        )
    check_unchanged(tensor, {})
    return contribution.copy()  # it may be a part of g or of a buffer that the next rule writes into


def _checked(tensor: Any, position: int, g: Array) -> Array:
    """Return what a rule makes of g, after a check that it is a gradient of the rule's input."""
    contribution = tensor._vjps[position](g)
    parent = tensor.inputs[position]
    if not _is_numeric(contribution):
        kind = DTypeError if isinstance(contribution, np.ndarray | np.generic) else TypeError
        raise kind(
            f"the gradient rule of '{tensor.op}' for input {position} must return an array of real numbers of shape "
            f"{parent.shape}, got {_kind(contribution)}"
        )
    if np.shape(contribution) != parent.shape:
        raise ShapeError(
            f"the gradient rule of '{tensor.op}' for input {position} returned shape {np.shape(contribution)}, "
            f"expected {parent.shape}, the input's own; did the rule forget to undo a broadcast?"
        )
    if parent.dtype.kind != "f":
        raise DTypeError(
            f"input {position} of '{tensor.op}' was given data of dtype {parent.dtype}, which have no gradient; "
            "assign floating-point numbers"
        )
    return np.asarray(contribution, dtype=parent.dtype)


def _is_numeric(value: Any) -> bool:
    """Return whether a value is a real number or an array of them."""
    if isinstance(value, np.ndarray | np.generic):
        return is_real(value.dtype)
    return isinstance(value, int | float)


def _kind(value: Any) -> str:
    """Return the type of a value in words, with the dtype of an array."""
    if isinstance(value, np.ndarray | np.generic):
        return f"dtype {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def _described(outcome: Any) -> str:
    if not isinstance(outcome, tuple) or len(outcome) != 2:
        return f"a tuple of {len(outcome)}" if isinstance(outcome, tuple) else _kind(outcome)
    vjps = outcome[1]
    if not isinstance(vjps, tuple | list):
        return f"(value, {_kind(vjps)})"
    return f"{len(vjps)} vjps: {', '.join(map(_kind, vjps)) or 'none'}"
