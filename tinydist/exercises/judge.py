"""The judgement of an answer: its cases are tried, and if it is wrong, the mistake is looked up."""

from __future__ import annotations

import textwrap
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numba.core.errors import NumbaError

from tinydist.exercises.answers import UnusableFile, at_home, describe, load, text_of
from tinydist.exercises.compare import difference, same, short
from tinydist.exercises.exercise import (
    BorrowedAnswer,
    Exercise,
    NotWrittenYet,
    command,
    paragraphs,
    python_function,
    shown,
)
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.patterns import pattern
from tinydist.exercises.races import find_race
from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric
from tinydist.exercises.swap import replaced

MOST_TOLD = 5
"""Parts of an answer of which is said in how many cases they were right."""

PATIENCE = 2.0
"""Seconds after the first wrong observation in which the remaining cases are tried, to find out what the mistake is."""


@dataclass(frozen=True)
class Attempt:
    """What was seen of a function in one case.

    Attributes:
        seen: all observations, up to an exception if there was one.
        error: the exception that ended the case.
    """

    seen: tuple[Observation, ...]
    error: BaseException | None = None

    @cached_property
    def wrong(self) -> Observation | None:
        """Return the first observation of something wrong."""
        return next((observation for observation in self.seen if difference(observation) is not None), None)

    @property
    def passed(self) -> bool:
        """Return whether everything was right in this case."""
        return self.error is None and self.wrong is None

    def like(self, other: Attempt, any_dtype: bool) -> bool:
        """Return whether another function did the same in this case: the same numbers, or the same exception."""
        if type(self.error) is not type(other.error) or len(self.seen) != len(other.seen):
            return False
        return all(
            same(a.received, b.received, any_dtype or a.wide) for a, b in zip(self.seen, other.seen, strict=True)
        )


def judge(exercise: Exercise, path: Path) -> Judgement:
    """Check the answer in the learner's file `path`, in this process, and return the judgement."""
    rubric = exercise.rubric
    with at_home(path.parent):
        try:
            answer = load(exercise, path)
        except UnusableFile as problem:
            return Judgement(exercise, "unusable", str(problem))
        race = _race(exercise, path)
        if race is not None:
            return Judgement(exercise, "wrong", race)
        attempts = run_cases(rubric, answer, PATIENCE)
    if all(attempt.passed for attempt in attempts):
        return Judgement(exercise, "passed", rubric.remarks(answer))
    unwritten = next((attempt.error for attempt in attempts if isinstance(attempt.error, NotWrittenYet)), None)
    if unwritten is not None:
        return Judgement(exercise, "not written", str(unwritten))
    with _alone(rubric):
        return Judgement(exercise, "wrong", _explain(exercise, answer, attempts, path))


def _race(exercise: Exercise, path: Path) -> str | None:
    """Return in words what depends on luck in a kernel; None if nothing does, or if that cannot be known."""
    source = path.read_text(encoding="utf-8-sig")
    if not exercise.rubric.turns or "get_thread_id" in source:  # in Python all turns are of one thread
        return None
    try:
        chance = find_race(source, path, exercise.name, exercise.rubric.turns)
    except Exception:  # noqa: BLE001 - whatever fails there fails in the cases as well, or it is not about races
        return None
    if chance is None:
        return None
    hint = f"For a hint: {command('hint', exercise.name, path.parent)}"
    return f"{exercise.name} in {shown(path)} is not right yet.\n\n{paragraphs(chance.text)}\n\n{hint}"


def passes(rubric: Rubric, answer: Any) -> bool:
    """Return whether a function passes all cases; stops at the first that it does not."""
    return all(attempt.passed for attempt in run_cases(rubric, answer, 0))


def run_cases(rubric: Rubric, answer: Any, patience: float) -> list[Attempt]:
    """Try a function on the cases, one after the other; meanwhile the library's own functions only raise.

    Args:
        rubric: whose cases to try.
        answer: the function under check.
        patience: seconds in which to go on after something wrong was seen.
    """
    attempts: list[Attempt] = []
    end = None
    with _alone(rubric):
        for case in rubric.cases:
            attempts.append(_try(case, answer))
            if isinstance(attempts[-1].error, NotWrittenYet | BorrowedAnswer):
                break
            if end is None and not attempts[-1].passed:
                end = time.monotonic() + patience
            if end is not None and time.monotonic() > end:
                break
    return attempts


@contextmanager
def _alone(rubric: Rubric) -> Iterator[None]:
    """Let the library's own functions only raise within this block, and NumPy not warn."""
    with ExitStack() as stack:
        for function in (rubric.library, *rubric.twins):
            stack.enter_context(replaced(function, _refuse_for(function)))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.errstate(all="ignore"))
        warnings.simplefilter("ignore")  # a division by zero is reported by what it leads to
        yield


def shrunk(rubric: Rubric, answer: Any, case: Case, attempt: Attempt) -> Attempt:
    """Return what is seen in the smallest case that fails at the same point as this one.

    Args:
        rubric: of the exercise.
        answer: the function under check.
        case: a case that it does not pass.
        attempt: what was seen in it.
    """
    if attempt.wrong is None:
        return attempt
    with _alone(rubric):
        for candidate in getattr(case, "smaller", tuple)():
            smaller = _try(candidate, answer)
            if smaller.wrong and smaller.wrong.what == attempt.wrong.what:
                return shrunk(rubric, answer, candidate, smaller)
    return attempt


def _try(case: Case, answer: Any) -> Attempt:
    seen: list[Observation] = []
    try:
        for observation in case(answer):
            seen.append(observation)  # noqa: PERF402 - what was seen before an exception counts
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
        attempt = Attempt(tuple(seen), error)
        return Attempt(tuple(seen)) if attempt.wrong and not _is_of(answer, error) else attempt
    return Attempt(tuple(seen))


def _is_of(answer: Any, error: BaseException) -> bool:
    """Return whether an exception came out of the answer, and not of a case that went on with what it got."""
    code = getattr(python_function(answer), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    return code is None or any(frame.filename == code.co_filename for frame in frames)


def recognise(rubric: Rubric, attempts: list[Attempt], any_dtype: bool = False) -> Mistake | None:
    """Return the known mistake that does the same in every case, if there is one.

    Args:
        rubric: of the exercise.
        attempts: what was seen of the wrong answer, case by case.
        any_dtype: whether the same numbers in another dtype count as the same.
    """
    for mistake in rubric.mistakes:
        known = run_cases(rubric, mistake.answer, PATIENCE)
        if len(known) == len(attempts) and all(a.like(b, any_dtype) for a, b in zip(attempts, known, strict=True)):
            return mistake
    return None


def _refuse_for(function: Any) -> Any:
    plain = python_function(function)

    def refuse(*_inputs: Any, **_options: Any) -> NoReturn:
        raise BorrowedAnswer(f"{plain.__module__}.{plain.__qualname__}")

    return refuse


def _explain(exercise: Exercise, answer: Any, attempts: list[Attempt], path: Path) -> str:
    name, rubric = exercise.name, exercise.rubric
    case, failed = next(pair for pair in zip(rubric.cases, attempts, strict=False) if not pair[1].passed)
    failed = shrunk(rubric, answer, case, failed)
    borrowed = next((attempt.error for attempt in attempts if isinstance(attempt.error, BorrowedAnswer)), None)
    if borrowed is not None:
        return (
            f"{name} calls tinydist's own function, {borrowed}, directly or by way of another one. Write it without.\n"
            f"    {describe(borrowed, path).partition(chr(10))[2].strip()}"
        )
    parts = [f"{name} in {shown(path)} is not right yet."]
    if failed.wrong is not None:
        parts += [_table(failed.wrong)]
    elif failed.error is not None:
        parts += [textwrap.indent(describe(failed.error, path), "  ")]
        if failed.seen and failed.seen[-1].given:
            parts += ["  It was called with\n" + _rows(failed.seen[-1].given)]
    error = next((attempt.error for attempt in attempts if attempt.error), None)
    if failed.wrong is not None and error is not None:
        parts += ["  In another case it raised an exception:\n" + textwrap.indent(describe(error, path), "  ")]
    parts += [paragraphs(_diagnosis(rubric, attempts))]
    parts += [f"For a hint: {command('hint', name, path.parent)}"]
    return "\n\n".join(parts)


def _diagnosis(rubric: Rubric, attempts: list[Attempt]) -> str:
    """Return what is wrong, if that is certain, or else what was right and how often."""
    if mistake := recognise(rubric, attempts):
        return mistake.says
    if attempts[0].passed and all(isinstance(attempt.error, NumbaError) for attempt in attempts if not attempt.passed):
        return "The results are right when Python runs it, but numba cannot compile it. Write plain loops over numbers."
    if len(attempts) == len(rubric.cases) and (common := _common(attempts)):
        return common
    if mistake := recognise(rubric, attempts, any_dtype=True):
        return f"{mistake.says} Besides, some of it is of another dtype than what came in."
    return _tally(attempts)


def _common(attempts: list[Attempt]) -> str:
    """Return what all that is wrong has in common; nothing is said of an answer that some exception ended.

    But one that overwrites an array cannot do so where it is not to be written to.
    """
    if any(attempt.error and "read-only" not in text_of(attempt.error) for attempt in attempts):
        return ""
    return pattern([seen for attempt in attempts for seen in attempt.seen])


def _tally(attempts: list[Attempt]) -> str:
    """Return where to look: in how many of the cases each part of the answer was right."""
    right, tried, ended = Counter[str](), Counter[str](), 0
    for attempt in attempts:
        ended += attempt.error is not None
        for observation in attempt.seen:
            wrong = difference(observation) is not None
            part = observation.what.partition(",")[0]  # such as "the gradient of a, when its rule is called again"
            tried[part] += 1
            right[part] += not wrong
    told = [part for part in tried if right[part] < tried[part] or _is_always_told(part)]
    told.sort(key=lambda part: right[part] == tried[part])  # what is wrong comes first
    parts = [f"{part} {right[part]} of {tried[part]}" for part in told[:MOST_TOLD]]
    sentences = [f"How often each part was right: {', '.join(parts)}."] if parts else []
    if ended:
        sentences.append(f"An exception ended {ended} of {len(attempts)} cases.")
    return " ".join(sentences)


def _is_always_told(part: str) -> bool:
    return part in ("the value", "the result", "the loss", "the gradient") or part.startswith("the gradient of ")


def _table(observation: Observation) -> str:
    rows = {**observation.given, "expected": observation.expected, "received": observation.received}
    if words := difference(observation):
        rows[""] = words
    return f"  Looked at: {observation.what}\n{_rows(rows)}"


def _rows(values: Mapping[str, Any]) -> str:
    width = max(len(key) for key in values)
    indent = "\n" + " " * (width + 6)
    return "\n".join(f"    {key:{width}}  " + short(value).replace("\n", indent) for key, value in values.items())
