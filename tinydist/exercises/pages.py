"""The texts that the exercises print: the contents, an opening page, hints and progress."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tinydist.exercises.exercise import WIDTH, Exercise, command, paragraphs, shown
from tinydist.exercises.judgement import Judgement

TRIED = {
    "wrong": "There is an answer already, but it does not pass; check says why.",
    "unusable": "There is a file already, but no answer can be taken from it; check says why.",
    "unchecked": "There is an answer already, which has not been checked since it was changed.",
}
"""What is said of the first exercise that is open, by its status."""


def contents(exercises: Sequence[Exercise]) -> str:
    """Return a line for each exercise, below a heading."""
    rows = [f"{e.number:02} {e.name:24} {e.title:56} {e.lesson}" for e in exercises]
    return "\n".join([f"   {'exercise':24} {'what you write':56} lesson", *rows])


def opening(judgement: Judgement, path: Path) -> str:
    """Return the file of an exercise, its task and the commands to go on with."""
    exercise = judgement.exercise
    rows = {
        "file": str(shown(path)),
        "lesson": str(lesson(exercise.lesson)),
        "check": command("check", exercise.name, path.parent),
        "hint": command("hint", exercise.name, path.parent),
    }
    table = "\n".join(f"  {key:7} {value}" for key, value in rows.items())
    title = f"{exercise.number:02} {exercise.name}: {exercise.title}"
    tried = [TRIED[judgement.status]] if judgement.status in TRIED else []
    return "\n\n".join([title, paragraphs(exercise.task), table, *tried])


def lesson(stem: str) -> Path:
    """Return the path of a lesson, from the current folder if the project is installed from its own folder."""
    path = Path("lessons") / f"{stem}.py"
    here = Path(__file__).parents[2] / path
    return shown(here) if here.exists() else path


def farewell(folder: Path) -> str:
    """Return the text for a learner whose answers all pass."""
    return (
        "Every exercise passes. You have written the heart of tinydist.\n\n"
        f"Train the paper's models with your own functions: {command('check --mine', folder=folder)}\n"
        "Rerun the paper: python -m tinydist.reproduce\n"
        f"Ask how far to trust the result: {lesson('13_judging_a_claim')}"
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


def result(judgement: Judgement) -> str:
    """Return the result of a check in words."""
    if not judgement.passed:
        return judgement.message
    remark = f"\n\n{judgement.message}" if judgement.message else ""
    return f"{judgement.exercise.number:02} {judgement.exercise.name} passes.{remark}"


def first_open(standings: Sequence[Judgement]) -> Judgement | None:
    """Return the first that does not pass; None if all do."""
    return next((standing for standing in standings if not standing.passed), None)


def onward(standings: Sequence[Judgement], folder: Path) -> str:
    """Return the first exercise that is open, and the command that shows its task."""
    first = first_open(standings)
    if first is None:
        return farewell(folder)
    exercise = first.exercise
    task = f"For its task: {command('next', folder=folder)}"
    return f"Next: {exercise.number:02} {exercise.name}, {exercise.title}.\n{task}"


def summary(judgements: Sequence[Judgement], folder: Path) -> str:
    """Return the number of answers that pass, and the commands to go on with."""
    passed = sum(judgement.passed for judgement in judgements)
    wrong = [judgement.exercise.name for judgement in judgements if judgement.status in TRIED]
    if passed == len(judgements):
        return farewell(folder)
    lines = [f"{passed} of {len(judgements)} pass."]
    if wrong:
        lines.append(f"What keeps {wrong[0]} from passing: {command('check', wrong[0], folder)}")
    lines.append(f"What to do now: {command('next', folder=folder)}")
    return "\n".join(lines)


def progress(judgements: Sequence[Judgement], folder: Path) -> str:
    """Return a bar for each lesson, with the exercises that are still open."""
    lines = []
    by_lesson = sorted(judgements, key=lambda judgement: judgement.exercise.lesson)
    for stem, group in groupby(by_lesson, key=lambda judgement: judgement.exercise.lesson):
        part = list(group)
        bar = "".join("#" if judgement.passed else "." for judgement in part)
        still = [
            v.exercise.name + (f" ({v.status})" if v.status != "not written" else "") for v in part if not v.passed
        ]
        lines.append(f"{stem:24} {bar:6} {'open: ' + ', '.join(still) if still else 'done'}")
    return "\n".join([*lines, "", summary(judgements, folder)])
