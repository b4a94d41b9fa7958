"""The changes of a solution that pass its cases."""

import inspect
from pathlib import Path

from tests.exercises.elsewhere import results
from tests.exercises.mutants import mutants
from tinydist.exercises.exercise import python_function
from tinydist.exercises.judge import passes
from tinydist.exercises.races import find_race
from tinydist.exercises.table import find

SECONDS = 6
"""Processor time after which a change counts as one that never ends; the longest other takes some 2."""


def changes(rubric):
    """The changes of a solution."""
    return list(mutants(inspect.getsource(python_function(rubric.solution))))


def survivors(exercise):
    """The changes that pass, in words; a change that never ends does not."""
    tried = changes(exercise.rubric)
    assert results(_try_solution, 1, SECONDS, exercise.name) == [True]
    passing = results(_try_changes, len(tried), SECONDS, exercise.name)
    return [str(change) for change, passed in zip(tried, passing, strict=True) if passed]


def _try_solution(_start, name):
    rubric = find(name).rubric
    yield passes(rubric, rubric.solution)


def _try_changes(start, name):
    rubric = find(name).rubric
    for change in changes(rubric)[start:]:
        yield _passes(rubric, change)


def _passes(rubric, change):
    try:
        return passes(rubric, _changed(rubric, change)) and not _races(rubric, change)
    except Exception:  # noqa: BLE001 - a change may already fail when it is defined
        return False


def _changed(rubric, change):
    """The function that the changed source defines. Kernels stay uncompiled: to compile all would take minutes."""
    solution = python_function(rubric.solution)
    names = solution.__globals__ | {"njit": lambda **_: lambda function: function}
    exec(compile(change.source, "<a change>", "exec"), names)
    return names[solution.__name__]


def _races(rubric, change):
    if not rubric.turns:
        return False
    imports = "from typing import Any as Array\nimport numpy as np\nfrom numba import njit, prange\n"
    name = python_function(rubric.solution).__name__
    return find_race(imports + change.source, Path("change.py"), name, rubric.turns)
