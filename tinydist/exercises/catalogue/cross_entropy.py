"""Exercise cross_entropy: cross-entropy and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import special

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array, measured_gradient, numbers
from tinydist.kernels import loss as loss_kernels

Pair = tuple[Array, Array]


def check_cross_entropy(cross_entropy: Any) -> Iterator[Observation]:
    """Yield observations; the truth is SciPy's logsumexp and its finite differences.

    It is worked out by hand where rounding would hide finite differences.
    """
    far, some_labels = np.array([[1000.0, 0.0]]), np.array([1, 3, 0])
    unlikely = "the same, but the label is the unlikely class: its probability rounds to 0"
    cases: list[tuple[Array, Array, Array | None, str]] = [
        (np.array([[2.0, 0.5]]), np.array([0]), None, "one image of class 0"),
        (numbers(1, 3, 4), some_labels, None, "three images"),
        (far, np.array([0]), np.array([[0.0, 0.0]]), "logits as raw pixels make them"),
        (far, np.array([1]), np.array([[1.0, -1.0]]), unlikely),
        (numbers(2, 3, 4).astype(np.float32), some_labels, None, "float32 in must give float32 out"),
    ]
    for logits, labels, by_hand, why in cases:

        def truth(x: Array, labels: Array = labels) -> float:
            return float(np.mean(special.logsumexp(x, axis=1) - x[np.arange(len(x)), labels]))

        given = {"why": why, "logits": logits.copy(), "labels": labels.copy()}
        yield about_to_try(given)
        result = cross_entropy(logits, labels)
        kind = f"{len(result)} things" if isinstance(result, tuple) else f"a {type(result).__name__}"
        yield Observation("what comes back: the loss and the gradient", kind, "2 things", given)
        value, gradient = result
        wide = logits.astype(np.float64)
        yield Observation("the loss", value, np.asarray(truth(wide)).astype(logits.dtype), given)
        expected = measured_gradient(truth, wide) if by_hand is None else by_hand
        yield Observation("the gradient", gradient, expected.astype(logits.dtype), given)
        yield Observation("logits themselves, which must stay as they were", logits, given["logits"], given)


def _log_softmax(logits: Array) -> Array:
    return np.asarray(special.log_softmax(logits, axis=1))


def _at_labels(log_p: Array, labels: Array) -> Array:
    return np.asarray(log_p[np.arange(len(labels)), labels])


def _onehot(logits: Array, labels: Array) -> Array:
    return (np.arange(logits.shape[1]) == labels[:, None]).astype(logits.dtype)


def entropy_without_one_over_batch(logits: Array, labels: Array) -> Pair:
    log_p = _log_softmax(logits)
    return -_at_labels(log_p, labels).mean(), np.exp(log_p) - _onehot(logits, labels)


def entropy_summed(logits: Array, labels: Array) -> Pair:
    log_p = _log_softmax(logits)
    return -_at_labels(log_p, labels).sum(), np.exp(log_p) - _onehot(logits, labels)


def entropy_uphill(logits: Array, labels: Array) -> Pair:
    log_p = _log_softmax(logits)
    return -_at_labels(log_p, labels).mean(), (_onehot(logits, labels) - np.exp(log_p)) / len(logits)


def entropy_negative(logits: Array, labels: Array) -> Pair:
    log_p = _log_softmax(logits)
    return _at_labels(log_p, labels).mean(), (np.exp(log_p) - _onehot(logits, labels)) / len(logits)


def entropy_without_onehot(logits: Array, labels: Array) -> Pair:
    log_p = _log_softmax(logits)
    return -_at_labels(log_p, labels).mean(), np.exp(log_p) / len(logits)


def entropy_overflowing(logits: Array, labels: Array) -> Pair:
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -_at_labels(log_p, labels).mean(), (np.exp(log_p) - _onehot(logits, labels)) / len(logits)


def entropy_of_softmax(logits: Array, labels: Array) -> Pair:
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(_at_labels(p, labels)).mean(), (p - _onehot(logits, labels)) / len(logits)


def entropy_log_of_zero(logits: Array, labels: Array) -> Pair:
    p = np.exp(_log_softmax(logits))
    return -np.log(_at_labels(p, labels)).mean(), (p - _onehot(logits, labels)) / len(logits)


CROSS_ENTROPY = Exercise(
    name="cross_entropy",
    title="cross-entropy and its gradient",
    library=loss_kernels.softmax_cross_entropy_numpy,
    lesson="06_cross_entropy",
    task="""
    The loss of every model in the paper: how surprised the network is by the label, -log softmax(logits)[label],
    averaged over the batch. Return two things, the loss and its gradient with respect to the logits, (batch, classes).

    Look out: logits can be as large as 1000, and the label's probability as small as 0. Stay with logarithms.
    """,
    hints=(
        "First the log-softmax of each row, shifted by the row's maximum; the loss is its entry at the label.",
        "log_p[np.arange(len(labels)), labels] picks one entry from each row.",
        "The gradient is (p - onehot) / batch with p = np.exp(log_p); onehot is 1 at the label and 0 elsewhere.",
    ),
    check=check_cross_entropy,
    mistakes=(
        Mistake(entropy_negative, "The sign of the loss is flipped: a likely label must cost little, -log(p)."),
        Mistake(
            entropy_uphill,
            "The sign of the gradient is flipped: raising the label's logit lowers the loss, so it is p - onehot.",
        ),
        Mistake(
            entropy_without_onehot,
            "The label is missing in the gradient: subtract 1 at the label. As it is, all logits are only pushed down.",
        ),
        Mistake(
            entropy_summed,
            "This sums over the batch. The loss is a mean, or the step would grow with the number of images.",
        ),
        Mistake(
            entropy_without_one_over_batch,
            "The 1/batch is missing in the gradient: the loss is a mean, so each image has a share of 1/batch in it.",
        ),
        *(
            Mistake(
                overflowing,
                "The shift is missing: e to the power of 1000 overflows. Subtract each row's largest logit first.",
            )
            for overflowing in (entropy_overflowing, entropy_of_softmax)
        ),
        Mistake(
            entropy_log_of_zero,
            "This takes the logarithm of a probability that has been rounded to 0. Compute log p directly, from the "
            "shifted logits, and p from it.",
        ),
    ),
    see=(ops.cross_entropy,),
)
