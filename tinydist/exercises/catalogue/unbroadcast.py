"""Exercise unbroadcast: the gradient of an entry that NumPy copied to many places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array, numbers


def check_unbroadcast(unbroadcast: Any) -> Iterator[Observation]:
    """Yield observations; the truth: number the entries, broadcast the numbers, add up what arrives at each."""
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((3,), (3,)),
        ((3,), ()),
        ((2, 3), (3,)),
        ((2, 3), (1, 3)),
        ((2, 3), (2, 1)),
        ((4, 2, 3), (2, 1)),
        ((2, 3), (1, 1)),
        ((0, 3), (3,)),
    ]
    for dtype in (np.float64, np.float32):
        for big, small in shapes:
            gradient = numbers(len(big), *big).astype(dtype)
            size = int(np.prod(small))
            owner = np.broadcast_to(np.arange(size).reshape(small), big).reshape(-1)
            truth = np.bincount(owner, gradient.reshape(-1), minlength=size).reshape(small).astype(dtype)
            given = {"gradient": gradient.copy(), "shape": small, "dtype": np.dtype(dtype).name}
            yield about_to_try(given)
            yield Observation("the gradient of the input", unbroadcast(gradient, small), truth, given)
            yield Observation("the gradient given, which must stay as it was", gradient, given["gradient"], given)


def unbroadcast_not_at_all(gradient: Array, shape: tuple[int, ...]) -> Array:  # noqa: ARG001
    return gradient


def unbroadcast_added_axes_only(gradient: Array, shape: tuple[int, ...]) -> Array:
    return np.asarray(gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))))


def unbroadcast_losing_axes(gradient: Array, shape: tuple[int, ...]) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    return np.asarray(gradient.sum(axis=(*range(added), *stretched)))


def unbroadcast_by_mean(gradient: Array, shape: tuple[int, ...]) -> Array:
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    axes = (*range(added), *stretched)
    return np.asarray(gradient.mean(axis=axes, keepdims=True)).reshape(shape) if axes else gradient


def unbroadcast_first_copy(gradient: Array, shape: tuple[int, ...]) -> Array:
    added = gradient.ndim - len(shape)
    return gradient[(0,) * added][tuple(slice(size) for size in shape)]


def unbroadcast_from_the_left(gradient: Array, shape: tuple[int, ...]) -> Array:
    last = tuple(range(len(shape), gradient.ndim))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=(*stretched, *last), keepdims=True).reshape(shape)


UNBROADCAST = Exercise(
    name="unbroadcast",
    title="the gradient of an entry that was copied",
    library=ops.unbroadcast,
    lesson="03_broadcasting",
    task="""
    An array of `shape` was broadcast, that is, its entries were copied, and `gradient` is the gradient with respect
    to all the copies. Give the gradient with respect to the array itself, in its own shape.

    Look out: broadcasting does two things. It adds axes on the left, and it stretches axes of size 1.
    """,
    hints=(
        "If an entry was copied to five places, a change of it counts five times: its gradient is a sum of five.",
        "The first gradient.ndim - len(shape) axes were added. Which of the others have been stretched, shape tells.",
        "Sum over both kinds of axes with keepdims=True, then reshape to `shape`.",
    ),
    check=check_unbroadcast,
    mistakes=(
        Mistake(unbroadcast_not_at_all, "This hands the gradient back as it came, in the broadcast shape."),
        Mistake(
            unbroadcast_added_axes_only,
            "The added axes are summed, but not the stretched ones: where `shape` has a 1, the copies lie along that "
            "axis and have to be summed as well.",
        ),
        Mistake(
            unbroadcast_losing_axes,
            "The sum is right, but its axes of size 1 are lost: sum with keepdims=True, then reshape to `shape`.",
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
    ),
)
