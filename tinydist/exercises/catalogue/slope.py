"""Exercise slope: a slope by central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.gradcheck import central_difference

Array = NDArray[Any]
Function = Callable[[Array], float]


def check_slope(slope: Any) -> Iterator[Observation]:
    """Yield observations; the central difference is 2 x d for x², and 3 x² d + h² d³ for x³."""

    def ask(what: str, f: Function, x: Array, d: Array, h: float | None, truth: float) -> Iterator[Observation]:
        step = {} if h is None else {"step": h}
        given = {"function": what, "x": x.copy(), "direction": d.copy(), **step}
        yield about_to_try(given)
        yield Observation("the slope", slope(f, x, d, **step), float(truth), given)
        yield Observation("x itself, which must stay as it was", x, given["x"], given)

    one, many = np.array([1.0]), np.array([1.0, -2.0, 0.5])
    yield from ask("x², which rises by 6 a unit at 3", _squares, np.array([3.0]), one, 0.5, 6)
    yield from ask("x², along a direction of length 4", _squares, np.array([3.0]), 4 * one, 0.5, 24)
    yield from ask("x³", _cubes, np.array([2.0]), one, 0.5, 12.25)
    yield from ask("x² + y² + z²", _squares, many, np.array([0.0, 1.0, 0.0]), 0.1, -4)
    yield from ask("x² + y² + z²", _squares, many, np.array([1.0, 1.0, 4.0]), 0.1, 2)
    yield from ask("sin x", lambda x: float(np.sin(x).sum()), np.array([0.3]), one, None, float(np.cos(0.3)))


def _squares(x: Array) -> float:
    return float(np.sum(x**2))


def _cubes(x: Array) -> float:
    return float(np.sum(x**3))


def one_sided(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x)) / step


def not_halved(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x - step * direction)) / step


def backwards(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x - step * direction) - function(x + step * direction)) / (2 * step)


def along_the_unit_vector(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    unit = direction / np.linalg.norm(direction)
    return (function(x + step * unit) - function(x - step * unit)) / (2 * step)


def along_all_axes(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step) - function(x - step)) / (2 * step) * float(np.linalg.norm(direction))


def in_place(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    x += step * direction
    up = function(x)
    x -= 2 * step * direction
    return (up - function(x)) / (2 * step)


SLOPE = Exercise(
    name="slope",
    title="measure a slope with two evaluations",
    library=central_difference,
    lesson="01_a_gradient",
    task="""
    Everything in this course is checked against this one function, so it comes first. Go a small step forwards
    along the direction and a small step back, and divide what the function gained by how far apart the two points
    are, counted in steps of the direction.

    Look out: x belongs to the caller and must not change, and a long direction means a large slope.
    """,
    hints=(
        "You need function at two points: x + step * direction, and the mirror image of that point.",
        "The two points are not one step apart but two.",
        "return (function(x + step * direction) - function(...)) / (2 * step)",
    ),
    check=check_slope,
    mistakes=(
        Mistake(
            one_sided,
            "This is the one-sided difference, (f(x + h d) - f(x)) / h. Its error shrinks only with h. Take the second "
            "point on the other side of x: then the error shrinks with h².",
        ),
        Mistake(
            not_halved,
            "The two points are two steps apart, and this divides by one. Divide by 2 * step.",
        ),
        Mistake(backwards, "The sign is flipped: subtract the value behind x from the value ahead of it."),
        Mistake(
            along_the_unit_vector,
            "The direction was shortened to length 1. Its length counts: along twice the direction the slope is twice "
            "as large, which is what makes the slope equal to <gradient, direction>.",
        ),
        Mistake(
            along_all_axes, "This moves every entry of x. Only the direction says which entries move, and how far."
        ),
        Mistake(
            in_place,
            "x was changed in place (+= and -= do that), and it belongs to the caller. Compute new points instead: "
            "x + step * direction.",
        ),
    ),
)
