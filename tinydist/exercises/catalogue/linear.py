"""Exercise linear: a linear layer and its three gradient rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result


def check_linear(linear: Any) -> Iterator[Observation]:
    x, square = numbers(1, 3, 2), numbers(2, 2, 2)
    yield from ask_op_on(
        linear,
        lambda x, weight, bias=0.0: np.einsum("bi,oi->bo", x, weight) + bias,
        OpCase({"x": x[:1], "weight": square}, note="one row, no bias: two gradient rules"),
        OpCase({"x": x, "weight": square}),
        OpCase({"x": x, "weight": square, "bias": numbers(3, 2)}, note="a bias: three gradient rules"),
        OpCase({"x": numbers(4, 2, 3), "weight": numbers(5, 4, 3), "bias": numbers(6, 4)}),
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


LINEAR = Exercise(
    name="linear",
    title="a linear layer and its gradient rules",
    library=ops.linear,
    lesson="04_linear_layers",
    task="""
    Each output is a row of weight times the input: y = x weightᵀ + bias. Return (y, rules), with a rule for x and one
    for weight, and a third for bias if there is one.

    Look out: weight is (out, in), so it is transposed on the way forward and not on the way back. The bias is added to
    every row of the batch, so its gradient collects something from each.
    """,
    hints=(
        "Write the shapes down: x (batch, in), weight (out, in), g (batch, out). Each rule must return the shape of "
        "its input.",
        "g @ weight is (batch, in). g.T @ x is (out, in).",
    ),
    check=check_linear,
    mistakes=(
        Mistake(
            linear_always_three,
            "There are three rules even without a bias. Return one rule for each array that was given.",
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
            linear_bias_over_outputs,
            "The gradient of the bias was summed over the wrong axis: there is one bias for each output, so sum over "
            "the batch, axis 0.",
        ),
    ),
)
