"""Exercise unbroadcast: the gradient of an entry that NumPy copied to many places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, kept, numbers
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try

Shape = tuple[int, ...]


def unbroadcast(gradient: Array, shape: Shape) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(added + axis for axis, size in enumerate(shape) if size == 1)
    return np.sum(gradient, axis=(*range(added), *stretched)).reshape(shape)


def ask(
    answer: Any,
    *,
    gradient: Array,
    shape: Shape,
    why: str,
    dtype: type = np.float64,
    turn: Callable[[Array], Array] = np.copy,
    atol: float | None = None,
) -> Iterator[Observation]:
    """Yield observations; the truth: number the entries, broadcast the numbers, add up what arrives at each.

    Args:
        answer: the function under check.
        gradient: of the copies.
        shape: of the array that was broadcast.
        why: why this is tried.
        dtype: of the gradient.
        turn: makes the array that the function receives.
        atol: see :class:`Observation`.
    """
    received = turn(gradient.astype(dtype))
    size = int(np.prod(shape))
    owner = np.broadcast_to(np.arange(size).reshape(shape), gradient.shape).reshape(-1)
    truth: Array = np.bincount(owner, received.reshape(-1), minlength=size).reshape(shape).astype(dtype)
    given = {"why": why, "gradient": received.copy(), "shape": shape, "dtype": np.dtype(dtype).name}
    yield about_to_try(given)
    yield Observation("the gradient of the input", kept(answer(received, shape)), truth, given, atol=atol)
    yield Observation("the gradient given, which must stay as it was", kept(received), given["gradient"], given)


def _reversed(x: Array) -> Array:
    """Return an equal array whose entries lie in memory from the last to the first, along the axes in reverse."""
    return x.T[..., ::-1].copy()[..., ::-1].T


def _read_only(x: Array) -> Array:
    """Return an equal array that nobody can write to, such as the rule of a sum hands on."""
    return np.broadcast_to(x, x.shape)


SHAPES: tuple[tuple[Shape, Shape, str], ...] = (
    ((3,), (3,), "nothing was broadcast"),
    ((3,), (), "a number was copied to three places"),
    ((2, 3), (3,), "an axis was added on the left"),
    ((2, 3), (1, 3), "the first axis was stretched"),
    ((2, 3), (2, 1), "the last axis was stretched"),
    ((2, 3), (1, 1), "both axes were stretched"),
    ((2, 3), (1,), "one axis was added, the other stretched"),
    ((2, 3), (), "two axes were added"),
    ((4, 2, 3), (2, 1), "one axis was added, another stretched"),
    ((4, 2, 3), (1, 3), "one axis was added, another stretched"),
    ((4, 2, 3), (3,), "two axes were added"),
    ((4, 2, 3), (), "three axes were added"),
    ((4, 2, 3), (4, 1, 3), "the axis in the middle was stretched"),
    ((4, 2, 3), (1, 2, 1), "the first and the last axis were stretched"),
    ((4, 2, 3, 2), (3, 1), "two axes were added, another stretched"),
    ((3, 3), (3,), "an axis was added; both have the same size"),
    ((3, 3), (1, 3), "the first axis was stretched; both have the same size"),
    ((3, 3), (3, 1), "the last axis was stretched; both have the same size"),
    ((2, 2, 2), (2, 1), "one axis was added, another stretched; all have the same size"),
    ((2, 1), (2, 1), "an axis of size 1 that was not stretched"),
    ((1, 3), (3,), "an added axis of size 1"),
    ((4, 1, 3), (1, 3), "an axis was added on the left of one of size 1"),
    ((1, 1), (), "two added axes of size 1"),
    ((5, 1), (1,), "an axis was added on the left of one of size 1"),
    ((), (), "a single number"),
    ((200, 2), (2,), "many copies"),
    ((0, 3), (3,), "no copies at all"),
    ((0, 3), (1, 3), "no copies at all"),
    ((0, 3), (0, 3), "nothing was broadcast, and there are no entries"),
)
SCALES = np.array([1e-20, 1.0, 1e20])

CASES = (
    *(
        partial(ask, gradient=numbers(len(big), *big), shape=small, why=why, dtype=dtype)
        for dtype in (np.float64, np.float32)
        for big, small, why in SHAPES
    ),
    partial(ask, gradient=SCALES * [[1.0], [2.0]], shape=(3,), why="small and large numbers", atol=0),
    partial(ask, gradient=numbers(5, 4, 2, 3), shape=(2, 1), why="an array in another order in memory", turn=_reversed),
    partial(ask, gradient=numbers(5, 4, 2, 3), shape=(2, 1), why="an array that is read-only", turn=_read_only),
)


def unbroadcast_not_at_all(gradient: Array, shape: Shape) -> Array:  # noqa: ARG001
    return gradient


def unbroadcast_added_axes_only(gradient: Array, shape: Shape) -> Array:
    return np.asarray(gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))))


def unbroadcast_losing_axes(gradient: Array, shape: Shape) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    return np.asarray(gradient.sum(axis=(*range(added), *stretched)))


def unbroadcast_by_mean(gradient: Array, shape: Shape) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    axes = (*range(added), *stretched)
    return np.asarray(gradient.mean(axis=axes, keepdims=True)).reshape(shape) if axes else gradient


def unbroadcast_first_copy(gradient: Array, shape: Shape) -> Array:
    added = gradient.ndim - len(shape)
    return gradient[(0,) * added][tuple(slice(size) for size in shape)]


def unbroadcast_from_the_left(gradient: Array, shape: Shape) -> Array:
    last = tuple(range(len(shape), gradient.ndim))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=(*stretched, *last), keepdims=True).reshape(shape)


def unbroadcast_in_float64(gradient: Array, shape: Shape) -> Array:
    out = np.zeros(shape)
    for index in np.ndindex(gradient.shape):
        entry = index[gradient.ndim - len(shape) :]
        out[tuple(0 if size == 1 else i for i, size in zip(entry, shape, strict=True))] += gradient[index]
    return out


def unbroadcast_one_added_axis(gradient: Array, shape: Shape) -> Array:
    if gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


def unbroadcast_keeping_axes(gradient: Array, shape: Shape) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(added + axis for axis, size in enumerate(shape) if size == 1)
    return np.asarray(gradient.sum(axis=(*range(added), *stretched), keepdims=True))


RUBRIC = Rubric(
    library=ops.unbroadcast,
    solution=unbroadcast,
    cases=CASES,
    mistakes=(
        Mistake(unbroadcast_not_at_all, "This hands the gradient back as it came, in the broadcast shape."),
        Mistake(
            unbroadcast_added_axes_only,
            "The added axes are summed, but not the stretched ones: where `shape` has a 1, the copies lie along that "
            "axis and have to be summed as well.",
        ),
        Mistake(
            unbroadcast_losing_axes,
            "The sum is right, but its axes of size 1 are lost: reshape it to `shape`.",
        ),
        Mistake(
            unbroadcast_by_mean, "This averages over the copies. Each copy adds its full share: sum, do not average."
        ),
        Mistake(unbroadcast_first_copy, "This keeps the first copy and forgets the others. All of them count: sum."),
        Mistake(
            unbroadcast_from_the_left,
            "This lines the shapes up from the left. Broadcasting lines them up from the right: axes are added on the "
            "left.",
        ),
        Mistake(
            unbroadcast_one_added_axis,
            "Of the added axes only the first is summed. There may be several: gradient.ndim - len(shape) of them.",
        ),
        Mistake(
            unbroadcast_keeping_axes,
            "The sum is right, but the added axes are still there, with size 1. Reshape to `shape`.",
        ),
        Mistake(
            unbroadcast_in_float64,
            "The numbers are right, but float32 comes back as float64. Sum in the dtype that the gradient has.",
        ),
    ),
)
