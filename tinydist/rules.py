"""Ops and their gradient rules, called with care: what they return is checked, and what they may not change.

The ops of :mod:`tinydist.ops` are tested, so they are trusted. Your own ones are watched.
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

READS_NOTHING = frozenset(
    {
        *(ops.add, ops.sub, ops.neg, ops.sum, ops.mean, ops.avg_pool2d, ops.sparse_linear),
        *(ops.reshape, ops.transpose, ops.index, ops.concatenate, ops.stack, ops.where),
        *(ops.sigmoid, ops.silu, ops.gelu_tanh, ops.elu, ops.cross_entropy),
    }
)
"""Ops whose rules read neither inputs nor result, which may change after them: they are linear or keep their slopes."""


def name_of(op: Callable[..., Any]) -> str:
    """Return the name of an op."""
    return getattr(op, "__name__", repr(op))


def _is_own(op: Callable[..., Any]) -> bool:
    """Return whether an op is of this library."""
    return getattr(op, "__module__", "").startswith("tinydist.ops.")


def run(op: Callable[..., Any], arrays: Sequence[Array], options: Mapping[str, Any]) -> tuple[Array, Vjps]:
    """Return the value of an op and its gradient rules.

    Raises:
        TypeError: unless it returns a value and one function for each input.
        DTypeError: if the value is no array of real numbers.
        BackwardError: if it changes an input.
    """
    if _is_own(op):
        value, vjps = op(*arrays, **options)
        return np.asarray(value), vjps
    before = [snapshot(array) for array in arrays]
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
    changed = first_changed(arrays, before, {})
    if changed is not None:
        raise BackwardError(
            f"op '{name}' changed its input {changed}, of shape {arrays[changed].shape}, which others use as well; "
            "compute a new array instead of writing into x"
        )
    return np.asarray(value), tuple(vjps)


def recorded(op: Callable[..., Any], tensors: Sequence[Any]) -> tuple[Snapshot, ...]:
    """Return snapshots of all that the rules of an op may read, none if they read nothing.

    Args:
        op: that was run.
        tensors: its inputs and its result.
    """
    if op in READS_NOTHING:
        return ()
    return tuple([tensor._recorded[-1] if tensor._recorded else snapshot(tensor.data) for tensor in tensors])


def check_unchanged(tensor: Any, known: dict[int, Snapshot]) -> None:
    """Raise a BackwardError if a value that the rules behind `tensor` may read was changed after it was recorded.

    Args:
        tensor: the result of an op.
        known: see :func:`tinydist.snapshots.first_changed`.
    """
    if not tensor._recorded:
        return
    values = [*(parent.data for parent in tensor.inputs), tensor.data]
    changed = first_changed(values, tensor._recorded, known)
    if changed is not None:
        which = "the result" if changed == len(tensor.inputs) else f"input {changed}"
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
            its input.
        BackwardError: naming a rule that changes the gradient it is given, or a value.
    """
    if tensor.op is None:
        return []
    own = tensor.function is not None and _is_own(tensor.function.func)
    contributions: list[Array | None] = []
    for position, (parent, vjp) in enumerate(zip(tensor.inputs, tensor._vjps, strict=True)):
        if not parent.requires_grad:
            contributions.append(None)
        elif own:
            contributions.append(np.asarray(vjp(g), dtype=parent.dtype))
        else:
            contributions.append(_watched(tensor, position, g))
    return contributions


def _watched(tensor: Any, position: int, g: Array) -> Array:
    """Return what a rule makes of g, after a check that it is a gradient and that g and all values are as before."""
    before = snapshot(g)
    outcome = tensor._vjps[position](g)
    contribution = _checked(
        outcome, tensor.inputs[position], f"the gradient rule of '{tensor.op}' for input {position}"
    )
    if snapshot(g) != before:
        raise BackwardError(
            f"the gradient rule of '{tensor.op}' for input {position} changed g, the gradient it was given, "
            "which other rules read as well; compute a new array instead of writing into g"
        )
    check_unchanged(tensor, {})
    return contribution.copy()  # it may be a part of g or of a buffer that the next rule writes into


def _checked(contribution: Any, parent: Any, rule: str) -> Array:
    if not _is_numeric(contribution):
        kind = DTypeError if isinstance(contribution, np.ndarray | np.generic) else TypeError
        raise kind(f"{rule} must return an array of real numbers of shape {parent.shape}, got {_kind(contribution)}")
    if np.shape(contribution) != parent.shape:
        raise ShapeError(
            f"{rule} returned shape {np.shape(contribution)}, expected {parent.shape}, the input's own; "
            "did the rule forget to undo a broadcast?"
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
