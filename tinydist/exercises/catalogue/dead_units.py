"""Exercise dead_units: units that are never active."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.activity import DEAD_BELOW, dead_units
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array


def check_dead_units(dead_units: Any) -> Iterator[Observation]:
    """Yield observations on tables in which the dead columns can be seen."""
    cases: list[tuple[list[list[float]], list[bool], dict[str, float], str]] = [
        ([[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]], [True, False, False], {}, "the last unit fires once"),
        ([[0.0, -2.0]], [True, False], {}, "behind a Neg, a unit that is alive is negative"),
        ([[1e-6, 2e-6], [0.0, 0.0]], [True, False], {}, "1e-6 itself still counts as silence"),
        ([[1.0, 0.5], [0.2, 0.1]], [False, True], {"threshold": 0.5}, "another threshold"),
        ([[0.0], [1e-6], [1e-6], [2e-6]], [False], {}, "on average below the threshold, but once above it"),
    ]
    for activations, expected, options, why in cases:
        array = np.array(activations)
        given = {"why": why, "activations": array.copy(), **options}
        yield about_to_try(given)
        yield Observation("the dead units", dead_units(array, **options), np.array(expected), given)
        yield Observation("the activations, which must stay as they were", array, given["activations"], given)


def dead_by_sign(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(activations.max(axis=0) <= threshold)


def dead_if_ever_silent(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).min(axis=0) <= threshold)


def dead_on_average(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).mean(axis=0) <= threshold)


def dead_samples(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=1) <= threshold)


def dead_strictly(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=0) < threshold)


def alive_instead(activations: Array, threshold: float = DEAD_BELOW) -> Array:
    return np.asarray(np.abs(activations).max(axis=0) > threshold)


DEAD_UNITS = Exercise(
    name="dead_units",
    title="find the units that never fire",
    library=dead_units,
    lesson="08_how_relu2_dies",
    task="""
    A unit is dead if it stays silent on every sample: within ±threshold. Answer True or False for each unit, a column
    of the activations.

    Look out: behind a Neg layer living units are negative, so it is the size that counts. The threshold itself is still
    silence.
    """,
    hints=(
        "How large is a unit at most, in absolute value, over all samples?",
        "A maximum over axis 0 leaves one number for each unit.",
    ),
    check=check_dead_units,
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
        Mistake(dead_strictly, "The threshold itself should still count as silence: <=, not <."),
        Mistake(
            dead_on_average,
            "This averages. A unit that fires on one image in a thousand is rarely active, not dead: take the maximum.",
        ),
    ),
)
