"""What holds for each exercise of the table: its stub, its solution, its cases, and its known wrong answers."""

import functools
import re
from dataclasses import replace
from pathlib import Path
from types import FunctionType

import pytest

from tinydist.exercises.compare import difference
from tinydist.exercises.exercise import python_function
from tinydist.exercises.judge import judge, passes, recognise, run_cases
from tinydist.exercises.stubs import library_source, solution, stub
from tinydist.exercises.table import EXERCISES, file_name

EACH = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
MISTAKES = [
    pytest.param(exercise.rubric, mistake, id=python_function(mistake.answer).__name__)
    for exercise in EXERCISES
    for mistake in exercise.rubric.mistakes
]
LESSONS = Path(__file__).parents[2] / "lessons"


@EACH
def test_a_stub_says_that_it_is_not_written_yet_and_how_to_get_a_hint(exercise, workspace):
    judgement = judge(exercise, workspace.path(exercise))
    assert judgement.status == "not written"
    assert f"{exercise.name} is not written yet" in judgement.message
    assert f"exercises/{file_name(exercise)}" in judgement.message.replace("\\", "/")
    assert f"python -m tinydist.exercises hint {exercise.name} --dir" in judgement.message


@EACH
def test_the_solution_passes_pasted_into_the_file_or_as_all_of_it(exercise, solved):
    path = solved(exercise)
    judgement = judge(exercise, path)
    assert judgement.passed, judgement.message
    path.write_text(solution(exercise), encoding="utf-8")
    assert judge(exercise, path).passed


@EACH
def test_the_librarys_own_function_passes(exercise):
    """The library is held to other frameworks and to finite differences, and so are the solutions by this."""
    rubric = exercise.rubric
    attempts = run_cases(replace(rubric, twins=()), the_library(rubric), 0)
    for attempt in attempts:
        assert attempt.error is None, attempt.error
        assert attempt.wrong is None, (attempt.wrong, difference(attempt.wrong))


def the_library(rubric):
    """Another function with the library's code: the one that others call is replaced during a check."""
    function = rubric.library
    if not isinstance(function, FunctionType):
        return function
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@EACH
def test_the_cases_are_the_same_each_time(exercise):
    def run():
        return [
            [(o.what, repr(o.expected), repr(dict(o.given))) for o in attempt.seen]
            for attempt in run_cases(exercise.rubric, exercise.rubric.solution, 0)
        ]

    assert run() == run()


@functools.lru_cache(maxsize=1)  # the mistakes of one exercise come one after the other, and their graphs are large
def attempts_at(rubric):
    """What is seen of each known mistake."""
    return [run_cases(rubric, mistake.answer, 10) for mistake in rubric.mistakes]


@pytest.mark.parametrize(("rubric", "mistake"), MISTAKES)
def test_a_known_wrong_answer_is_rejected_and_told_from_the_others(rubric, mistake):
    place = rubric.mistakes.index(mistake)
    mine = attempts_at(rubric)[place]
    assert len(mine) == len(rubric.cases)
    assert not all(attempt.passed for attempt in mine)
    for other in attempts_at(rubric)[:place]:
        assert not all(a.like(b, any_dtype=False) for a, b in zip(mine, other, strict=True))


@EACH
def test_a_known_wrong_answer_is_recognised(exercise):
    mistake = exercise.rubric.mistakes[-1]
    assert recognise(exercise.rubric, run_cases(exercise.rubric, mistake.answer, 10)) is mistake


@EACH
def test_the_library_is_whole_again_after_a_check(exercise):
    before = python_function(exercise.rubric.library).__code__
    passes(exercise.rubric, exercise.rubric.mistakes[0].answer)
    assert python_function(exercise.rubric.library).__code__ is before


@EACH
def test_a_stub_shows_the_signature_and_the_docstring_but_no_line_of_the_answer(exercise):
    text = stub(exercise)
    source, node = library_source(exercise)
    body = [line.strip() for s in node.body[1:] for line in source.splitlines()[s.lineno - 1 : s.end_lineno]]
    docstring = python_function(exercise.rubric.library).__doc__ or ""
    shown, _, errors = docstring.partition("Raises:")
    assert all(line.strip() in text for line in shown.splitlines())
    named = re.findall(r"^        (\w+Error): ", errors, flags=re.M)
    assert [f"        {error}: " in text for error in named] == [error in exercise.task for error in named]
    assert all(f"{argument.arg}" in text for argument in node.args.args)
    told = docstring + " ".join(exercise.task.split())
    assert not [line for line in body if len(line) > 12 and line in text and line not in told]


@EACH
def test_an_exercise_is_complete(exercise):
    assert 2 <= len(exercise.hints) <= 3
    assert (LESSONS / f"{exercise.lesson}.py").exists()
    assert len({mistake.says for mistake in exercise.rubric.mistakes}) >= 3
    assert all(mistake.says.endswith(".") for mistake in exercise.rubric.mistakes)


def test_names_are_unique():
    assert len({exercise.name for exercise in EXERCISES}) == len(EXERCISES)
