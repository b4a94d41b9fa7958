"""Exercise catch_the_distance_bug: a check of an op with three rules, which is tried on planted bugs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises import distance_rule
from tinydist.exercises.catalogue.catch_the_bug import try_right, under_one_name
from tinydist.exercises.probes import Array, raised
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.ops import Result

Op = Callable[..., Result]


def catch_the_distance_bug(op: Any) -> None:
    x = np.array([[5, 1], [2, 4], [2, 3], [-1, 2]])
    center = np.array([[2, 4], [1, -1]])
    weight = np.array([[2, 0.5], [1, -3]])
    g = np.array([[-2, 3], [4, -5], [6, 7], [-8, 9]])
    difference = x[:, None] - center
    squared = np.sum(weight * difference**2, axis=2)
    for floor in (0.0, 0.75):
        above = squared > floor
        distance = np.sqrt(np.where(above, squared, floor))
        u = np.where(above, g / np.where(above, distance, 1), 0)
        expected = (
            np.einsum("bc,cf,bcf->bf", u, weight, difference),
            -np.einsum("bc,cf,bcf->cf", u, weight, difference),
            np.einsum("bc,bcf->cf", u, difference**2) / 2,
        )
        for dtype in (np.float64, np.float32):
            value, rules = op(x.astype(dtype), center.astype(dtype), weight.astype(dtype), floor)
            assert np.allclose(value, distance)
            assert value.dtype == dtype
            for rule, truth in zip(rules, expected, strict=True):
                gradient = rule(g.astype(dtype))
                assert np.allclose(gradient, truth)
                assert gradient.dtype == dtype


def _op(
    x: Array,
    center: Array,
    weight: Array,
    floor: float = 0.0,
    *,
    value: Callable[[Array, float], Array] | None = None,
    flat: Callable[[Array, float], Array] | None = None,
    by: Callable[[Array, Array], Array] = np.divide,
    square_weight: bool = False,
    factors: tuple[float, float, float] = (1.0, -1.0, 0.5),
    weighted_x: bool = True,
    mean: bool = False,
) -> Result:
    """Return the value and the rules, in which one thing may be wrong.

    Args:
        x, center, weight, floor: of the op.
        value: the value, from the squared distances and the floor; right where it is None.
        flat: where the gradient is 0, from the same; right where it is None.
        by: makes u of g and the distance.
        square_weight: whether the weight is squared.
        factors: of the three gradients.
        weighted_x: whether the weight is in the gradient of x.
        mean: whether the gradient of center is a mean over the batch.
    """
    difference = x[:, None] - center
    w = weight * weight if square_weight else weight
    squared = np.sum(w * difference**2, axis=2)
    distance = np.sqrt(np.maximum(squared, squared.dtype.type(floor)))
    silent = squared <= floor if flat is None else flat(squared, floor)

    def pull(g: Array) -> Array:
        return np.where(silent, 0, by(g, np.where(silent, 1, distance)))

    return distance if value is None else value(squared, floor), (
        lambda g: factors[0] * np.einsum("bc,cf,bcf->bf", pull(g), w if weighted_x else np.ones_like(w), difference),
        lambda g: factors[1] * np.einsum("bc,cf,bcf->cf", pull(g), w, difference) / (len(x) if mean else 1),
        lambda g: factors[2] * np.einsum("bc,bcf->cf", pull(g), difference**2),
    )


def distance_by_arrays(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x, center, weight, floor)


def distance_by_loops(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    squared = np.stack([(x - c) ** 2 @ w for c, w in zip(center, weight, strict=True)], axis=1)
    distance = np.sqrt(np.maximum(squared, squared.dtype.type(floor)))

    def pull(g: Array) -> Array:
        return np.where(squared > floor, g / np.where(squared > floor, distance, 1), 0)

    def sums(g: Array, term: Callable[[Array, int], Array]) -> Array:
        return np.stack([term(u, j) for j, u in enumerate(pull(g).T)])

    return distance, (
        lambda g: sums(g, lambda u, j: u[:, None] * weight[j] * (x - center[j])).sum(axis=0),
        lambda g: sums(g, lambda u, j: -weight[j] * (u @ (x - center[j]))),
        lambda g: sums(g, lambda u, j: u @ (x - center[j]) ** 2) / 2,
    )


def _wrong(**faults: Any) -> Op:
    """Return an op in which one thing is wrong, of the same name as the right one."""

    def weighted_distance(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
        return _op(x, center, weight, floor, **faults)

    return weighted_distance


def _in_float64(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    return _op(x.astype(np.float64), center, weight, floor)


def _value_in_float64(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, rules = _op(x, center, weight, floor)
    return value.astype(np.float64), rules


def _in_float32(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, rules = _op(x.astype(np.float32), center.astype(np.float32), weight.astype(np.float32), floor)
    return value, tuple(lambda g, rule=rule: rule(g).astype(np.float32) for rule in rules)


def _rule_in_float64(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, (by_x, by_center, by_weight) = _op(x, center, weight, floor)
    return value, (by_x, by_center, lambda g: by_weight(g) * np.float64(1))


def _value_in_float32(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, rules = _op(x, center, weight, floor)
    return value.astype(np.float32), rules


def _rule_in_float32(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, (by_x, by_center, by_weight) = _op(x, center, weight, floor)
    return value, (by_x, by_center, lambda g: by_weight(g).astype(np.float32))


def _without_g(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, rules = _op(x, center, weight, floor)
    return value, tuple(lambda g, rule=rule: rule(np.ones_like(g)) for rule in rules)


def _same_for_all_points(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    value, (by_x, *others) = _op(x, center, weight, floor)
    return value, (lambda g: np.broadcast_to(by_x(g).mean(axis=0), x.shape), *others)


def _root(squared: Array, floor: float) -> Array:
    return np.sqrt(np.maximum(squared, squared.dtype.type(floor)))


BUGS: tuple[tuple[Op, str], ...] = (
    (_wrong(value=lambda s, floor: np.maximum(s, s.dtype.type(floor))), "gives squared distances"),
    (_wrong(value=lambda s, _floor: np.sqrt(np.maximum(s, 0))), "has no floor in its value"),
    (
        _wrong(value=lambda s, floor: np.maximum(np.sqrt(np.maximum(s, 0)), s.dtype.type(floor))),
        "takes the floor for one of the distance, not of its square",
    ),
    (_wrong(value=lambda s, floor: _root(np.abs(s), floor)), "takes a sum below 0 as if it were above"),
    (_wrong(square_weight=True), "squares the weight"),
    (_wrong(weighted_x=False), "has no weight in the gradient of x"),
    (_wrong(factors=(-1, -1, 0.5)), "has the wrong sign in the gradient of x"),
    (_wrong(factors=(1, 1, 0.5)), "has the wrong sign in the gradient of center"),
    (_wrong(factors=(1, -1, 1)), "lacks the 1/2 in the gradient of weight"),
    (_wrong(factors=(2, -2, 0.5)), "has gradients of x and center that are twice as large"),
    (_wrong(by=lambda g, _d: g), "has rules that do not divide by the distance"),
    (
        _wrong(by=lambda g, d: g / (d + d.dtype.type(0.1))),
        "has rules that divide by the distance plus 0.1, lest they divide by 0",
    ),
    (_same_for_all_points, "gives all points the same gradient, the mean of theirs"),
    (_wrong(mean=True), "averages the gradient of center over the batch"),
    (_without_g, "has rules that do not use g"),
    (_wrong(by=lambda g, d: np.maximum(g, 0) / d), "has rules that cut off negative g"),
    (_wrong(flat=lambda s, floor: s < floor), "divides by 0 at a centre if the floor is 0: its gradient is nan"),
    (_wrong(flat=lambda s, _floor: s == 0), "has a gradient below the floor, where there should be none"),
    (_in_float64, "turns float32 into float64"),
    (_value_in_float64, "turns float32 into float64 in its value only"),
    (_rule_in_float64, "turns float32 into float64 in the gradient of weight only"),
    (_in_float32, "turns float64 into float32"),
    (_value_in_float32, "turns float64 into float32 in its value only"),
    (_rule_in_float32, "turns float64 into float32 in the gradient of weight only"),
)
"""What a good check has to catch, in the order of trying."""


def try_bug(catch: Any, *, bug: Op, words: str) -> Iterator[Observation]:
    """Yield the observation whether a check catches a bug."""
    given = {"op": f"a weighted distance that {words}"}
    yield about_to_try(given)
    error = raised(lambda: catch(under_one_name(bug)), AssertionError)
    yield Observation("the error", error, "AssertionError", given)


CASES = (
    partial(try_right, op=distance_by_arrays, words="a weighted distance, and nothing is wrong with it"),
    partial(try_right, op=distance_by_loops, words="a weighted distance in loops, and nothing is wrong with it"),
    *(partial(try_bug, bug=bug, words=words) for bug, words in BUGS),
    partial(try_right, op=distance_by_arrays, words="a weighted distance, once more, and nothing is wrong with it"),
)

X = np.array([[5.0, 1], [2, 4], [2, 3], [-1, 2]])
CENTER, WEIGHT = np.array([[2.0, 4], [1, -1]]), np.array([[2, 0.5], [1, -3]])
G = np.array([[-2.0, 3], [4, -5], [6, 7], [-8, 9]])
ALL = slice(None)


def _check(
    op: Any,
    *,
    rows: slice = ALL,
    weight: Array = WEIGHT,
    g: Array = G,
    floors: tuple[float, ...] = (0.0, 0.75),
    dtypes: tuple[type, ...] = (np.float64, np.float32),
    rules_too: bool = True,
    dtypes_too: bool = True,
) -> None:
    """Raise AssertionError unless the op is right on given numbers, in most respects."""
    for floor in floors:
        truth, true_rules = _op(X[rows], CENTER, weight, floor)
        for dtype in dtypes:
            value, rules = op(*(a.astype(dtype) for a in (X[rows], CENTER, weight)), floor)
            assert np.allclose(value, truth)
            assert value.dtype == dtype or not dtypes_too
            for rule, true_rule in zip(rules if rules_too else (), true_rules, strict=False):
                gradient = rule(g[rows].astype(dtype))
                assert np.allclose(gradient, true_rule(g[rows]))
                assert gradient.dtype == dtype or not dtypes_too


def catch_all(op: Any) -> None:
    raise AssertionError(f"{op} is suspicious")


def catch_nothing(op: Any) -> None:
    op(X, CENTER, WEIGHT, 0.0)


def catch_by_value(op: Any) -> None:
    _check(op, rules_too=False)


def catch_off_the_centers(op: Any) -> None:
    _check(op, rows=slice(0, 1), weight=np.abs(WEIGHT))


def catch_without_floor(op: Any) -> None:
    _check(op, floors=(0.0,))


def catch_with_floor_only(op: Any) -> None:
    _check(op, floors=(0.75,))


def catch_without_negative_sums(op: Any) -> None:
    _check(op, weight=np.abs(WEIGHT))


def catch_with_positive_g(op: Any) -> None:
    _check(op, g=np.abs(G))


def catch_with_g_one(op: Any) -> None:
    _check(op, g=np.ones_like(G))


def catch_one_point(op: Any) -> None:
    for row in range(len(X)):
        _check(op, rows=slice(row, row + 1))


def catch_in_float64_only(op: Any) -> None:
    _check(op, dtypes=(np.float64,))


def catch_in_float32_only(op: Any) -> None:
    _check(op, dtypes=(np.float32,))


def catch_without_dtypes(op: Any) -> None:
    _check(op, dtypes_too=False)


RUBRIC = Rubric(
    library=distance_rule.assert_weighted_distance,
    solution=catch_the_distance_bug,
    cases=CASES,
    mistakes=(
        Mistake(
            catch_all,
            "The right op is rejected, too, and a check that always complains tells nothing. Where sums are added in "
            "another order, the last digits differ: compare with np.allclose, not for equality.",
        ),
        Mistake(
            catch_nothing,
            "Nothing is caught. A bug is reported by AssertionError, as a failing assert raises it; a check that "
            "returns False, prints, or catches its own error reports nothing.",
        ),
        Mistake(catch_by_value, "Only the value is checked. Call the three rules as well, and look at the gradients."),
        Mistake(
            catch_off_the_centers,
            "All is tried at a single point that is far from the centres and from the floor. Add a point on a centre, "
            "one below the floor, and a weight below 0.",
        ),
        Mistake(catch_without_floor, "No floor but 0 is tried, so an op that makes nothing of its floor gets through."),
        Mistake(
            catch_with_floor_only,
            "No floor of 0 is tried, so an op that divides by 0 on a centre gets through.",
        ),
        Mistake(
            catch_without_negative_sums,
            "All weights tried are positive, and so are the sums. A weight below 0 can make a sum negative.",
        ),
        Mistake(catch_with_positive_g, "All g tried are positive, so a rule that cuts off negative ones gets through."),
        Mistake(catch_with_g_one, "With g = 1 it cannot be seen whether a rule uses g at all. Try other numbers."),
        Mistake(
            catch_one_point,
            "Only single points are tried. The gradient of center is a sum over the batch; whether it is one is seen "
            "with several points at once.",
        ),
        Mistake(
            catch_in_float64_only,
            "What turns float32 into float64 gets through. Try float32 as well, and compare the dtypes.",
        ),
        Mistake(catch_in_float32_only, "What turns float64 into float32 gets through. Try float64 as well."),
        Mistake(
            catch_without_dtypes, "The numbers are compared, but not their dtype: np.allclose does not look at it."
        ),
    ),
    twins=(ops.weighted_distance,),
)
