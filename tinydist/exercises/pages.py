"""The texts that the exercises print: the contents, an opening page, hints, solutions and progress."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tinydist.exercises.exercise import WIDTH, Exercise, command, paragraphs, python_function, shown
from tinydist.exercises.judge import Judgement
from tinydist.exercises.table import number


def contents(exercises: Sequence[Exercise]) -> str:
    """Return a line for each exercise, below a heading."""
    rows = [f"{number(e):02} {e.name:24} {e.title:56} {e.lesson}" for e in exercises]
    return "\n".join([f"   {'exercise':24} {'what you write':56} lesson", *rows])


def opening(verdict: Judgement, path: Path) -> str:
    """Return the file of an exercise, its task and the commands to go on with."""
    exercise = verdict.exercise
    rows = {
        "file": str(shown(path)),
        "lesson": f"lessons/{exercise.lesson}.py",
        "check": command("check", exercise.name, path.parent),
        "hint": command("hint", exercise.name, path.parent),
    }
    table = "\n".join(f"  {key:7} {value}" for key, value in rows.items())
    title = f"{number(exercise):02} {exercise.name}: {exercise.title}"
    tried = (
        [] if verdict.status == "not written" else ["There is an answer already, but it does not pass; check says why."]
    )
    return "\n\n".join([title, paragraphs(exercise.task), table, *tried])


def farewell(folder: Path) -> str:
    """Return the text for a learner whose answers all pass."""
    return (
        "Every exercise passes. You have written the heart of tinydist.\n\n"
        f"Train the paper's models with your own functions: {command('check --mine', folder=folder)}\n"
        "Rerun the paper: python -m tinydist.reproduce\n"
        "Ask how far to trust the result: lessons/13_judging_a_claim.py"
    )


def hints(exercise: Exercise, count: int, folder: Path) -> str:
    """Return the first `count` hints."""
    total = len(exercise.hints)
    lines = [
        textwrap.fill(hint, WIDTH, initial_indent=f"{i}. ", subsequent_indent="   ")
        for i, hint in enumerate(exercise.hints[:count], 1)
    ]
    more = f"{total - count} more: ask again." if count < total else "That was the last hint. The answer: "
    if count == total:
        more += command("solution", exercise.name, folder)
    return "\n".join([*lines, "", more])


def solution(exercise: Exercise) -> str:
    """Return the library's source, and that of the functions that belong to it."""
    parts = [_source(exercise.library), *map(_source, exercise.see)]
    return "\n\n".join(parts)


def _source(function: Callable[..., Any]) -> str:
    plain = python_function(function)
    lines, first = inspect.getsourcelines(plain)
    path = shown(Path(inspect.getsourcefile(plain) or ""))
    return f"# {path}, line {first}\n{textwrap.dedent(''.join(lines)).rstrip()}"


def summary(verdicts: Sequence[Judgement], folder: Path) -> str:
    """Return the number of answers that pass, and the commands to go on with."""
    passed = sum(verdict.passed for verdict in verdicts)
    wrong = [verdict.exercise.name for verdict in verdicts if verdict.status in ("wrong", "unusable")]
    if passed == len(verdicts):
        return farewell(folder)
    lines = [f"{passed} of {len(verdicts)} pass."]
    if wrong:
        lines.append(f"What is wrong with {wrong[0]}: {command('check', wrong[0], folder)}")
    lines.append(f"What to do now: {command('next', folder=folder)}")
    return "\n".join(lines)


def progress(verdicts: Sequence[Judgement], folder: Path) -> str:
    """Return a bar for each lesson, with the exercises that are still open."""
    lines = []
    by_lesson = sorted(verdicts, key=lambda verdict: verdict.exercise.lesson)
    for lesson, group in groupby(by_lesson, key=lambda verdict: verdict.exercise.lesson):
        part = list(group)
        bar = "".join("#" if verdict.passed else "." for verdict in part)
        still = [
            v.exercise.name + (f" ({v.status})" if v.status != "not written" else "") for v in part if not v.passed
        ]
        lines.append(f"{lesson:24} {bar:6} {'open: ' + ', '.join(still) if still else 'done'}")
    return "\n".join([*lines, "", summary(verdicts, folder)])
