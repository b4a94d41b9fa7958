"""Exercise matmul: a matrix product and its two gradient rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.kernels import dense
from tinydist.ops import Result, unbroadcast


def check_matmul(matmul: Any) -> Iterator[Observation]:
    yield from ask_op_on(
        matmul,
        np.matmul,
        OpCase({"a": numbers(1, 2, 2), "b": numbers(2, 2, 2)}),
        OpCase({"a": numbers(3, 1, 3), "b": numbers(4, 3, 2)}),
        OpCase({"a": numbers(5, 2, 1, 2), "b": numbers(6, 2, 2, 2)}, note="two products at once, one for each matrix"),
        OpCase({"a": numbers(7, 1, 2), "b": numbers(8, 3, 2, 2)}, note="a takes part in three products"),
    )


def matmul_untransposed(a: Array, b: Array) -> Result:
    return a @ b, (lambda g: unbroadcast(g @ b, a.shape), lambda g: unbroadcast(a @ g, b.shape))


def matmul_transposing_g(a: Array, b: Array) -> Result:
    return a @ b, (
        lambda g: unbroadcast(np.swapaxes(g, -1, -2) @ b, a.shape),
        lambda g: unbroadcast(a @ np.swapaxes(g, -1, -2), b.shape),
    )


def matmul_in_the_wrong_order(a: Array, b: Array) -> Result:
    return a @ b, (
        lambda g: unbroadcast(np.swapaxes(b, -1, -2) @ g, a.shape),
        lambda g: unbroadcast(g @ np.swapaxes(a, -1, -2), b.shape),
    )


def matmul_entrywise(a: Array, b: Array) -> Result:
    return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))


def matmul_reversing_all_axes(a: Array, b: Array) -> Result:
    return a @ b, (lambda g: unbroadcast(g @ b.T, a.shape), lambda g: unbroadcast(a.T @ g, b.shape))


def matmul_without_unbroadcast(a: Array, b: Array) -> Result:
    return a @ b, (lambda g: g @ np.swapaxes(b, -1, -2), lambda g: np.swapaxes(a, -1, -2) @ g)


MATMUL = Exercise(
    name="matmul",
    title="a matrix product and its two gradient rules",
    library=ops.matmul,
    lesson="04_linear_layers",
    task="""
    Return (a @ b, (rule for a, rule for b)). Both rules are matrix products again, with the other factor transposed.

    Look out: there may be more than two axes. NumPy then multiplies the last two, for each index of the leading ones,
    and the leading axes broadcast; unbroadcast(gradient, shape) undoes that. `.T` reverses all axes.
    """,
    hints=(
        "Only one order and one transpose makes the shapes fit: g is (n, m), b is (k, m), transposed or not, and the "
        "gradient of a must be (n, k).",
        "np.swapaxes(b, -1, -2) transposes the last two axes and leaves the others.",
        "The rule for a: lambda g: unbroadcast(g @ np.swapaxes(b, -1, -2), a.shape)",
    ),
    check=check_matmul,
    mistakes=(
        Mistake(matmul_untransposed, "No factor was transposed: the gradient of a is g @ bᵀ, that of b is aᵀ @ g."),
        Mistake(
            matmul_transposing_g,
            "The wrong factor was transposed: g stays as it is, the other one is turned. The gradient of a is g @ bᵀ.",
        ),
        Mistake(
            matmul_in_the_wrong_order,
            "The factors stand in the wrong order. In y = a b, g takes the place of y: g bᵀ for a, aᵀ g for b. Square "
            "matrices hide this from the shapes.",
        ),
        Mistake(matmul_entrywise, "This multiplies entry by entry; a matrix product is a @ b."),
        Mistake(
            matmul_reversing_all_axes,
            ".T reverses all axes, so with a stack of matrices the stack's own axis moves as well. "
            "np.swapaxes(b, -1, -2) turns only the matrices.",
        ),
        Mistake(
            matmul_without_unbroadcast,
            "One matrix took part in many products, and its gradient is the sum over them: unbroadcast is missing.",
        ),
    ),
    gives=("unbroadcast",),
    see=(dense.matmul_numpy,),
)
