"""Exercise log_softmax: log-softmax without overflow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import special

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result


def check_log_softmax(log_softmax: Any) -> Iterator[Observation]:
    """Yield observations; the truth is SciPy's log_softmax."""
    table = numbers(1, 2, 2)
    yield from ask_op_on(
        log_softmax,
        lambda x, axis=-1: special.log_softmax(x, axis=axis),
        OpCase({"x": np.array([1.0, 3.0])}, g=np.array([1.0, 2.0])),
        OpCase({"x": table}, note="each row is a distribution of its own"),
        OpCase({"x": table}, {"axis": 0}, note="now each column is one"),
        OpCase(
            {"x": np.array([1000.0, 0.0])},
            g=np.array([1.0, 2.0]),
            gradients={"x": np.array([-2.0, 2.0])},
            note="logits as raw pixels make them: e to the 1000 is too large for any float",
        ),
        OpCase({"x": numbers(2, 2, 3)}),
    )


def _log_softmax(x: Array, axis: int, rule: Any, keepdims: bool = True) -> Result:
    y = x - x.max(axis=axis, keepdims=True)
    y = y - np.log(np.exp(y).sum(axis=axis, keepdims=True))

    def vjp(g: Array) -> Array:
        return np.asarray(rule(g, np.exp(y), g.sum(axis=axis, keepdims=keepdims)))

    return y, (vjp,)


def log_softmax_overflowing(x: Array, axis: int = -1) -> Result:
    y = x - np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return y, (lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True),)


def log_softmax_of_softmax(x: Array, axis: int = -1) -> Result:
    p = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
    return np.log(p), (lambda g: g - p * g.sum(axis=axis, keepdims=True),)


def log_softmax_without_log(x: Array, axis: int = -1) -> Result:
    y, _ = _log_softmax(x, axis, None)
    p = np.exp(y)
    return p, (lambda g: p * (g - (p * g).sum(axis=axis, keepdims=True)),)


def log_softmax_without_the_sum(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g - p)


def log_softmax_own_entry_only(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, _: g * (1 - p))


def log_softmax_passing_g(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, _p, _total: g)


def log_softmax_losing_the_axis(x: Array, axis: int = -1) -> Result:
    return _log_softmax(x, axis, lambda g, p, total: g - p * total, keepdims=False)


def log_softmax_last_axis(x: Array, axis: int = -1) -> Result:  # noqa: ARG001
    return _log_softmax(x, -1, lambda g, p, total: g - p * total)


LOG_SOFTMAX = Exercise(
    name="log_softmax",
    title="log-softmax without overflow, and its gradient rule",
    library=ops.log_softmax,
    lesson="06_cross_entropy",
    task="""
    y = x - log(sum of e^x), the sum taken along `axis`. Return (y, (rule,)).

    Look out: e to the power of 1000 overflows. But adding a number to all logits changes nothing, so subtract the
    largest first. In the rule, every output depends on every logit: raising one lowers all the others.
    """,
    hints=(
        "shifted = x - the maximum along the axis, with keepdims=True so that it lines up with x.",
        "d y_i / d x_j is 1 - p_j for i = j and -p_j otherwise. Multiply with g_i and sum over i.",
        "That sum is g - p * (sum of g along the axis), with p = np.exp(y).",
    ),
    check=check_log_softmax,
    mistakes=(
        Mistake(log_softmax_without_log, "This is the softmax itself. The logarithm of it is wanted."),
        Mistake(
            log_softmax_own_entry_only,
            "The rule treats each entry by itself, g (1 - p). But raising one logit also lowers all the other outputs, "
            "so each entry subtracts p times the sum of all g.",
        ),
        Mistake(log_softmax_without_the_sum, "The rule subtracts p; it should be p times the sum of g along the axis."),
        Mistake(log_softmax_passing_g, "The rule hands g on. The sum inside the logarithm depends on x as well."),
        Mistake(
            log_softmax_losing_the_axis,
            "The sum of g has lost its axis, so NumPy lines it up with the wrong one: sum with keepdims=True.",
        ),
        Mistake(log_softmax_last_axis, "The argument axis is ignored."),
        *(
            Mistake(
                overflowing,
                "The shift is missing: e to the power of a large logit overflows to infinity. Subtract the largest "
                "logit first; it changes nothing else.",
            )
            for overflowing in (log_softmax_overflowing, log_softmax_of_softmax)
        ),
    ),
)
