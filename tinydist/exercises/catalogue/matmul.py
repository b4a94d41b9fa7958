"""Exercise matmul: a matrix product and its two gradient rules."""

from __future__ import annotations

import numpy as np

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import dense
from tinydist.ops import Result, unbroadcast
from tinydist.tensor import Tensor


def matmul(a: Array, b: Array) -> Result:
    return a @ b, (
        lambda g: unbroadcast(g @ np.swapaxes(b, -1, -2), a.shape),
        lambda g: unbroadcast(np.swapaxes(a, -1, -2) @ g, b.shape),
    )


CASES = op_cases(
    matmul,
    OpCase({"a": np.array([[3.0]]), "b": np.array([[-2.0]])}, g=np.array([[10.0]])),
    OpCase({"a": np.array([[3.0]]), "b": np.array([[-2.0]])}, g=np.array([[-10.0]]), why="a negative g"),
    OpCase({"a": numbers(1, 2, 2), "b": numbers(2, 2, 2)}),
    OpCase({"a": np.array([[0.0, 2.0], [0.0, 0.0]]), "b": np.array([[0.0, 0.0], [1.0, -3.0]])}, why="zeros"),
    OpCase({"a": numbers(3, 1, 3), "b": numbers(4, 3, 2)}, why="a row times a matrix"),
    OpCase({"a": numbers(5, 4, 3), "b": numbers(6, 3, 2)}, why="three different sizes"),
    OpCase({"a": numbers(7, 4, 1), "b": numbers(8, 1, 2)}, why="a column times a row"),
    OpCase({"a": numbers(9, 1, 3), "b": numbers(10, 3, 1)}, why="a row times a column"),
    OpCase(
        {"a": np.array([[1e-15], [2e15], [1.0]]), "b": np.array([[-9e15, 1e-15]])},
        g=np.array([[1e15, 3.0], [1e-15, 5.0], [0.0, 5.0]]),
        why="small and large numbers",
        atol=0,
    ),
    OpCase({"a": numbers(11, 2, 1, 2), "b": numbers(12, 2, 2, 2)}, why="two products at once, one for each matrix"),
    OpCase({"a": numbers(13, 3, 3, 3), "b": numbers(14, 3, 3, 3)}, why="three products of square matrices at once"),
    OpCase({"a": numbers(15, 1, 2), "b": numbers(16, 3, 2, 2)}, why="a takes part in three products"),
    OpCase({"a": numbers(17, 3, 4, 2), "b": numbers(18, 2, 3)}, why="b takes part in three products"),
    OpCase({"a": numbers(19, 1, 2, 3), "b": numbers(20, 4, 3, 2)}, why="a leading axis of size 1 is copied"),
    OpCase({"a": numbers(21, 4, 2, 3), "b": numbers(22, 1, 3, 2)}, why="a leading axis of size 1 is copied"),
    OpCase({"a": numbers(23, 1, 2, 3), "b": numbers(24, 1, 3, 2)}, why="a leading axis of size 1 that nothing copies"),
    OpCase({"a": numbers(25, 3, 1, 2, 3), "b": numbers(26, 2, 3, 2)}, why="both are copied, along different axes"),
    OpCase({"a": numbers(27, 2, 3, 4, 2), "b": numbers(28, 2, 3, 2, 5)}, why="two leading axes"),
    OpCase({"a": numbers(29, 2, 3), "b": numbers(30, 2, 4, 3, 2)}, why="a takes part in eight products"),
    OpCase({"a": numbers(31, 2, 1, 4, 3), "b": numbers(32, 3, 3, 2)}, why="leading axes, copied and added"),
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


def matmul_by_dot(a: Array, b: Array) -> Result:
    return np.dot(a, b), (
        lambda g: unbroadcast(np.dot(g, np.swapaxes(b, -1, -2)), a.shape),
        lambda g: unbroadcast(np.dot(np.swapaxes(a, -1, -2), g), b.shape),
    )


def matmul_turning_the_first_axes(a: Array, b: Array) -> Result:
    return a @ b, (
        lambda g: unbroadcast(g @ np.swapaxes(b, 0, 1), a.shape),
        lambda g: unbroadcast(np.swapaxes(a, 0, 1) @ g, b.shape),
    )


RUBRIC = Rubric(
    library=ops.matmul,
    solution=matmul,
    cases=CASES,
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
            matmul_turning_the_first_axes,
            "The first two axes were swapped. With a stack of matrices those are not the axes of a matrix: swap the "
            "last two, -1 and -2.",
        ),
        Mistake(
            matmul_by_dot,
            "np.dot multiplies every matrix of one stack with every matrix of the other. a @ b takes them in pairs.",
        ),
        Mistake(
            matmul_without_unbroadcast,
            "One matrix took part in many products, and its gradient is the sum over them: unbroadcast is missing.",
        ),
    ),
    gives=("unbroadcast",),
    twins=(
        Tensor.backward,
        ops.linear,
        dense.matmul_numpy,
        dense.matmul_blas,
    ),
)
