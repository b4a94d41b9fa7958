"""What an answer is judged by: cases to try it on, a right answer, and the wrong ones that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Observation:
    """One comparison of what a function gave with what it should have given.

    Attributes:
        what: in words, such as "the gradient of b".
        received: result of the function under check: an array, a number, a bool or a word.
        expected: the known truth. An array demands its shape and dtype as well.
        given: what the function was called with, by name; words or values.
        rtol: allowed error relative to each expected entry; by default what the dtype allows.
        atol: allowed error relative to the largest expected entry; by default a hundredth of `rtol`.
        wide: whether float64 is as good as float32.
    """

    what: str
    received: Any
    expected: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    rtol: float | None = None
    atol: float | None = None
    wide: bool = False


def about_to_try(given: Mapping[str, Any]) -> Observation:
    """Return what a case yields before it calls the function, so that an exception is reported with what was given."""
    return Observation("the call", None, None, given)


Case = Callable[[Any], Iterator[Observation]]
"""A function that takes the function under check, calls it, and yields what it observed. Each case stands by itself: if
the function raises an exception, this case ends, and the next one is tried. A case may have a method `smaller`, which
yields cases of the same kind with fewer numbers, to show the learner one of those."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known.

    Attributes:
        answer: the wrong function.
        says: a sentence or two that explain the mistake to the learner who made it.
    """

    answer: Callable[..., Any]
    says: str


@dataclass(frozen=True, eq=False)
class Rubric:
    """What the answers to an exercise are judged by.

    Attributes:
        library: the library's own function or method.
        solution: a right answer in plain terms, that needs only what the learner's file imports.
        cases: what is tried, the smallest and plainest first: the first that fails is shown to the learner.
        mistakes: at least three.
        gives: names from the module of the solution that the learner's file imports as well.
        twins: other functions of the library that would be the answer, if they were called.
        remarks: what is said about a right answer that could be better.
        turns: small inputs on which the parallel loops of a kernel are run turn by turn, to find races in them.
    """

    library: Any
    solution: Callable[..., Any]
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    gives: tuple[str, ...] = ()
    twins: tuple[Callable[..., Any], ...] = ()
    remarks: Callable[[Any], str] = lambda _answer: ""
    turns: Sequence[NDArray[Any]] = ()
