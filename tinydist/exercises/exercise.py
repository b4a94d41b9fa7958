"""The parts of an exercise: a function of the library, a check, hints, and the wrong answers that are known."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_FOLDER = Path("exercises")
"""The folder of a learner's files, unless another one is named."""

WIDTH = 100
"""Number of characters in a line that is printed or written for the learner."""


class ExerciseError(Exception):
    """Base class of all errors that the exercises report to a learner."""


class NotWrittenYet(ExerciseError):
    """The error that a learner's file raises until the learner has replaced that line.

    Args:
        file: the learner's file, such as ``__file__``.
    """

    def __init__(self, file: str | Path) -> None:
        path = Path(file)
        name = path.stem.partition("_")[2]
        super().__init__(
            f"{name} is not written yet. Write it in {shown(path)}; for a hint: {command('hint', name, path.parent)}"
        )


class WrongAnswer(ExerciseError, AssertionError):
    """An answer that is not right."""


class BorrowedAnswer(ExerciseError):
    """An answer that calls the library's own function."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One comparison that a check makes.

    Attributes:
        what: in words, such as "the gradient of b".
        received: result of the function under check: an array, a number, a bool or a word.
        expected: the independently known truth. An array demands its shape and dtype as well.
        given: what the function was called with, by name; words or values.
        rtol: allowed error relative to the largest expected entry; by default what the dtype allows.
    """

    what: str
    received: Any
    expected: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    rtol: float | None = None


def about_to_try(given: Mapping[str, Any]) -> Observation:
    """Return what a check yields before it calls the function, so that an exception is reported with what was given."""
    return Observation("the call", None, None, given)


Check = Callable[[Any], Iterator[Observation]]
"""A function that takes the function under check and yields its observations, the smallest case first. At the first
observation that differs from what is expected the judge stops (but looks at the rest of that case, the observations
with the same `given`), so a later case may rely on the earlier ones."""


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
class Exercise:
    """A function of the library to be written once more.

    Attributes:
        name: of the exercise, and of the function in the learner's file.
        title: what is written, in a few words.
        library: the library's own function or method.
        lesson: stem of the lesson that explains it.
        task: what to write and what to look out for.
        hints: from a first pointer to nearly the answer.
        check: see :data:`Check`.
        mistakes: at least three.
        gives: names from the library function's module that the learner's file imports as well.
        see: functions whose source belongs to the solution, such as the NumPy twin of a kernel.
    """

    name: str
    title: str
    library: Any
    lesson: str
    task: str
    hints: tuple[str, ...]
    check: Check
    mistakes: tuple[Mistake, ...]
    gives: tuple[str, ...] = ()
    see: tuple[Callable[..., Any], ...] = ()


def python_function(function: Any) -> Any:
    """Return the Python function behind a numba dispatcher; any other function as it is."""
    return getattr(function, "py_func", function)


def paragraphs(text: str) -> str:
    """Return text in lines of at most `WIDTH` characters; empty lines separate paragraphs."""
    return "\n\n".join(textwrap.fill(" ".join(part.split()), WIDTH) for part in text.strip().split("\n\n"))


def command(verb: str, name: str = "", folder: Path = DEFAULT_FOLDER) -> str:
    """Return the command line for `verb`, with --dir unless `folder` is the default one.

    Args:
        verb: such as "check".
        name: of the exercise; none by default.
        folder: of the learner's files.
    """
    words = ["python -m tinydist.exercises", verb, name]
    if folder.resolve() != DEFAULT_FOLDER.resolve():
        text = str(shown(folder))
        words += ["--dir", f'"{text}"' if " " in text else text]
    return " ".join(word for word in words if word)


def shown(path: Path) -> Path:
    """Return the shorter of the absolute path and the path from the current folder."""
    absolute = path.resolve()
    try:
        relative = Path(os.path.relpath(absolute))
    except ValueError:  # on another drive
        return absolute
    return min(relative, absolute, key=lambda p: len(str(p)))
