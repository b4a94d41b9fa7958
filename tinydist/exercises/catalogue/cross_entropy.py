"""Exercise cross_entropy: cross-entropy and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from tinydist import ops
from tinydist.exercises.probes import Array, kept, numbers
from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric, about_to_try
from tinydist.kernels import loss as loss_kernels

Pair = tuple[Array, Array]


def cross_entropy(logits: Array, labels: Array) -> Pair:
    rows = np.arange(len(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    return -log_p[rows, labels].mean(), gradient / len(logits)


def try_loss(
    answer: Any,
    *,
    logits: Any,
    labels: Any,
    why: str = "",
    dtype: type = np.float64,
    atol: float | None = None,
) -> Iterator[Observation]:
    """Yield observations of the loss and its gradient; the truth is the solution in float64.

    Args:
        answer: the function under check.
        logits, labels: what to try.
        why: why this is tried.
        dtype: of the logits that the function receives.
        atol: see :class:`Observation`.
    """
    x: Array = np.array(logits, dtype=dtype)
    y = np.array(labels)
    given = ({"why": why} if why else {}) | {"logits": x.copy(), "labels": y.copy()}
    if dtype is not np.float64:
        given["dtype"] = np.dtype(dtype).name
    truth: list[Array] = [np.asarray(part).astype(dtype) for part in cross_entropy(x.astype(np.float64), y)]
    yield about_to_try(given)
    result = answer(x, y)
    yield Observation("what comes back", _kind(result), "two things, the loss and the gradient", given)
    received = kept(result[1])
    yield Observation("the loss", kept(result[0]), truth[0], given, wide=True)
    yield Observation("the gradient", received, truth[1], given, atol=atol, wide=True)
    yield Observation("the array of logits, which must stay as it was", kept(x), given["logits"], given)
    yield Observation("the array of labels, which must stay as it was", kept(y), given["labels"], given)


def _kind(result: Any) -> str:
    if isinstance(result, tuple | list) and len(result) == 2:
        return "two things, the loss and the gradient"
    return f"{len(result)} things" if isinstance(result, tuple | list) else "one thing"


def try_two_batches(answer: Any) -> Iterator[Observation]:
    """Yield observations of two calls, the first of which is looked at after the second."""
    batches = [(numbers(seed, 2, 3), np.array([seed, 0])) for seed in (1, 2)]
    given = {"why": "called twice, on arrays of the same shape", "the first logits": batches[0][0]}
    yield about_to_try(given)
    results = [answer(logits.copy(), labels.copy()) for logits, labels in batches]
    for words, (logits, labels), result in zip(("first", "second"), batches, results, strict=True):
        loss, gradient = cross_entropy(logits, labels)
        yield Observation(f"the loss of the {words} call", kept(result[0]), np.asarray(loss), given)
        yield Observation(f"the gradient of the {words} call", kept(result[1]), gradient, given)


THREE, LABELS = numbers(1, 3, 4), [1, 3, 0]
MANY = np.resize(numbers(5, 7, 10), (300, 10))

TRIES: tuple[dict[str, Any], ...] = (
    {"logits": [[2.0, 0.5]], "labels": [0]},
    {"logits": [[2.0, 0.5]], "labels": [1], "why": "the label is the less likely class"},
    {"logits": THREE, "labels": LABELS},
    {"logits": THREE, "labels": [2, 2, 2], "why": "all labels are the same"},
    {"logits": np.full((2, 5), 3.0), "labels": [4, 0], "why": "all logits are the same: p is 1/5"},
    {"logits": [[1000.0, 0.0]], "labels": [0], "why": "logits as raw pixels make them"},
    {"logits": [[1000.0, 0.0]], "labels": [1], "why": "the label's probability rounds to 0"},
    {"logits": [[-1000.0, -1001.0, -1003.0]], "labels": [1], "why": "logits far below 0"},
    {
        "logits": [[1000.0, 998.5], [-1000.0, -999.0], [0.3, 0.0]],
        "labels": [1, 0, 1],
        "why": "rows of which the largest logits are far apart",
    },
    {"logits": [[1e5, -1e5, 0.0]], "labels": [1], "why": "huge logits of either sign"},
    {
        "logits": [[0.0, 0.5, -30.0, -100.0]],
        "labels": [0],
        "why": "probabilities of 1e-14 and 1e-44, in the gradient",
        "atol": 0.0,
    },
    {"logits": MANY[:30], "labels": np.arange(30, dtype=np.uint8) % 10, "why": "30 images, labels of dtype uint8"},
    {"logits": MANY, "labels": (np.arange(300) % 10).astype(np.uint8), "why": "300 images, labels of dtype uint8"},
    {"logits": THREE, "labels": np.array(LABELS, dtype=np.int32), "why": "labels of dtype int32"},
    {"logits": numbers(6, 2, 300), "labels": [257, 299], "why": "300 classes: a byte does not hold these labels"},
    {"logits": [[1.0], [-2.0]], "labels": [0, 0], "why": "a single class: there is nothing to lose"},
    {"logits": THREE, "labels": LABELS, "why": "float32", "dtype": np.float32},
    {"logits": [[1000.0, 0.0]], "labels": [1], "why": "float32 and large logits", "dtype": np.float32},
)

CASES: tuple[Case, ...] = (*(partial(try_loss, **options) for options in TRIES), try_two_batches)


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


def entropy_alone(logits: Array, labels: Array) -> Array:
    return np.asarray(-_at_labels(_log_softmax(logits), labels).mean())


def entropy_overflowing(logits: Array, labels: Array) -> Pair:
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -_at_labels(log_p, labels).mean(), (np.exp(log_p) - _onehot(logits, labels)) / len(logits)


def entropy_of_softmax(logits: Array, labels: Array) -> Pair:
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(_at_labels(p, labels)).mean(), (p - _onehot(logits, labels)) / len(logits)


def entropy_log_of_zero(logits: Array, labels: Array) -> Pair:
    p = np.exp(_log_softmax(logits))
    return -np.log(_at_labels(p, labels)).mean(), (p - _onehot(logits, labels)) / len(logits)


def entropy_log_of_a_bit_more(logits: Array, labels: Array) -> Pair:
    p = np.exp(_log_softmax(logits))
    return -np.log(_at_labels(p, labels) + 1e-12).mean(), (p - _onehot(logits, labels)) / len(logits)


def entropy_in_place(logits: Array, labels: Array) -> Pair:
    logits -= logits.max(axis=1, keepdims=True)
    log_p = _log_softmax(logits)
    return -_at_labels(log_p, labels).mean(), (np.exp(log_p) - _onehot(logits, labels)) / len(logits)


def entropy_shifted_by_one_number(logits: Array, labels: Array) -> Pair:
    shifted = logits - logits.max()
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -_at_labels(log_p, labels).mean(), (np.exp(log_p) - _onehot(logits, labels)) / len(logits)


RUBRIC = Rubric(
    library=loss_kernels.softmax_cross_entropy_numpy,
    solution=cross_entropy,
    cases=CASES,
    mistakes=(
        Mistake(entropy_alone, "This is the loss alone. Return two things: return loss, gradient."),
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
            entropy_shifted_by_one_number,
            "All rows are shifted by the same number. Where a row is far below it, all of its exponentials round to 0. "
            "Each row needs its own largest logit: max(axis=1, keepdims=True).",
        ),
        Mistake(
            entropy_log_of_zero,
            "This takes the logarithm of a probability that has been rounded to 0. Compute log p directly, from the "
            "shifted logits, and p from it.",
        ),
        Mistake(
            entropy_log_of_a_bit_more,
            "A small number added to the probability hides that it has been rounded to 0, and then the loss is wrong. "
            "Compute log p directly, from the shifted logits, and p from it.",
        ),
        Mistake(
            entropy_in_place,
            "The logits themselves were changed. Others still need them: write shifted = logits - ..., not -=.",
        ),
    ),
    twins=(loss_kernels.softmax_cross_entropy_numba, ops.cross_entropy),
)
