"""Exercise catch_the_bug: a check of one rule, which is tried on planted bugs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist.exercises import relu_rule
from tinydist.exercises.catalogue import relu
from tinydist.exercises.probes import Array, raised
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.ops import Result


def catch_the_bug(op: Any) -> None:
    for dtype in (np.float64, np.float32):
        x: Array = np.array([-50, -1, 0, 1e-4, 1, 50], dtype=dtype)
        g = np.array([-3, 4, 5, 7, -6, 8], dtype=dtype)
        before = x.copy()
        value, (rule,) = op(x)
        gradient = rule(g)
        assert np.array_equal(value, np.maximum(before, 0))
        assert np.array_equal(gradient, np.where(before > 0, g, 0))
        assert value.dtype == dtype
        assert gradient.dtype == dtype
        assert np.array_equal(x, before)


def right_relu(x: Array) -> Result:
    positive = x > 0
    return np.where(positive, x, 0), (lambda g: np.where(positive, g, 0),)


def right_relu_by_products(x: Array) -> Result:
    return x * (x > 0), (lambda g: g * (x > 0),)


def relu_of_leaky_value(x: Array) -> Result:
    return np.where(x > 0, x, x.dtype.type(0.01) * x), (lambda g: np.where(x > 0, g, 0),)


def relu_clipped(x: Array) -> Result:
    return np.clip(x, 0, 6), (lambda g: np.where(x > 0, g, 0),)


def relu_dropping_negative_g(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, np.maximum(g, 0), 0),)


def relu_dropping_small_x(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 1e-3, g, 0),)


def relu_in_float64(x: Array) -> Result:
    return np.maximum(x.astype(np.float64), 0), (lambda g: np.where(x > 0, g, 0).astype(np.float64),)


def relu_in_float32(x: Array) -> Result:
    return np.maximum(x.astype(np.float32), 0), (lambda g: np.where(x > 0, g, 0).astype(np.float32),)


def relu_rule_in_float64(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, g, np.float64(0)),)


def relu_value_in_float64(x: Array) -> Result:
    return np.maximum(x, np.float64(0)), (lambda g: np.where(x > 0, g, 0),)


def relu_value_in_float32(x: Array) -> Result:
    return np.maximum(x, 0).astype(np.float32), (lambda g: np.where(x > 0, g, 0),)


def relu_rule_in_float32(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, g, 0).astype(np.float32),)


def relu_of_leaky_rule(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x < 0, g.dtype.type(0.01) * g, np.where(x > 0, g, 0)),)


def relu_of_absolute_g(x: Array) -> Result:
    return np.maximum(x, 0), (lambda g: np.where(x > 0, np.abs(g), 0),)


def relu_rule_in_place(x: Array) -> Result:
    def rule(g: Array) -> Array:
        gradient = np.where(x > 0, g, 0)
        x[...] = gradient
        return gradient

    return np.maximum(x, 0), (rule,)


BUGS: tuple[tuple[Callable[[Array], Result], str], ...] = (
    (relu_of_leaky_value, "leaks: its value below 0 is x / 100"),
    (relu_clipped, "clips its value at 6"),
    (relu.relu_passing_all, "has a rule that lets everything pass"),
    (relu.relu_without_g, "has a rule that gives the slope without g"),
    (relu.relu_times_value, "has a rule that multiplies g with the value"),
    (relu.relu_masking_by_g, "has a rule that cuts off negative g, instead of negative x"),
    (relu_dropping_negative_g, "has a rule that cuts off negative g as well"),
    (relu_of_absolute_g, "has a rule that loses the sign of g"),
    (relu_of_leaky_rule, "has a rule that leaks: below 0 it gives g / 100"),
    (relu.relu_one_at_the_kink, "has a rule that gives g at the kink, x = 0"),
    (relu.relu_half_at_the_kink, "has a rule that gives g / 2 at the kink, x = 0"),
    (relu_dropping_small_x, "has a rule that gives 0 for x up to 0.001"),
    (relu.relu_in_place, "changes x itself"),
    (relu_rule_in_place, "has a rule that changes x itself, when it is called"),
    (relu_in_float64, "turns float32 into float64"),
    (relu_value_in_float64, "turns float32 into float64 in its value only"),
    (relu_rule_in_float64, "has a rule that turns float32 into float64; its value keeps the dtype"),
    (relu_in_float32, "turns float64 into float32"),
    (relu_value_in_float32, "turns float64 into float32 in its value only"),
    (relu_rule_in_float32, "has a rule that turns float64 into float32; its value keeps the dtype"),
)
"""What a good check has to catch, in the order of trying."""


def under_one_name(op: Callable[..., Result]) -> Callable[..., Result]:
    """Return an op that does the same, and has a name by which nobody can tell right ops from wrong ones."""

    def op_under_check(*inputs: Any) -> Result:
        return op(*inputs)

    return op_under_check


def try_right(catch: Any, *, op: Callable[..., Result], words: str) -> Iterator[Observation]:
    """Yield the observation whether a check lets a right op pass."""
    given = {"op": words}
    yield about_to_try(given)
    yield Observation("the error", raised(lambda: catch(under_one_name(op)), AssertionError), "no error", given)


def try_bug(catch: Any, *, bug: Callable[[Array], Result], words: str) -> Iterator[Observation]:
    """Yield the observation whether a check catches a bug."""
    given = {"op": f"a relu that {words}"}
    yield about_to_try(given)
    error = raised(lambda: catch(under_one_name(bug)), AssertionError)
    yield Observation("the error", error, "AssertionError", given)


CASES = (
    partial(try_right, op=right_relu, words="relu, and nothing is wrong with it"),
    partial(try_right, op=right_relu_by_products, words="relu, written as x * (x > 0), and nothing is wrong with it"),
    *(partial(try_bug, bug=bug, words=words) for bug, words in BUGS),
    partial(try_right, op=right_relu, words="relu once more, after all others, and nothing is wrong with it"),
)

X = np.array([-50, -1, -1e-4, 0, 0, 1e-4, 1, 50])
G = np.array([-3.0, 4, 2, 5, -2, 7, -6, 8])


def _check(
    op: Any,
    x: Array = X,
    g: Array = G,
    dtypes: tuple[type, ...] = (np.float64, np.float32),
    *,
    on_copies: bool = False,
    value_dtype: bool = True,
    rule_dtype: bool = True,
) -> None:
    """Raise AssertionError unless the op and its rule are right on given numbers, in most respects."""
    for dtype in dtypes:
        x, g = x.astype(dtype), g.astype(dtype)
        before = x.copy()
        value, (rule,) = op(before if on_copies else x)
        gradient = rule(g)
        right = before if not on_copies else x
        assert np.array_equal(value, np.maximum(right, 0))
        assert np.array_equal(gradient, np.where(right > 0, g, 0))
        assert value.dtype == dtype or not value_dtype
        assert gradient.dtype == dtype or not rule_dtype
        assert np.array_equal(x, right)


def catch_all(op: Any) -> None:
    raise AssertionError(f"{op.__name__} is suspicious")


def catch_nothing(op: Any) -> None:
    op(X.copy())


def catch_by_another_error(op: Any) -> None:
    try:
        _check(op)
    except AssertionError as error:
        raise ValueError from error


def catch_by_value(op: Any) -> None:
    for dtype in (np.float64, np.float32):
        x = X.astype(dtype)
        before = x.copy()
        value, _ = op(x)
        assert np.array_equal(value, np.maximum(before, 0))
        assert value.dtype == dtype
        assert np.array_equal(x, before)


def catch_with_g_one(op: Any) -> None:
    _check(op, g=np.ones_like(X))


def catch_with_positive_g(op: Any) -> None:
    _check(op, g=np.abs(G))


def catch_off_the_kink(op: Any) -> None:
    _check(op, X[X != 0], G[X != 0])


def catch_without_large_x(op: Any) -> None:
    _check(op, np.clip(X, -2, 2))


def catch_without_small_x(op: Any) -> None:
    _check(op, np.where(np.abs(X) == 1e-4, 1e3 * X, X))


def catch_without_small_and_large_x(op: Any) -> None:
    _check(op, np.clip(np.where(np.abs(X) == 1e-4, 1e3 * X, X), -2, 2))


def catch_in_float64_only(op: Any) -> None:
    _check(op, dtypes=(np.float64,))


def catch_in_float32_only(op: Any) -> None:
    _check(op, dtypes=(np.float32,))


def catch_without_dtypes(op: Any) -> None:
    _check(op, np.where(np.abs(X) == 1e-4, 2**-13 * np.sign(X), X), value_dtype=False, rule_dtype=False)


def catch_by_dtype_of_value(op: Any) -> None:
    _check(op, rule_dtype=False)


def catch_by_dtype_of_gradient(op: Any) -> None:
    _check(op, value_dtype=False)


def catch_on_copies(op: Any) -> None:
    _check(op, on_copies=True)


def catch_before_the_rule(op: Any) -> None:
    for dtype in (np.float64, np.float32):
        x: Array = X.astype(dtype)
        g: Array = G.astype(dtype)
        before = x.copy()
        value, (rule,) = op(x)
        assert np.array_equal(x, before)
        gradient = rule(g)
        assert np.array_equal(value, np.maximum(before, 0))
        assert np.array_equal(gradient, np.where(before > 0, g, 0))
        assert value.dtype == gradient.dtype == dtype


RUBRIC = Rubric(
    library=relu_rule.assert_relu,
    solution=catch_the_bug,
    cases=CASES,
    mistakes=(
        Mistake(
            catch_all,
            "The right op is rejected, too, and a check that always complains tells nothing. Remember that the "
            "gradient at x = 0 is 0, by choice.",
        ),
        Mistake(
            catch_nothing,
            "Nothing is caught. A bug is reported by AssertionError, as a failing assert raises it; a check that "
            "returns False, prints, or catches its own error reports nothing.",
        ),
        Mistake(
            catch_by_another_error,
            "Bugs are caught, but not reported by AssertionError: a test fails by a failing assert, and other errors "
            "mean that the test itself is broken.",
        ),
        Mistake(catch_by_value, "Only the value is checked. Call the rule as well, and look at the gradient."),
        Mistake(catch_with_g_one, "With g = 1 it cannot be seen whether the rule uses g at all. Try other numbers."),
        Mistake(catch_with_positive_g, "All g tried are positive, so a rule that cuts off negative ones gets through."),
        Mistake(catch_off_the_kink, "Nothing is seen of the kink: try an x of exactly 0, with a g that is not 0."),
        Mistake(catch_without_large_x, "No large x is tried, so a value that is clipped gets through: try 50."),
        Mistake(
            catch_without_small_x,
            "No tiny x is tried, so a rule that takes it for 0 gets through: try 0.0001, or less.",
        ),
        Mistake(
            catch_without_small_and_large_x,
            "All x tried are of the usual size. What is wrong only for large or for tiny ones gets through: try 50 and "
            "0.0001.",
        ),
        Mistake(
            catch_on_copies,
            "An op that changes its input gets through. Compare the x you passed with a copy from before the call.",
        ),
        Mistake(
            catch_before_the_rule,
            "A rule that changes x gets through: x is compared before the rule has run. Compare it at the end.",
        ),
        Mistake(
            catch_in_float64_only,
            "What turns float32 into float64 gets through. Try float32 as well, and compare the dtypes.",
        ),
        Mistake(catch_in_float32_only, "What turns float64 into float32 gets through. Try float64 as well."),
        Mistake(
            catch_without_dtypes, "The numbers are compared, but not their dtype: np.array_equal does not look at it."
        ),
        Mistake(
            catch_by_dtype_of_value,
            "The dtype of the value is compared, but not that of the gradient.",
        ),
        Mistake(
            catch_by_dtype_of_gradient,
            "The dtype of the gradient is compared, but not that of the value.",
        ),
    ),
)
