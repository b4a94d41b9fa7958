"""All exercises, in the order in which they are best done; an exercise's number is its place in this table.

To add one: write a module in the catalogue like those there (a check, wrong answers, an :class:`Exercise`), and add it
here. ``tests/exercises/test_every_exercise.py`` then tests its stub, the library's own source and each wrong answer.
"""

from __future__ import annotations

import difflib
import re

from tinydist.exercises.catalogue.abs import ABS
from tinydist.exercises.catalogue.backward import BACKWARD
from tinydist.exercises.catalogue.catch_the_bug import CATCH_THE_BUG
from tinydist.exercises.catalogue.cohens_d import COHENS_D
from tinydist.exercises.catalogue.compress import COMPRESS
from tinydist.exercises.catalogue.conv2d import CONV2D
from tinydist.exercises.catalogue.cross_entropy import CROSS_ENTROPY
from tinydist.exercises.catalogue.dead_units import DEAD_UNITS
from tinydist.exercises.catalogue.gelu import GELU
from tinydist.exercises.catalogue.gradcheck import GRADCHECK
from tinydist.exercises.catalogue.linear import LINEAR
from tinydist.exercises.catalogue.log_softmax import LOG_SOFTMAX
from tinydist.exercises.catalogue.matmul import MATMUL
from tinydist.exercises.catalogue.matmul_numba import MATMUL_NUMBA
from tinydist.exercises.catalogue.maximum import MAXIMUM
from tinydist.exercises.catalogue.mul import MUL
from tinydist.exercises.catalogue.offset_l2 import OFFSET_L2
from tinydist.exercises.catalogue.relu import RELU
from tinydist.exercises.catalogue.sgd_step import SGD_STEP
from tinydist.exercises.catalogue.slope import SLOPE
from tinydist.exercises.catalogue.sqrt import SQRT
from tinydist.exercises.catalogue.sum import SUM
from tinydist.exercises.catalogue.topological_order import TOPOLOGICAL_ORDER
from tinydist.exercises.catalogue.training_step import TRAINING_STEP
from tinydist.exercises.catalogue.unbroadcast import UNBROADCAST
from tinydist.exercises.catalogue.weighted_distance import WEIGHTED_DISTANCE
from tinydist.exercises.catalogue.weighted_squares_numba import WEIGHTED_SQUARES_NUMBA
from tinydist.exercises.exercise import Exercise, ExerciseError

EXERCISES: tuple[Exercise, ...] = (
    SLOPE,
    MUL,
    UNBROADCAST,
    SUM,
    TOPOLOGICAL_ORDER,
    BACKWARD,
    GRADCHECK,
    MATMUL,
    LINEAR,
    RELU,
    ABS,
    MAXIMUM,
    SQRT,
    LOG_SOFTMAX,
    CROSS_ENTROPY,
    SGD_STEP,
    TRAINING_STEP,
    DEAD_UNITS,
    WEIGHTED_DISTANCE,
    OFFSET_L2,
    GELU,
    CONV2D,
    WEIGHTED_SQUARES_NUMBA,
    MATMUL_NUMBA,
    COMPRESS,
    COHENS_D,
    CATCH_THE_BUG,
)


def number(exercise: Exercise) -> int:
    """Return the exercise's place in the table, from 1."""
    return EXERCISES.index(exercise) + 1


def file_name(exercise: Exercise) -> str:
    """Return the name of a learner's file, such as 01_slope.py."""
    return f"{number(exercise):02}_{exercise.name}.py"


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
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    raise ExerciseError(f"unknown exercise {text!r}. Did you mean {nearest!r}? 'list' shows them all")
