"""Exercise predict_the_gradient: numbers before code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from tinydist.exercises import by_hand
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.tensor import Tensor

Numbers = dict[str, float]


def predict_the_gradient() -> Numbers:
    return {
        "relu2_v": -16,
        "relu2_w": 4,
        "relu2_v_at_the_kink": 0,
        "abs2_v": 12,
        "abs2_w": 20,
        "offset_l2_mu": 7,
        "offset_l2_alpha": -4.5,
    }


SLIPS: dict[str, dict[float, str]] = {
    "relu2_v": {
        16: "the sign is that of a step downhill, not of the gradient; or the sign of g was lost",
        4: "g is missing: this is the slope alone",
        0: "this is 0 only for a ReLU that is off; this output is 1, so it is on",
        -64: "g was multiplied with h more than once",
        -4: "h is missing: v is multiplied with h, so its gradient is g times h",
    },
    "relu2_w": {
        -4: "a sign was lost: v is below 0, and so is g",
        -8: "v is missing: on the way back to w, g goes through v",
        2: "x is missing: w is multiplied with x, so x is a factor",
        -1: "g is missing: this is the slope alone",
        0: "this is 0 only for a ReLU that is off; both are on here",
        -32: "that is g times h times x; on the way back to w it is v that counts, not h",
    },
    "relu2_v_at_the_kink": {
        -16: "the last ReLU gets exactly 0 here, and the gradient at its kink is 0, by choice",
        -8: "one half is another choice for the kink; here it is 0",
    },
    "abs2_v": {
        -12: "a sign is missing: the last Abs gets a number below 0, and its slope there is -1",
        -3: "g is missing: this is the slope alone",
        3: "g is missing, and the sign of the last Abs as well",
        0: "Abs lets the gradient through on both sides; it is a ReLU that would cut it off",
        4: "h is missing: v is multiplied with h, so its gradient has h as a factor",
        36: "h was used twice",
    },
    "abs2_w": {
        -20: "one of the signs is missing: both Abs get a number below 0, and the slope of each is -1 there",
        -8: "v is missing: on the way back to w, the gradient goes through v",
        8: "v is missing, and one of the signs",
        10: "x is missing: w is multiplied with x, so x is a factor",
        -5: "g is missing: this is the slope alone",
        5: "g is missing, and one of the signs",
        0: "Abs lets the gradient through on both sides; it is a ReLU that would cut it off",
    },
    "offset_l2_mu": {
        -7: "this is the gradient of h: with the prototype nearer to h the distance is smaller, so the sign differs",
        1: "alpha is missing: it weights the squared difference",
        28: "the distance is missing: the root's derivative divides by it",
        14: "the root's derivative is 1 / (2 d), and its 2 cancels the one from the square",
        3.5: "the 1/2 of the root was used, but not the 2 of the square, which cancels it",
        49: "alpha was squared, as in the paper's form; here it multiplies the squared difference as it is",
        -1.75: "g is missing: this is the slope alone",
        1.75: "g is missing, and the sign is flipped",
        3: "this is the gradient of the first entry of mu; the second one is asked for",
    },
    "offset_l2_alpha": {
        -9: "the 1/2 is missing: the root's derivative is 1 / (2 d), and nothing cancels its 2 here",
        4.5: "the sign is flipped: g is below 0, and a larger alpha makes the distance larger",
        -18: "the distance is missing: the root's derivative is 1 / (2 d)",
        -36: "1 / (2 d), the root's derivative, is missing",
        1.125: "g is missing: this is the slope alone",
        -1.5: "the difference is not squared: alpha multiplies its square",
        -0.5: "this is the gradient of the second entry of alpha; the first one is asked for",
    },
}
"""Wrong numbers by what they come from."""

RIGHT = "a number that is right"


def try_number(answer: Any, *, name: str) -> Iterator[Observation]:
    """Yield the observation whether a number is right; which one would be is not said."""
    given = {"number": name}
    yield about_to_try(given)
    result = answer()
    what = "a dict" if isinstance(result, dict) else f"something of type {type(result).__name__}"
    yield Observation("what comes back", what, "a dict", given)
    yield Observation("the number", judged(name, result.get(name)), RIGHT, given)


def judged(name: str, number: Any) -> str:
    """Return in words whether a number is right, and if it is not, what it comes from."""
    if number is None:
        return "none: it is missing in the dict"
    if not isinstance(number, Real) and not (isinstance(number, np.ndarray) and number.ndim == 0):
        return f"{number!r} is not a number"
    value = float(number)
    if np.isclose(value, predict_the_gradient()[name], rtol=1e-6, atol=1e-9):
        return RIGHT
    if np.isnan(value):
        return "nan is not right"
    slips = [says for wrong, says in SLIPS[name].items() if np.isclose(value, wrong, rtol=1e-6, atol=1e-9)]
    return f"{value:g} is not right" + (f"; {slips[0]}" if slips else "")


CASES = tuple(partial(try_number, name=name) for name in SLIPS)


def numbers_downhill() -> Numbers:
    return {name: -number for name, number in predict_the_gradient().items()}


def numbers_without_g() -> Numbers:
    return {name: number / by_hand.G for name, number in predict_the_gradient().items()}


def numbers_with_slope_1_at_the_kink() -> Numbers:
    return predict_the_gradient() | {"relu2_v_at_the_kink": -16}


def numbers_with_half_a_slope_at_the_kink() -> Numbers:
    return predict_the_gradient() | {"relu2_v_at_the_kink": -8}


def numbers_without_the_sign_of_abs() -> Numbers:
    return predict_the_gradient() | {"abs2_v": -12}


def numbers_with_one_sign_of_abs() -> Numbers:
    return predict_the_gradient() | {"abs2_w": -20}


def numbers_with_relu_for_abs() -> Numbers:
    return predict_the_gradient() | {"abs2_v": 0, "abs2_w": 0}


def numbers_without_v() -> Numbers:
    return predict_the_gradient() | {"relu2_w": -8, "abs2_w": -8}


def numbers_without_x() -> Numbers:
    return predict_the_gradient() | {"relu2_w": 2, "abs2_w": 10}


def numbers_without_one_half() -> Numbers:
    return predict_the_gradient() | {"offset_l2_alpha": -9}


def numbers_with_the_sign_of_h() -> Numbers:
    return predict_the_gradient() | {"offset_l2_mu": -7}


def numbers_without_the_root() -> Numbers:
    return predict_the_gradient() | {"offset_l2_mu": 28, "offset_l2_alpha": -18}


RUBRIC = Rubric(
    library=by_hand.gradients_of_tiny_outputs,
    solution=predict_the_gradient,
    cases=CASES,
    mistakes=(
        Mistake(
            numbers_downhill,
            "All signs are flipped: these are steps that lower the loss. The gradient points to where it grows.",
        ),
        Mistake(numbers_without_g, "g is missing everywhere: the chain rule begins with what arrives, g = -4."),
        Mistake(
            numbers_with_slope_1_at_the_kink,
            "Only the kink is not right. At exactly 0 the library gives ReLU the slope 0, not 1.",
        ),
        Mistake(
            numbers_with_half_a_slope_at_the_kink,
            "Only the kink is not right. At exactly 0 the library gives ReLU the slope 0, not one half.",
        ),
        Mistake(
            numbers_without_the_sign_of_abs,
            "The last Abs gets -7, where its slope is -1. For w, two such signs cancel, so that it is right without.",
        ),
        Mistake(numbers_with_one_sign_of_abs, "On the way to w there are two Abs, both with a slope of -1."),
        Mistake(
            numbers_with_relu_for_abs,
            "The gradient was cut off, as by a ReLU. Abs has the slope -1 below 0: it flips the sign.",
        ),
        Mistake(numbers_without_v, "A factor of the chain is missing: on the way back to w, g is multiplied with v."),
        Mistake(numbers_without_x, "The last factor of the chain is missing: w is multiplied with x = 2."),
        Mistake(
            numbers_without_one_half,
            "Only the 1/2 is missing. The root's derivative is 1 / (2 d). For mu its 2 cancels that of the square, "
            "for alpha there is no square to cancel it.",
        ),
        Mistake(
            numbers_with_the_sign_of_h,
            "Only the sign of mu is not right. When the prototype moves towards h, the distance becomes smaller.",
        ),
        Mistake(
            numbers_without_the_root,
            "The root is forgotten in OffsetL2: its derivative divides by the distance, which is 4.",
        ),
    ),
    twins=(Tensor.backward,),
)
