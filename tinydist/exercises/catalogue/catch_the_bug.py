"""Exercise catch_the_bug: a check of one rule, which is tried on planted bugs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinydist.exercises.catalogue import relu
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array, raised
from tinydist.exercises.relu_rule import assert_relu
from tinydist.ops import Result


def right_relu(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, g, 0),)


def relu_of_leaky_value(x: Array) -> Result:
    return np.where(x > 0, x, x.dtype.type(0.01) * x), (lambda g: np.where(x > 0, g, 0),)


def relu_dropping_negative_g(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, np.maximum(g, 0), 0),)


def relu_in_float64(x: Array) -> Result:
    return np.maximum(x.astype(np.float64), 0), (lambda g: np.where(x > 0, g, 0).astype(np.float64),)


BUGS: tuple[tuple[Callable[[Array], Result], str], ...] = (
    (relu_of_leaky_value, "leaks: its value below 0 is x / 100"),
    (relu.relu_passing_all, "has a rule that lets everything pass"),
    (relu.relu_without_g, "has a rule that gives the slope without g"),
    (relu.relu_times_value, "has a rule that multiplies g with the value"),
    (relu.relu_masking_by_g, "has a rule that cuts off negative g, instead of negative x"),
    (relu_dropping_negative_g, "has a rule that cuts off negative g as well"),
    (relu.relu_one_at_the_kink, "has a rule that gives g at the kink, x = 0"),
    (relu.relu_half_at_the_kink, "has a rule that gives g / 2 at the kink, x = 0"),
    (relu.relu_in_place, "changes x itself"),
    (relu_in_float64, "turns float32 into float64"),
)
"""What a good check has to catch, in the order of trying."""


def check_catch_the_bug(catch: Any) -> Iterator[Observation]:
    given = {"op": "relu, and nothing is wrong with it"}
    yield about_to_try(given)
    yield Observation("the error", raised(lambda: catch(right_relu), AssertionError), "no error", given)
    for bug, words in BUGS:
        given = {"op": f"a relu that {words}"}
        yield about_to_try(given)
        error = raised(lambda bug=bug: catch(bug), AssertionError)  # type: ignore[misc]
        yield Observation("the error", error, "AssertionError", given)


def _catch(op: Any, x: Array, g: Array) -> None:
    """Raise AssertionError unless the op and its rule are right on given numbers."""
    value, (rule,) = op(x.copy())
    assert np.array_equal(value, np.maximum(x, 0))
    assert np.array_equal(rule(g), np.where(x > 0, g, 0))


def catch_all(op: Any) -> None:
    raise AssertionError(f"{op.__name__} is suspicious")


def catch_by_value(op: Any) -> None:
    value, _ = op(np.array([-1.0, 0.0, 2.0]))
    assert np.array_equal(value, np.array([0.0, 0.0, 2.0]))


def catch_with_g_one(op: Any) -> None:
    _catch(op, np.array([-1.0, 0.0, 1.0]), np.ones(3))


def catch_with_positive_g(op: Any) -> None:
    _catch(op, np.array([-1.0, 0.0, 2.0]), np.array([10.0, 20.0, 30.0]))


def catch_off_the_kink(op: Any) -> None:
    _catch(op, np.array([-1.0, 2.0]), np.array([-10.0, -20.0]))
    _catch(op, np.array([-1.0, 2.0]), np.array([10.0, 20.0]))


def catch_in_float64_only(op: Any) -> None:
    x = np.array([-1.0, 0.0, 2.0])
    before = x.copy()
    op(x)
    assert np.array_equal(x, before)
    _catch(op, before, np.array([10.0, 20.0, -30.0]))


def catch_on_copies(op: Any) -> None:
    _catch(op, np.array([-1.0, 0.0, 2.0]), np.array([10.0, 20.0, -30.0]))


CATCH_THE_BUG = Exercise(
    name="catch_the_bug",
    title="a check that catches every planted bug",
    library=assert_relu,
    lesson="13_judging_a_claim",
    task="""
    You are given ops that claim to be relu. Accept the right one, and raise AssertionError for each of the wrong ones:
    they are wrong in their value, in their rule, at the kink, in what they do to x, or in their dtype.

    Look out: a check is as good as the numbers it tries. gradcheck cannot help at the kink, where there is no slope.
    """,
    hints=(
        "Try x below, at and above 0, each with g of either sign, and never g = 1.",
        "Compare with np.maximum(x, 0) and np.where(x > 0, g, 0); keep a copy of x from before the call.",
        "Do it all in float64 and in float32, and compare dtypes.",
    ),
    check=check_catch_the_bug,
    mistakes=(
        Mistake(
            catch_all,
            "The right op is rejected, too, and a check that always complains tells nothing. Remember that the "
            "gradient at x = 0 is 0, by choice.",
        ),
        Mistake(catch_by_value, "Only the value is checked. Call the rule as well, and look at the gradient."),
        Mistake(catch_with_g_one, "With g = 1 it cannot be seen whether the rule uses g at all. Try other numbers."),
        Mistake(catch_with_positive_g, "All g tried are positive, so a rule that cuts off negative ones gets through."),
        Mistake(catch_off_the_kink, "The kink is not tried: give it an x of exactly 0."),
        Mistake(
            catch_on_copies,
            "An op that changes its input gets through. Compare the x you passed with a copy from before the call.",
        ),
        Mistake(catch_in_float64_only, "Only float64 is tried. Ops must keep the dtype: try float32 as well."),
    ),
)
