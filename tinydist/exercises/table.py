"""All exercises; an exercise's number is its place in this table.

They are in the order in which they are best done, but for those that came later. To add one: write its text in
``tasks`` and a module in ``catalogue`` like those there (a solution, cases, wrong answers), and add its name here. It
comes last, so that the files of learners keep their numbers. ``tests/exercises/test_every_exercise.py`` then tests its
stub, its solution and each wrong answer, and ``test_mutation.py`` whether its cases tell every small change of it.
"""

from __future__ import annotations

import difflib
import re

from tinydist.exercises.exercise import Exercise, ExerciseError, read_task

NAMES = (
    "slope",
    "mul",
    "unbroadcast",
    "sum",
    "topological_order",
    "backward",
    "gradcheck",
    "matmul",
    "linear",
    "relu",
    "abs",
    "maximum",
    "sqrt",
    "log_softmax",
    "cross_entropy",
    "sgd_step",
    "training_step",
    "dead_units",
    "weighted_distance",
    "offset_l2",
    "gelu",
    "conv2d",
    "weighted_squares_numba",
    "matmul_numba",
    "compress",
    "cohens_d",
    "catch_the_bug",
    "catch_the_distance_bug",
    "predict_the_gradient",
    "kappa",
)

EXERCISES: tuple[Exercise, ...] = tuple(read_task(name, number) for number, name in enumerate(NAMES, 1))


def file_name(exercise: Exercise) -> str:
    """Return the name of a learner's file, such as 01_slope.py."""
    return f"{exercise.number:02}_{exercise.name}.py"


def find(text: str) -> Exercise:
    """Return the exercise of this number, name or file name.

    Raises:
        ExerciseError: if there is none; suggests the nearest name.
    """
    stem = re.split(r"[\\/]", text.strip())[-1].removesuffix(".py").lower().replace("-", "_")
    names = {exercise.name: exercise for exercise in EXERCISES}
    if stem.isdecimal():
        if 1 <= int(stem) <= len(EXERCISES):
            return EXERCISES[int(stem) - 1]
        raise ExerciseError(f"unknown exercise {text}: they are numbered from 1 to {len(EXERCISES)}")
    name = re.sub(r"^\d+_", "", stem)
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise ExerciseError(f"unknown exercise {text!r}.{guess} 'list' shows them all")
