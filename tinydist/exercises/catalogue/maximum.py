"""Exercise maximum: the larger of two, with ties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result, unbroadcast


def check_maximum(maximum: Any) -> Iterator[Observation]:
    yield from ask_op_on(
        maximum,
        np.maximum,
        OpCase({"a": np.array([1.0, 5.0]), "b": np.array([4.0, 2.0])}, g=np.array([10.0, 100.0])),
        OpCase(
            {"a": np.array([3.0]), "b": np.array([3.0])},
            g=np.array([10.0]),
            gradients={"a": np.array([5.0]), "b": np.array([5.0])},
            note="a tie: each receives half",
        ),
        OpCase({"a": numbers(3, 2, 3), "b": np.array(0.3)}, note="b is copied to all six places"),
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


def maximum_without_unbroadcast(a: Array, b: Array) -> Result:
    return np.maximum(a, b), (lambda g: _share(a, b, g), lambda g: _share(b, a, g))


MAXIMUM = Exercise(
    name="maximum",
    title="the larger of two, with ties",
    library=ops.maximum,
    lesson="05_kinks",
    task="""
    The larger entry decides the value, so it alone receives g. Return (value, (rule for a, rule for b)).

    Look out: where the two are equal, each receives half, so that no gradient is lost and none is made up. And a and b
    may have different shapes that broadcast: unbroadcast(gradient, shape) undoes that.
    """,
    hints=(
        "The share of a is 1 where a > b, 0.5 where a == b and 0 elsewhere.",
        "(a > b) + 0.5 * (a == b) is that share. Multiply it with g, then unbroadcast.",
        "A share made of Booleans is float64: .astype(g.dtype) keeps float32 gradients float32.",
    ),
    check=check_maximum,
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
            maximum_without_unbroadcast,
            "The gradient has the shape of the value, not of the input: unbroadcast is missing.",
        ),
    ),
    gives=("unbroadcast",),
)
