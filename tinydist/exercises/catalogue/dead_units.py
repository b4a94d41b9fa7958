"""Exercise dead_units: units that are never active."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist import activity
from tinydist.activity import DEAD_BELOW
from tinydist.exercises.probes import Array, kept
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try


def dead_units(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.all(np.abs(activations) <= threshold, axis=0)


def try_table(
    answer: Any,
    *,
    activations: Any,
    dead: list[bool],
    why: str,
    options: dict[str, float] | None = None,
    turn: Callable[[Array], Array] = np.array,
) -> Iterator[Observation]:
    """Yield observations on a table in which the dead columns can be seen.

    Args:
        answer: the function under check.
        activations: the table.
        dead: which of its columns are dead.
        why: why this is tried.
        options: other arguments.
        turn: makes the array that the function receives.
    """
    array = turn(activations)
    given = {"why": why, "activations": np.array(array), **(options or {})}
    yield about_to_try(given)
    yield Observation("the dead units", kept(answer(array, **(options or {}))), np.array(dead), given)
    yield Observation("the array of activations, which must stay as it was", array, given["activations"], given)


def _narrow(activations: Any) -> Array:
    return np.array(activations, dtype=np.float32)


def _by_columns(activations: Any) -> Array:
    return np.array(activations, order="F")


def _active_at(samples: int, *places: int) -> Array:
    """Return activations of one unit for each place: active there, silent elsewhere."""
    activations = np.zeros((samples, len(places)))
    activations[list(places), range(len(places))] = 3
    return activations


SMALL = [[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]]

TRIES: tuple[dict[str, Any], ...] = (
    {"activations": SMALL, "dead": [True, False, False], "why": "the last unit fires once"},
    {"activations": [[0.0, -2.0]], "dead": [True, False], "why": "behind a Neg, a unit that is alive is negative"},
    {"activations": [[3.0, 0.0]], "dead": [False, True], "why": "a single sample"},
    {"activations": [[0.0], [0.0], [4.0]], "dead": [False], "why": "a single unit, active for the last sample"},
    {"activations": [[0.0, 0.0]] * 3, "dead": [True, True], "why": "all are dead"},
    {
        "activations": [[1.0, -2.0]] * 3,
        "dead": [False, False],
        "why": "all are alive, and the same for all samples",
    },
    {
        "activations": [[-5.0, 0.0], [0.0, -3.0]],
        "dead": [False, False],
        "why": "each is silent once, the other negative",
    },
    {
        "activations": [[3.0, 2.0, -1.0], [-3.0, -2.0, 1.0]],
        "dead": [False] * 3,
        "why": "each is active in both directions, and the sum is 0",
    },
    {
        "activations": [[1e-6, 2e-6, -1e-6, -2e-6], [0.0] * 4],
        "dead": [True, False, True, False],
        "why": "1e-6 itself still counts as silence",
    },
    {
        "activations": [[1.1e-6, 1.4e-6, -1.1e-6, -1.4e-6, 0.9e-6, 1.000001e-6]],
        "dead": [False, False, False, False, True, False],
        "why": "just above the threshold, and just below it",
    },
    {"activations": [[1e-6]] * 4, "dead": [True], "why": "silence, four times: it does not add up"},
    {
        "activations": [[0.0], [1e-6], [1e-6], [2e-6]],
        "dead": [False],
        "why": "on average below 1e-6, but once above it",
    },
    {
        "activations": [[1.0, 0.5, -0.7, -0.5], [0.2, 0.1, 0.2, 0.0]],
        "dead": [False, True, False, True],
        "why": "another threshold",
        "options": {"threshold": 0.5},
    },
    {
        "activations": [[20.0, -30.0, 45.0], [10.0, 10.0, 10.0]],
        "dead": [True, True, False],
        "why": "a large threshold",
        "options": {"threshold": 30.0},
    },
    {
        "activations": [[0.0, 1e-9, -1e-30], [0.0, 0.0, 0.0]],
        "dead": [True, False, False],
        "why": "a threshold of 0: only exactly 0 is silence",
        "options": {"threshold": 0.0},
    },
    {
        "activations": [[1e-200, 0.0, -1e-300]],
        "dead": [False, True, False],
        "why": "a threshold of 0, and activations of which the squares round to 0",
        "options": {"threshold": 0.0},
    },
    {"activations": [[1e300, 0.0, -1e300]], "dead": [False, True, False], "why": "huge activations"},
    {
        "activations": _active_at(1500, 0, 1, 700, 1400, 1499),
        "dead": [False] * 5,
        "why": "each unit is active for one sample of 1500",
    },
    {
        "activations": np.where(np.arange(300) % 3 == 0, 0.0, 5.0)[None, :].repeat(2, axis=0),
        "dead": [unit % 3 == 0 for unit in range(300)],
        "why": "300 units",
    },
    {"activations": SMALL, "dead": [True, False, False], "why": "float32", "turn": _narrow},
    {"activations": SMALL, "dead": [True, False, False], "why": "memory column by column", "turn": _by_columns},
)

CASES = tuple(partial(try_table, **options) for options in TRIES)


def dead_by_sign(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(activations.max(axis=0) <= threshold)


def dead_by_size_of_maximum(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations.max(axis=0)) <= threshold)


def dead_if_ever_silent(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).min(axis=0) <= threshold)


def dead_on_average(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).mean(axis=0) <= threshold)


def dead_by_sum(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations.sum(axis=0)) <= threshold)


def dead_if_constant(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(activations.std(axis=0) <= threshold)


def dead_samples(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=1) <= threshold)


def dead_strictly(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=0) < threshold)


def alive_instead(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=0) > threshold)


def dead_whatever_the_threshold(activations: Array, threshold: float = DEAD_BELOW) -> Array:  # noqa: ARG001
    return np.asarray(np.abs(activations).max(axis=0) <= DEAD_BELOW)


def dead_in_numbers(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=0) <= threshold).astype(np.int64)


def dead_by_number(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.flatnonzero(np.abs(activations).max(axis=0) <= threshold)


def dead_in_place(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    np.abs(activations, out=activations)
    return np.asarray(activations.max(axis=0) <= threshold)


RUBRIC = Rubric(
    library=activity.dead_units,
    solution=dead_units,
    cases=CASES,
    mistakes=(
        Mistake(
            dead_samples, "This looks along the wrong axis, at samples instead of units: rows are samples, axis 0."
        ),
        Mistake(alive_instead, "This finds the units that are alive: True and False are swapped."),
        Mistake(
            dead_if_ever_silent,
            "This calls a unit dead if it is silent on some sample. Dead means on every one: look at its maximum.",
        ),
        Mistake(
            dead_by_sign,
            "Negative activations count as silence here. Behind a Neg every living unit is negative: compare absolute "
            "values.",
        ),
        Mistake(
            dead_by_size_of_maximum,
            "This takes the maximum first and its size afterwards, so a unit that is 0 once and else negative looks "
            "dead. First the absolute values, then the maximum.",
        ),
        Mistake(dead_strictly, "The threshold itself should still count as silence: <=, not <."),
        Mistake(
            dead_on_average,
            "This averages. A unit that fires on one image in a thousand is rarely active, not dead: take the maximum.",
        ),
        Mistake(dead_by_sum, "This adds up, so that activations of opposite signs cancel: take the largest in size."),
        Mistake(
            dead_if_constant,
            "This asks whether a unit varies. A unit that is 2 on every sample does not vary, but is not silent.",
        ),
        Mistake(dead_whatever_the_threshold, "The argument threshold is not used."),
        Mistake(
            dead_in_numbers,
            "These are the numbers 0 and 1. Return booleans, as a comparison gives them: they can pick columns.",
        ),
        Mistake(
            dead_by_number,
            "These are the numbers of the dead units. Return True or False for each unit, as a comparison gives it.",
        ),
        Mistake(
            dead_in_place, "The activations themselves were changed. Others still need them: np.abs makes a new array."
        ),
    ),
    twins=(activity.active_counts,),
)
