"""Exercise linear: a linear layer and its three gradient rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydist import kernels, ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.ops import Result
from tinydist.tensor import Tensor


def linear(x: Array, weight: Array, bias: Array | None = None) -> Result:
    y = x @ weight.T
    rules = (lambda g: g @ weight, lambda g: g.T @ x)
    if bias is None:
        return y, rules
    return y + bias, (*rules, lambda g: g.sum(axis=0))


ONE = np.array([[3.0]])
X, SQUARE = numbers(1, 3, 2), numbers(2, 2, 2)

CASES = op_cases(
    linear,
    OpCase({"x": ONE, "weight": np.array([[-2.0]])}, g=np.array([[10.0]]), why="no bias: two gradient rules"),
    OpCase({"x": ONE, "weight": np.array([[-2.0]])}, g=np.array([[-10.0]]), why="a negative g"),
    OpCase({"x": ONE, "weight": np.array([[-2.0]]), "bias": np.array([5.0])}, why="a bias: three gradient rules"),
    OpCase({"x": ONE, "weight": np.array([[-2.0]]), "bias": np.array([0.0])}, why="a bias of 0 is a bias"),
    OpCase({"x": X[:1], "weight": SQUARE}, why="a batch of one"),
    OpCase({"x": X[:1], "weight": SQUARE, "bias": numbers(3, 2)}, why="a batch of one, and a bias"),
    OpCase({"x": X, "weight": SQUARE}),
    OpCase({"x": X, "weight": SQUARE, "bias": numbers(3, 2)}),
    OpCase({"x": X, "weight": SQUARE, "bias": np.zeros(2)}, why="a bias of zeros is a bias"),
    OpCase({"x": X, "weight": SQUARE, "bias": np.array([0.0, 4.0])}, why="a bias with a 0 in it"),
    OpCase({"x": numbers(4, 3, 3), "weight": numbers(5, 3, 3), "bias": numbers(6, 3)}, why="all sizes are equal"),
    OpCase({"x": np.array([[0.0, 0.0], [0.0, 2.0]]), "weight": np.array([[0.0, 3.0], [0.0, 0.0]])}, why="zeros"),
    OpCase({"x": numbers(7, 4, 3), "weight": numbers(8, 1, 3), "bias": numbers(9, 1)}, why="a single output"),
    OpCase({"x": numbers(10, 4, 1), "weight": numbers(11, 3, 1), "bias": numbers(12, 3)}, why="a single input"),
    OpCase({"x": numbers(13, 2, 5), "weight": numbers(14, 3, 5)}, why="three different sizes, no bias"),
    OpCase(
        {"x": np.array([[1e-15], [2e15], [1.0]]), "weight": np.array([[9e15], [1e-15]])},
        g=np.array([[1e15, 3.0], [1e-15, 5.0], [0.0, 5.0]]),
        why="small and large numbers",
        atol=0,
    ),
    OpCase(
        {"x": np.array([[0.0]]), "weight": np.array([[1.0], [1.0]]), "bias": np.array([1e-15, -1e15])},
        why="small and large numbers in the bias",
        atol=0,
    ),
    OpCase(
        {"x": np.array([[2.0]]), "weight": np.array([[1e-15], [-1e15]]), "bias": np.zeros(2)},
        g=np.array([[1e15, -1e-15]]),
        why="small and large numbers in the weight and in g",
        atol=0,
    ),
    OpCase({"x": numbers(15, 2, 3), "weight": numbers(16, 4, 3), "bias": numbers(17, 4)}, why="three different sizes"),
)


def _linear(x: Array, weight: Array, bias: Array | None, rule_x: Any, rule_weight: Any, rule_bias: Any) -> Result:
    y = x @ weight.T
    rules = (rule_x, rule_weight)
    return (y, rules) if bias is None else (y + bias, (*rules, rule_bias))


def linear_untransposed(x: Array, weight: Array, bias: Array | None = None) -> Result:
    rules = (lambda g: g @ weight.T, lambda g: x.T @ g)
    return (x @ weight, rules) if bias is None else (x @ weight + bias, (*rules, lambda g: g.sum(axis=0)))


def linear_transposing_for_x(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight.T, lambda g: g.T @ x, lambda g: g.sum(axis=0))


def linear_weight_turned(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight, lambda g: x.T @ g, lambda g: g.sum(axis=0))


def linear_weight_averaged(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight, lambda g: g.T @ x / len(x), lambda g: g.mean(axis=0))


def linear_bias_unsummed(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight, lambda g: g.T @ x, lambda g: g)


def linear_bias_over_outputs(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight, lambda g: g.T @ x, lambda g: g.sum(axis=1))


def linear_always_three(x: Array, weight: Array, bias: Array | None = None) -> Result:
    b = np.zeros(len(weight), dtype=x.dtype) if bias is None else bias
    return _linear(x, weight, b, lambda g: g @ weight, lambda g: g.T @ x, lambda g: g.sum(axis=0))


def linear_dropping_zeros(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return linear(x, weight, bias if bias is not None and bias.any() else None)


def linear_bias_keeping_its_axis(x: Array, weight: Array, bias: Array | None = None) -> Result:
    return _linear(x, weight, bias, lambda g: g @ weight, lambda g: g.T @ x, lambda g: g.sum(axis=0, keepdims=True))


RUBRIC = Rubric(
    library=ops.linear,
    solution=linear,
    cases=CASES,
    mistakes=(
        Mistake(
            linear_always_three,
            "There are three rules even without a bias. Return one rule for each array that was given.",
        ),
        Mistake(
            linear_dropping_zeros,
            "A bias of zeros is taken for none. It is one that has yet to learn, and needs its rule: ask whether bias "
            "is None.",
        ),
        Mistake(linear_untransposed, "The weight was not transposed. It is (out, in), so y = x @ weight.T."),
        Mistake(
            linear_transposing_for_x,
            "The rule for x transposes the weight. It was transposed on the way forward, so it comes back as it is: "
            "g @ weight.",
        ),
        Mistake(
            linear_weight_turned,
            "The gradient of weight is turned over: x.T @ g is (in, out). The weight is (out, in), and so is g.T @ x.",
        ),
        Mistake(
            linear_weight_averaged,
            "This averages over the batch. If the loss is a mean, g already contains the 1/batch; here the rows are "
            "summed.",
        ),
        Mistake(
            linear_bias_unsummed,
            "The gradient of the bias has a row for each image. One bias was added to all rows, so sum over them.",
        ),
        Mistake(
            linear_bias_keeping_its_axis,
            "The gradient of the bias has an axis too many, (1, out). The bias is (out,): sum without keepdims.",
        ),
        Mistake(
            linear_bias_over_outputs,
            "The gradient of the bias was summed over the wrong axis: there is one bias for each output, so sum over "
            "the batch, axis 0.",
        ),
    ),
    twins=(
        Tensor.backward,
        ops.matmul,
        kernels.linear,
        kernels.linear_vjp_x,
        kernels.linear_vjp_weight,
        kernels.column_sums,
    ),
)
