"""Right answers in many styles, and wrong ones: each must be judged as it is labelled."""

from pathlib import Path

import pytest

from tests.exercises.labelled import FILES, answers, misjudged
from tinydist.exercises.table import EXERCISES

EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@EACH
def test_answers_are_judged_as_they_are_labelled(path, tmp_path):
    assert misjudged(path, tmp_path) == []


@EACH
def test_each_file_has_answers_of_both_kinds_and_no_label_twice(path):
    found = answers(path)
    labels = [(kind, label) for kind, label, _ in found]
    assert len(set(labels)) == len(labels)
    assert {kind for kind, _ in labels} == {"right", "wrong"}
    assert path.read_text(encoding="utf-8").count("###") == len(found), "a heading is not as it should be"


def test_every_exercise_has_a_file():
    assert {path.stem for path in FILES} == {exercise.name for exercise in EXERCISES}


def test_the_page_says_how_many_there_are():
    page = Path(__file__).parents[2] / "lessons" / "site" / "pages" / "exercises.rst"
    kinds = [kind for path in FILES for kind, _, _ in answers(path)]
    words = f"{kinds.count('right')} right ones in many styles and {kinds.count('wrong')} wrong ones."
    assert f"some 800 answers as people write them, {words}" in " ".join(page.read_text(encoding="utf-8").split())
