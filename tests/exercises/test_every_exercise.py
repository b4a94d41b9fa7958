"""What holds for each exercise of the table: its stub, the library's own answer, and its known wrong answers."""

from pathlib import Path

import pytest

from tinydist.exercises.exercise import python_function
from tinydist.exercises.judge import judge, recognise, run_check
from tinydist.exercises.stubs import library_source, stub
from tinydist.exercises.table import EXERCISES, file_name, number

EACH = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
MISTAKES = [
    pytest.param(exercise, mistake, id=python_function(mistake.answer).__name__)
    for exercise in EXERCISES
    for mistake in exercise.mistakes
]
LESSONS = Path(__file__).parents[2] / "lessons"


@EACH
def test_a_stub_says_that_it_is_not_written_yet_and_how_to_get_a_hint(exercise, workspace):
    verdict = judge(exercise, workspace.path(exercise))
    assert verdict.status == "not written"
    assert f"{exercise.name} is not written yet" in verdict.message
    assert f"exercises/{file_name(exercise)}" in verdict.message.replace("\\", "/")
    assert f"python -m tinydist.exercises hint {exercise.name} --dir" in verdict.message


@EACH
def test_the_librarys_own_source_passes(exercise, reference, workspace):
    path = workspace.path(exercise)
    path.write_text(reference(exercise), encoding="utf-8")
    verdict = judge(exercise, path)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_a_known_wrong_answer_is_rejected_and_named(exercise, mistake):
    run = run_check(exercise, mistake.answer)
    assert not run.passed
    assert recognise(exercise, run) is mistake


@EACH
def test_the_library_passes_and_is_whole_again_after_a_check(exercise):
    before = python_function(exercise.library).__code__
    run_check(exercise, exercise.mistakes[0].answer)
    assert python_function(exercise.library).__code__ is before


@EACH
def test_a_stub_shows_the_signature_and_the_docstring_but_no_line_of_the_answer(exercise):
    text = stub(exercise, number(exercise))
    source, node = library_source(exercise)
    body = [line.strip() for s in node.body[1:] for line in source.splitlines()[s.lineno - 1 : s.end_lineno]]
    docstring = python_function(exercise.library).__doc__ or ""
    assert all(line.strip() in text for line in docstring.splitlines())
    assert all(f"{argument.arg}" in text for argument in node.args.args)
    told = docstring + " ".join(exercise.task.split())
    assert not [line for line in body if len(line) > 12 and line in text and line not in told]


@EACH
def test_an_exercise_is_complete(exercise):
    assert 2 <= len(exercise.hints) <= 3
    assert len({mistake.says for mistake in exercise.mistakes}) >= 3
    assert all(mistake.says.endswith(".") for mistake in exercise.mistakes)


def test_names_are_unique():
    assert len({exercise.name for exercise in EXERCISES}) == len(EXERCISES)
