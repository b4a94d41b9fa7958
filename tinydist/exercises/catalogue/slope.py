"""Exercise slope: a slope by central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.exercises.probes import kept, numbers
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.gradcheck import central_difference

Array = NDArray[Any]
Function = Callable[[Array], float]


def slope(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


def ask(
    answer: Any,
    *,
    formula: str,
    function: Function,
    x: Array,
    direction: Array,
    truth: float,
    step: float | None = None,
    why: str = "",
    rtol: float | None = None,
) -> Iterator[Observation]:
    """Yield observations of a slope, and whether the arrays stay as they were.

    Args:
        answer: the function under check.
        formula: of the function whose slope is measured, in words.
        function: whose slope is measured.
        x: the point.
        direction: along which the slope is measured.
        truth: the central difference, by a formula.
        step: of the central difference; by default none is passed on.
        why: why this is tried.
        rtol: see :class:`Observation`.
    """
    options = {} if step is None else {"step": step}
    given: dict[str, Any] = {"why": why} if why else {}
    given |= {"function": formula, "x": x, "direction": direction, **options}
    received_x, received_direction = x.copy(), direction.copy()
    yield about_to_try(given)
    yield Observation(
        "the slope", kept(answer(function, received_x, received_direction, **options)), truth, given, rtol
    )
    for name, received, expected in (("x", received_x, x), ("direction", received_direction, direction)):
        yield Observation(f"{name} itself, which must stay as it was", received, expected, given)


def _itself(x: Array) -> float:
    return float(np.sum(x))


def _squares(x: Array) -> float:
    return float(np.sum(x**2))


def _cubes(x: Array) -> float:
    return float(np.sum(x**3))


def _mixed(x: Array) -> float:
    return float(x[0] ** 2 * x[1])


def _sines(x: Array) -> float:
    return float(np.sin(x).sum())


def _bent(x: Array) -> float:
    return float(np.sum(x + 1e10 * x**3))


WEIGHTS = np.array([[1.0, -2, 3], [0.5, 4, -5]])


def _weighted_squares(x: Array) -> float:
    return float(np.sum(WEIGHTS * x**2))


SQUARE = partial(ask, formula="x²", function=_squares, step=0.5)
THREE = partial(ask, formula="x² + y² + z²", function=_squares, x=np.array([1.0, -2.0, 0.5]), step=0.1)
ONE, THREES, TABLE, ACROSS = np.array([1.0]), np.array([3.0]), numbers(1, 2, 3), numbers(2, 2, 3)

# A central difference is exact for squares; to the slope of x³ it adds h² d³, to that of x² y along (d, e) h² d² e.
# Only where it is exact the direction is not of length 1: some answers scale it to that before they take the step.
CASES = (
    partial(SQUARE, x=THREES, direction=ONE, truth=6.0, why="x² rises by 6 a unit at 3"),
    partial(SQUARE, x=THREES, direction=-ONE, truth=-6.0, why="the other direction, in which it falls"),
    partial(SQUARE, x=THREES, direction=4 * ONE, truth=24.0, why="a direction of length 4"),
    partial(SQUARE, x=THREES, direction=-0.5 * ONE, truth=-3.0, why="a direction of length 0.5"),
    partial(SQUARE, x=np.array([-50.0]), direction=ONE, truth=-100.0, why="a point farther from 0"),
    partial(ask, formula="x³", function=_cubes, x=np.array([2.0]), direction=ONE, step=0.5, truth=12.25),
    partial(
        ask, formula="x³", function=_cubes, x=np.array([2.0]), direction=ONE, step=0.1, truth=12.01, why="another step"
    ),
    partial(THREE, direction=np.array([0.0, 1.0, 0.0]), truth=-4.0, why="only y is moved"),
    partial(THREE, direction=np.array([1.0, 1.0, 4.0]), truth=2.0, why="all are moved, by different lengths"),
    partial(
        ask,
        formula="x² y",
        function=_mixed,
        x=np.array([1.0, 2.0]),
        direction=np.array([0.6, 0.8]),
        step=0.5,
        truth=4 * 0.6 + 0.8 + 0.25 * 0.6**2 * 0.8,
        why="both entries are moved at once",
    ),
    partial(
        ask,
        formula="x² - 2 y² + 3 z² + 0.5 u² + 4 v² - 5 w²",
        function=_weighted_squares,
        x=TABLE,
        direction=ACROSS,
        step=0.25,
        truth=float(np.sum(2 * WEIGHTS * TABLE * ACROSS)),
        why="two axes",
    ),
    partial(
        ask,
        formula="x",
        function=_itself,
        x=np.array([0.1]),
        direction=1e12 * ONE,
        step=0.5,
        truth=1e12,
        why="a long way: who moves x itself there and back does not quite arrive at x again",
    ),
    partial(
        ask,
        formula="sin x",
        function=_sines,
        x=np.array([0.3]),
        direction=ONE,
        truth=float(np.cos(0.3)),
        why="no step is passed on: it is 1e-6",
        rtol=1e-7,
    ),
    partial(
        ask,
        formula="x + 10000000000 x³",
        function=_bent,
        x=np.array([0.0]),
        direction=ONE,
        truth=1.01,
        why="no step is passed on: it is 1e-6, which the result shows",
    ),
)


def one_sided(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x)) / step


def without_brackets(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x - step * direction)) / 2 * step


def not_halved(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step * direction) - function(x - step * direction)) / step


def backwards(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x - step * direction) - function(x + step * direction)) / (2 * step)


def along_the_unit_vector(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    unit = direction / np.linalg.norm(direction)
    return (function(x + step * unit) - function(x - step * unit)) / (2 * step)


def along_all_axes(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    return (function(x + step) - function(x - step)) / (2 * step) * float(np.linalg.norm(direction))


def with_a_step_of_its_own(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:  # noqa: ARG001
    return (function(x + 1e-6 * direction) - function(x - 1e-6 * direction)) / 2e-6


def in_place(function: Function, x: Array, direction: Array, step: float = 1e-6) -> float:
    x += step * direction
    up = function(x)
    x -= 2 * step * direction
    return (up - function(x)) / (2 * step)


RUBRIC = Rubric(
    library=central_difference,
    solution=slope,
    cases=CASES,
    mistakes=(
        Mistake(
            one_sided,
            "This is the one-sided difference, (f(x + h d) - f(x)) / h. Its error shrinks only with h. Take the second "
            "point on the other side of x: then the error shrinks with h².",
        ),
        Mistake(without_brackets, "This divides by 2 and multiplies by step. Brackets are missing: / (2 * step)."),
        Mistake(
            not_halved,
            "The two points are two steps apart, and this divides by one. Divide by 2 * step.",
        ),
        Mistake(backwards, "The sign is flipped: subtract the value behind x from the value ahead of it."),
        Mistake(
            along_the_unit_vector,
            "This is the slope along a direction of length 1. The length of the direction counts: along twice the "
            "direction the slope is twice as large, which is what makes the slope equal to <gradient, direction>.",
        ),
        Mistake(
            along_all_axes, "This moves every entry of x. Only the direction says which entries move, and how far."
        ),
        Mistake(
            with_a_step_of_its_own,
            "This takes a step of 1e-6, whatever `step` says. The caller chooses the step, and 1e-6 is only the "
            "default.",
        ),
        Mistake(
            in_place,
            "x was changed in place (+= and -= do that), and it belongs to the caller. Compute new points instead: "
            "x + step * direction.",
        ),
    ),
)
