"""What the search for data races finds, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tinydist.exercises.watched import Array


@dataclass(frozen=True)
class Chance:
    """Something that makes a kernel's result depend on luck.

    Attributes:
        text: what it is and what to do about it, for the learner.
    """

    text: str


class Race(Chance):
    """Two turns of a prange loop at one place in memory, at least one of them writing."""


class Unwritten(Chance):
    """An element that is used although nothing was written there."""


class OrderMatters(Chance):
    """A prange loop that gives something else if its turns run in reverse order."""


def unwritten(element: str, use: str, allocator: str) -> Unwritten:
    """Return in words that an element is used, such as "returned", though its allocator did not set it."""
    return Unwritten(
        f"{element} is {use}, but nothing was written there before: {allocator} does not clear the memory. "
        "Use np.zeros, or write to each element first."
    )


def race(loop: int, element: str, is_read: bool, first: tuple[int, int], second: tuple[int, int]) -> Race:
    """Return a race in words, given two turns and the line of each."""
    (turn, line), (other, at) = first, second
    if is_read:
        return Race(
            f"A turn of the prange loop in line {loop} reads what another turn writes: {element} is written by the "
            f"turn {turn} (line {line}) and read by the turn {other} (line {at}). Turns run at the same time on "
            "several threads, so nobody knows which comes first. Share out a loop whose turns do not need each other."
        )
    lines = f"line {line}" if line == at else f"lines {line} and {at}"
    return Race(
        f"Two turns of the prange loop in line {loop} write to the same place: {element} is written by the turns "
        f"{turn} and {other} ({lines}). Turns run at the same time on several threads, so one of the two may get lost. "
        "Share out a loop whose turns write to different places."
    )


def order_matters(loop: int, before: Mapping[str, Array], after: Mapping[str, Array]) -> OrderMatters | None:
    """Return the first difference, beyond rounding, between the outcomes of a loop run forwards and in reverse."""
    for what, x in before.items():
        y = after[what]
        rtol = float(np.finfo(x.dtype).eps) ** 0.5 if x.dtype.kind in "fc" else 0.0
        size = np.max(np.abs(x), where=np.isfinite(x), initial=0)
        for index in np.argwhere(~np.isclose(y, x, rtol=rtol, atol=rtol * size, equal_nan=True)):
            element = element_of(what, index)
            return OrderMatters(
                f"The turns of the prange loop in line {loop} need each other's results: run one after the other they "
                f"give {element} = {x[tuple(index)]}, in reverse order {y[tuple(index)]}. Turns run at the same time "
                "on several threads, in no fixed order. Let each turn start afresh, with variables set in the loop."
            )
    return None


def element_of(name: str, index: Iterable[int]) -> str:
    """Return an element as it is written in code."""
    place = ", ".join(map(str, index))
    return f"{name}[{place}]" if place else name
