"""Exercise kappa: the overshoot of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist.analysis import overshoot
from tinydist.exercises.probes import Array, kept, numbers
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try


def kappa(before: Array, after: Array) -> float:
    changes = np.abs(after - before).mean(axis=0)
    return float(np.median(changes / np.abs(before).mean(axis=0)))


def try_step(
    answer: Any, *, before: Any, after: Any, wanted: float, why: str, turn: Callable[[Array], Array] = np.array
) -> Iterator[Observation]:
    """Yield observations on a step whose overshoot can be worked out by hand.

    Args:
        answer: the function under check.
        before, after: the pre-activations.
        wanted: what is right.
        why: why this is tried.
        turn: makes the arrays that the function receives.
    """
    first, second = turn(before), turn(after)
    given = {"why": why, "before": np.array(first), "after": np.array(second)}
    yield about_to_try(given)
    yield Observation("κ", kept(answer(first, second)), wanted, given)
    for name, array in (("before", first), ("after", second)):
        yield Observation(f"the array {name}, which must stay as it was", array, given[name], given)


def _narrow(array: Any) -> Array:
    return np.array(array, dtype=np.float32)


def _by_columns(array: Any) -> Array:
    return np.array(array, order="F")


ONE, MOVED = [[1.0], [3.0]], [[2.0], [3.0]]
THREE = [[1.0, -2.0, 8.0], [3.0, -2.0, 8.0]]
MANY = numbers(9, 40, 10)

TRIES: tuple[dict[str, Any], ...] = (
    {"before": ONE, "after": MOVED, "wanted": 0.25, "why": "one output: moved by 0.5 on average, 2 from 0 on average"},
    {"before": [[2.0]], "after": [[-4.0]], "wanted": 3.0, "why": "one image: moved by 6, and 2 from 0"},
    {"before": ONE, "after": ONE, "wanted": 0.0, "why": "nothing moves"},
    {"before": ONE, "after": [[0.0], [0.0]], "wanted": 1.0, "why": "moved to 0"},
    {"before": [[1.0], [3.0]], "after": [[3.0], [1.0]], "wanted": 1.0, "why": "once up and once down: both are moves"},
    {"before": [[-2.0], [2.0]], "after": [[-1.0], [3.0]], "wanted": 0.5, "why": "on both sides of 0 before the step"},
    {"before": [[-1.0], [-3.0]], "after": [[-2.0], [-3.0]], "wanted": 0.25, "why": "below 0 on all images"},
    {"before": [[0.0], [4.0]], "after": [[2.0], [4.0]], "wanted": 0.5, "why": "exactly 0 on one image"},
    {"before": [[0.01], [3.99]], "after": [[1.01], [3.99]], "wanted": 0.25, "why": "close to 0 on one image"},
    {
        "before": THREE,
        "after": [[2.0, -4.0, 8.0], [4.0, -4.0, 8.0]],
        "wanted": 0.5,
        "why": "three outputs, of which the middle one in size has 0.5",
    },
    {
        "before": THREE,
        "after": [[101.0, -3.0, 9.0], [103.0, -3.0, 9.0]],
        "wanted": 0.5,
        "why": "one output moves far: the median does not follow it",
    },
    {
        "before": [[1.0, 2.0], [3.0, 2.0]],
        "after": [[2.0, -2.0], [3.0, 6.0]],
        "wanted": 1.125,
        "why": "two outputs: halfway between 0.25 and 2",
    },
    {
        "before": [[1.0, 10.0, 100.0]],
        "after": [[1.5, 11.0, 400.0]],
        "wanted": 0.5,
        "why": "each output beside its own distance from 0, not beside that of all",
    },
    {
        "before": [[4.0], [4.0], [4.0], [0.0]],
        "after": [[4.0], [4.0], [4.0], [6.0]],
        "wanted": 0.5,
        "why": "moved on one image of four: the mean over the images, not the value in the middle",
    },
    {"before": [[1.0] * 4], "after": [[2.0, 3.0, 4.0, 5.0]], "wanted": 2.5, "why": "four outputs"},
    {"before": [[5e5], [-7e5]], "after": [[8e5], [-7e5]], "wanted": 0.25, "why": "large pre-activations"},
    {"before": [[2e-9], [-2e-9]], "after": [[4e-9], [-2e-9]], "wanted": 0.5, "why": "small pre-activations"},
    {"before": MANY, "after": 1.5 * MANY, "wanted": 0.5, "why": "ten outputs, each moved by half of itself"},
    {"before": MANY, "after": -MANY, "wanted": 2.0, "why": "ten outputs, each moved to the other side"},
    {"before": ONE, "after": MOVED, "wanted": 0.25, "why": "float32", "turn": _narrow},
    {"before": THREE, "after": np.add(THREE, 1.0), "wanted": 0.5, "why": "memory by columns", "turn": _by_columns},
)

CASES = tuple(partial(try_step, **options) for options in TRIES)


def kappa_of_means(before: Array, after: Array) -> float:
    return float(np.median(np.abs((after - before).mean(axis=0)) / np.abs(before).mean(axis=0)))


def kappa_by_signed_size(before: Array, after: Array) -> float:
    return float(np.median(np.abs(after - before).mean(axis=0) / np.abs(before.mean(axis=0))))


def kappa_by_mean(before: Array, after: Array) -> float:
    return float(np.mean(np.abs(after - before).mean(axis=0) / np.abs(before).mean(axis=0)))


def kappa_at_most(before: Array, after: Array) -> float:
    return float(np.max(np.abs(after - before).mean(axis=0) / np.abs(before).mean(axis=0)))


def kappa_of_every_image(before: Array, after: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median((np.abs(after - before) / np.abs(before)).mean(axis=0)))


def kappa_along_images(before: Array, after: Array) -> float:
    return float(np.median(np.abs(after - before).mean(axis=1) / np.abs(before).mean(axis=1)))


def kappa_of_all_together(before: Array, after: Array) -> float:
    return float(np.abs(after - before).mean() / np.abs(before).mean())


def kappa_beside_after(before: Array, after: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median(np.abs(after - before).mean(axis=0) / np.abs(after).mean(axis=0)))


def kappa_of_medians(before: Array, after: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median(np.median(np.abs(after - before), axis=0) / np.median(np.abs(before), axis=0)))


def kappa_for_each(before: Array, after: Array) -> Array:
    return np.asarray(np.abs(after - before).mean(axis=0) / np.abs(before).mean(axis=0))


def kappa_of_sizes(before: Array, after: Array) -> float:
    sizes = np.abs(before).mean(axis=0)
    return float(np.median(np.abs(np.abs(after).mean(axis=0) - sizes) / sizes))


def kappa_in_place(before: Array, after: Array) -> float:
    after -= before
    return float(np.median(np.abs(after).mean(axis=0) / np.abs(before).mean(axis=0)))


RUBRIC = Rubric(
    library=overshoot.kappa,
    solution=kappa,
    cases=CASES,
    mistakes=(
        Mistake(kappa_for_each, "This is the overshoot of each output. κ is one number, the median over the outputs."),
        Mistake(
            kappa_along_images, "These are means along the wrong axis: rows are images, so a mean over them is axis=0."
        ),
        Mistake(
            kappa_of_means,
            "Moves up and down cancel here: take the absolute value of each move first, and the mean afterwards.",
        ),
        Mistake(
            kappa_by_signed_size,
            "Pre-activations above and below 0 cancel here. How far is |before|: absolute values before the mean.",
        ),
        Mistake(
            kappa_of_every_image,
            "This divides image by image, so that one pre-activation near 0 decides. Take both means, then divide.",
        ),
        Mistake(
            kappa_of_all_together,
            "This takes all outputs together, so that the largest decide. Each output has its own ratio.",
        ),
        Mistake(kappa_beside_after, "The move is compared with where it ends. Divide by the mean of |before|."),
        Mistake(
            kappa_of_sizes,
            "This compares how far the outputs are from 0 after the step and before. One that goes from 2 to -2 has "
            "moved by 4: take after - before.",
        ),
        Mistake(kappa_by_mean, "This is the mean over the outputs, which follows a single far one. Take their median."),
        Mistake(kappa_at_most, "This is the largest overshoot of an output. Take the median over the outputs."),
        Mistake(kappa_of_medians, "The median is for the outputs. Over the images it is a mean, above and below."),
        Mistake(kappa_in_place, "An array was changed that others still need: after - before makes a new one."),
    ),
    twins=(overshoot.measure_overshoot,),
)
