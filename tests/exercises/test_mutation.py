"""Small changes of each solution: a change that makes another function of it must not pass."""

import re
from pathlib import Path

import pytest

from tests.exercises.equivalent import EQUIVALENT
from tests.exercises.survivors import changes, survivors
from tinydist.exercises.table import EXERCISES

PAGE = Path(__file__).parents[2] / "lessons" / "site" / "pages" / "exercises.rst"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_no_change_of_the_solution_passes_that_makes_another_function_of_it(exercise):
    passing, known = survivors(exercise), EQUIVALENT.get(exercise.name, {})
    assert [change for change in passing if not change.startswith(tuple(known))] == []
    assert [start for start in known if not any(change.startswith(start) for change in passing)] == []
    rows = re.findall(r"^   ``(\w+)`` \| (\d+) \| (\d+) \| (\d+) \| (\d+)$", PAGE.read_text(encoding="utf-8"), re.M)
    told = {name: tuple(map(int, counts)) for name, *counts in rows}
    rubric = exercise.rubric
    assert told[exercise.name] == (len(rubric.cases), len(changes(rubric)), len(passing), len(rubric.mistakes))
