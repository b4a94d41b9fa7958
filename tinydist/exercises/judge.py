"""The judgement of an answer: its check is run, and if the answer is wrong, the mistake is looked up."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from tinydist.exercises.answers import UnusableFile, describe, load
from tinydist.exercises.compare import difference, same, short
from tinydist.exercises.exercise import (
    BorrowedAnswer,
    Exercise,
    Mistake,
    NotWrittenYet,
    Observation,
    command,
    paragraphs,
    python_function,
    shown,
)
from tinydist.exercises.swap import replaced


@dataclass(frozen=True)
class Judgement:
    """The result of a check.

    Attributes:
        exercise: the exercise that was checked.
        status: "passed", "not written", "wrong" or "unusable" (no answer could be taken from the file).
        message: the message for the learner; "" for a pass.
        answer: the learner's function, unless the file was unusable.
    """

    exercise: Exercise
    status: Literal["passed", "not written", "wrong", "unusable"]
    message: str = ""
    answer: Any = None

    @property
    def passed(self) -> bool:
        """Return whether all checks passed."""
        return self.status == "passed"


@dataclass(frozen=True)
class Run:
    """The observations of a check on a function.

    Attributes:
        seen: up to the first wrong observation, and what else belongs to the same case.
        wrong: the first wrong observation.
        error: the exception that ended the check before anything was wrong.
    """

    seen: list[Observation]
    wrong: Observation | None = None
    error: BaseException | None = None

    @property
    def passed(self) -> bool:
        """Return whether all checks passed."""
        return self.wrong is None and self.error is None

    def place(self) -> int:
        """Return how many observations were right before the first wrong one."""
        return len(self.seen) if self.wrong is None else self.seen.index(self.wrong)


def judge(exercise: Exercise, path: Path) -> Judgement:
    """Check the answer in the learner's file `path`, and return the verdict."""
    try:
        answer = load(exercise, path)
    except UnusableFile as problem:
        return Judgement(exercise, "unusable", str(problem))
    run = run_check(exercise, answer)
    if run.passed:
        return Judgement(exercise, "passed", answer=answer)
    if isinstance(run.error, NotWrittenYet):
        return Judgement(exercise, "not written", str(run.error), answer)
    return Judgement(exercise, "wrong", _explain(exercise, run, path), answer)


def run_check(exercise: Exercise, answer: Any) -> Run:
    """Run the check on a function until something is wrong; meanwhile the library's own function only raises.

    Args:
        exercise: whose check to run.
        answer: the function under check.
    """
    seen: list[Observation] = []
    wrong: Observation | None = None
    with replaced(exercise.library, _refuse), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a division by zero is reported by what it leads to
        try:
            for observation in exercise.check(answer):
                if wrong is not None and observation.given is not wrong.given:
                    break
                seen.append(observation)
                if wrong is None and difference(observation) is not None:
                    wrong = observation
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
            return Run(seen, wrong, None if wrong else error)
    return Run(seen, wrong)


def recognise(exercise: Exercise, run: Run) -> Mistake | None:
    """Return the known mistake that fails at the same place in the same way, if there is one.

    Where several do, it is the one that agrees best with the rest of the observations.
    """
    best, most = None, -1
    for mistake in exercise.mistakes:
        known = run_check(exercise, mistake.answer)
        if known.place() != run.place() or type(known.error) is not type(run.error):
            continue
        agreeing = [same(a.received, b.received) for a, b in zip(run.seen, known.seen, strict=False)]
        if all(agreeing[: run.place() + 1]) and sum(agreeing) > most:
            best, most = mistake, sum(agreeing)
    return best


def _refuse(*_inputs: Any, **_options: Any) -> NoReturn:
    raise BorrowedAnswer


def _explain(exercise: Exercise, run: Run, path: Path) -> str:
    name = exercise.name
    if isinstance(run.error, BorrowedAnswer):
        library = python_function(exercise.library)
        return (
            f"{name} calls tinydist's own function, {library.__module__}.{library.__qualname__}, directly or by way of "
            f"another one. Write it without.\n    {describe(run.error, path).partition(chr(10))[2].strip()}"
        )
    parts = [f"{name} in {shown(path)} is not right yet."]
    if run.wrong is not None:
        parts += [_table(run.wrong)]
    elif run.error is not None:
        parts += [textwrap.indent(describe(run.error, path), "  ")]
        if run.seen and run.seen[-1].given:
            parts += ["  It was called with\n" + _rows(run.seen[-1].given)]
    mistake = recognise(exercise, run)
    if mistake is not None:
        parts += [paragraphs(mistake.says if run.wrong else f"A known mistake ends like this. {mistake.says}")]
    parts += [f"For a hint: {command('hint', name, path.parent)}"]
    return "\n\n".join(parts)


def _table(observation: Observation) -> str:
    rows = {**observation.given, "expected": observation.expected, "received": observation.received}
    if words := difference(observation):
        rows[""] = words
    return f"  Looked at: {observation.what}\n{_rows(rows)}"


def _rows(values: Mapping[str, Any]) -> str:
    width = max(len(key) for key in values)
    indent = "\n" + " " * (width + 6)
    return "\n".join(f"    {key:{width}}  " + short(value).replace("\n", indent) for key, value in values.items())
