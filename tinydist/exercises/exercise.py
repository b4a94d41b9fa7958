"""An exercise as a learner reads it, the errors that one can meet, and the texts that all commands share."""

from __future__ import annotations

import importlib
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinydist.exercises.rubric import Rubric

TASKS = Path(__file__).parent / "tasks"
"""The folder with a text for each exercise."""

STATE = ".tinydist-exercises.json"
"""Name of the file that marks a learner's folder, and holds which hints were shown and which answers were judged."""

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


@dataclass(frozen=True)
class Exercise:
    """A function to be written once more: what a learner reads about it.

    What an answer is judged by is apart, in :attr:`rubric`: it needs all of the library, and a hint does not.

    Attributes:
        name: of the exercise, of the function in the learner's file, and of the modules with its task and its rubric.
        number: its place among the exercises, from 1.
        title: what is written, in a few words.
        lesson: stem of the lesson that explains it.
        task: what to write and what to look out for.
        hints: from a first pointer to nearly the answer.
    """

    name: str
    number: int
    title: str
    lesson: str
    task: str
    hints: tuple[str, ...]

    @property
    def rubric(self) -> Rubric:
        """Return what an answer is judged by; its module is imported when this is first asked for."""
        module = importlib.import_module(f"tinydist.exercises.catalogue.{self.name}")
        rubric: Rubric = module.RUBRIC
        return rubric


def read_task(name: str, number: int) -> Exercise:
    """Return the exercise that ``tasks/<name>.md`` describes.

    Its first line is the title, a line names the lesson, and below a heading come the hints, numbered.

    Args:
        name: of the exercise.
        number: its place among the exercises.
    """
    text = (TASKS / f"{name}.md").read_text(encoding="utf-8")
    heading, lesson, rest = text.split("\n\n", 2)
    task, hints = rest.split("## Hints")
    return Exercise(
        name,
        number,
        heading.removeprefix("# "),
        lesson.removeprefix("Lesson: "),
        task.strip(),
        tuple(" ".join(hint.split()) for hint in re.split(r"^\d+\. ", hints, flags=re.M)[1:]),
    )


def python_function(function: Any) -> Any:
    """Return the Python function behind a numba dispatcher; any other function as it is."""
    return getattr(function, "py_func", function)


def paragraphs(text: str) -> str:
    """Return text in lines of at most `WIDTH` characters; empty lines separate paragraphs."""
    return "\n\n".join(textwrap.fill(" ".join(part.split()), WIDTH) for part in text.strip().split("\n\n"))


def default_folder() -> Path:
    """Return the folder of a learner's files, unless another one is named: the current one, or ./exercises."""
    return Path() if Path(STATE).exists() else Path("exercises")


def command(verb: str, name: str = "", folder: Path | None = None) -> str:
    """Return the command line for `verb`, with --dir unless `folder` is the default one.

    Args:
        verb: such as "check".
        name: of the exercise; none by default.
        folder: of the learner's files; by default the default one.
    """
    words = ["python -m tinydist.exercises", verb, name]
    if folder is not None and folder.resolve() != default_folder().resolve():
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
