"""Exercise maximum: the larger of two, with ties."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, Asked, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Case, Mistake, Rubric
from tinydist.ops import Result, unbroadcast
from tinydist.tensor import Tensor


def maximum(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (
        lambda g: unbroadcast(g * np.heaviside(a - b, 0.5), a.shape),
        lambda g: unbroadcast(g * np.heaviside(b - a, 0.5), b.shape),
    )


G = np.array([10.0])
ROUND = np.array([[1.0, -2.0, 0.0], [-2.0, 3.0, 0.0]])

CASES: tuple[Case, ...] = (
    *op_cases(
        maximum,
        OpCase({"a": np.array([5.0]), "b": np.array([2.0])}, g=G),
        OpCase({"a": np.array([2.0]), "b": np.array([5.0])}, g=G),
        OpCase({"a": np.array([-5.0]), "b": np.array([-2.0])}, g=-G, why="negative numbers, and a negative g"),
        OpCase({"a": np.array([3.0]), "b": np.array([3.0])}, g=G, why="a tie: each receives half"),
        OpCase({"a": np.array([-3.0]), "b": np.array([-3.0])}, g=-G, why="a tie, and a negative g"),
        OpCase({"a": np.array([0.0]), "b": np.array([0.0])}, g=G, why="a tie of zeros"),
        OpCase({"a": np.array([0.0]), "b": np.array([-0.0])}, g=G, why="zero with a minus sign ties with zero"),
        OpCase({"a": np.array([1.0, 5.0, -7.0]), "b": np.array([4.0, 2.0, -7.0])}, why="each entry by itself"),
        OpCase(
            {
                "a": np.array([1e-9, 2e-9, 1e-9, 1e-30, 0.0, 1e-30]),
                "b": np.array([2e-9, 1e-9, -1e-9, 2e-30, 1e-30, 0.0]),
            },
            why="a small difference is no tie",
            atol=0,
        ),
        OpCase(
            {"a": np.array([1.0, 1.000001, 3e4]), "b": np.array([1.000001, 1.0, 3.0001e4])},
            why="a small difference is no tie",
            atol=0,
        ),
        OpCase(
            {
                "a": np.array([1e20, 1e-20, 1e20, 2e-20, 1e-20, 1e-20]),
                "b": np.array([1e5, 1e20, 1e20, 1e-20, 2e-20, 1e-20]),
            },
            g=np.array([1e15, 1e15, 1e15, -1e-15, -1e-15, -1e-15]),
            why="large and small numbers",
            atol=0,
        ),
        OpCase({"a": ROUND[0], "b": np.array(-2.0)}, why="b is copied to all three places, and ties in one"),
        OpCase({"a": np.array(0.0), "b": ROUND[1]}, why="a is copied to all three places, and ties in one"),
        OpCase({"a": numbers(3, 2, 3), "b": np.array(0.3)}, why="b is copied to all six places"),
        OpCase({"a": ROUND, "b": np.array([[-2.0], [0.0]])}, why="b is copied along the rows, with ties"),
        OpCase({"a": ROUND[:, :1], "b": ROUND[1]}, why="both are copied, along different axes, with ties"),
        OpCase({"a": numbers(4, 3, 3), "b": numbers(5, 3)}, why="b is copied to all three rows"),
        OpCase({"a": numbers(6, 3, 1), "b": numbers(7, 3, 3)}, why="a is copied along the rows"),
        OpCase({"a": numbers(8, 1, 1), "b": numbers(9, 1)}, why="axes of size 1 that nothing was copied along"),
        OpCase(
            {"a": numbers(10, 4, 1, 3).round(), "b": numbers(11, 2, 1).round()}, why="several axes, copied and added"
        ),
    ),
    # in float64 only: float32 cannot tell such numbers apart
    Asked(
        maximum,
        OpCase(
            {"a": np.array([1.0, 3.0 + 1e-14]), "b": np.array([1.0 + 1e-14, 3.0])}, why="as near to a tie as can be"
        ),
    ),
)


def _share(winner: Array, loser: Array, g: Array, tie: float = 0.5) -> Array:
    return (g * ((winner > loser) + tie * (winner == loser))).astype(g.dtype)


def maximum_first_wins(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (
        lambda g: unbroadcast(_share(a, b, g, 1), a.shape),
        lambda g: unbroadcast(_share(b, a, g, 0), b.shape),
    )


def maximum_both_win(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (
        lambda g: unbroadcast(_share(a, b, g, 1), a.shape),
        lambda g: unbroadcast(_share(b, a, g, 1), b.shape),
    )


def maximum_neither_wins(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (
        lambda g: unbroadcast(_share(a, b, g, 0), a.shape),
        lambda g: unbroadcast(_share(b, a, g, 0), b.shape),
    )


def maximum_to_the_smaller(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (
        lambda g: unbroadcast(_share(b, a, g), a.shape),
        lambda g: unbroadcast(_share(a, b, g), b.shape),
    )


def maximum_of_nearly_equal(a: Array, b: Array) -> Result:
    def share(g: Array, winner: Array, loser: Array) -> Array:
        return np.where(np.isclose(a, b), g / 2, np.where(winner > loser, g, 0))

    return np.maximum(a, b), (
        lambda g: unbroadcast(share(g, a, b), a.shape),
        lambda g: unbroadcast(share(g, b, a), b.shape),
    )


def maximum_without_unbroadcast(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (lambda g: _share(a, b, g), lambda g: _share(b, a, g))


RUBRIC = Rubric(
    library=ops.maximum,
    solution=maximum,
    cases=CASES,
    mistakes=(
        Mistake(
            maximum_to_the_smaller, "The gradient goes to the smaller entry, which has no influence on the maximum."
        ),
        Mistake(maximum_first_wins, "Where a and b tie, a receives everything. Each should receive half."),
        Mistake(
            maximum_both_win, "Where a and b tie, both receive all of g: twice what arrived. Each should receive half."
        ),
        Mistake(maximum_neither_wins, "Where a and b tie, neither receives anything. Each should receive half."),
        Mistake(
            maximum_of_nearly_equal,
            "Numbers that are nearly equal count as equal. However small the difference, only the larger one decides.",
        ),
        Mistake(
            maximum_without_unbroadcast,
            "The gradient has the shape of the value, not of the input: unbroadcast is missing.",
        ),
    ),
    gives=("unbroadcast",),
    twins=(
        Tensor.backward,
        ops.max,
    ),
)
