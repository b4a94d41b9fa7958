"""Softmax cross-entropy of a batch, and its gradient, in one pass over the logits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tinydist.kernels.chunks import CHUNKS
from tinydist.kernels.jit import kernel

Array = NDArray[Any]


@lru_cache
def _log_negligible(dtype: np.dtype[Any]) -> float:
    """Return the logarithm of a probability that may count as 0 in a gradient: 1e8 times the smallest normal number.

    Logits far apart, as raw pixels make them, give probabilities down to the denormal numbers, with which processors
    multiply many times more slowly. At this size (1e-30 in float32) they cannot change a sum that means anything.
    """
    return float(np.log(np.finfo(dtype).tiny * 1e8))


def softmax_cross_entropy_numpy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean of ``-log softmax(logits)[label]`` and its gradient ``(softmax - onehot) / batch``.

    In the gradient, probabilities that are lost in rounding count as 0.

    Args:
        logits: (batch, classes).
        labels: integers in ``[0, classes)``, (batch,).

    Returns:
        The loss in nats, 0-dimensional, and the gradient, (batch, classes), both in the dtype of the logits.
    """
    rows = np.arange(len(logits))
    with np.errstate(invalid="ignore"):  # inf - inf is NaN
        shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.where(log_probabilities <= _log_negligible(logits.dtype), 0, np.exp(log_probabilities))
    gradient[rows, labels] -= 1
    gradient /= len(logits)
    return -log_probabilities[rows, labels].mean(), gradient


@kernel(parallel=True)
def _softmax_cross_entropy(logits: Array, labels: Array, log_negligible: float, losses: Array, gradient: Array) -> None:
    """Write the sum of the losses of each chunk of the batch, (chunks,), and the gradient, (batch, classes)."""
    batch, chunks = len(logits), len(losses)
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    share = one / logits.dtype.type(batch)
    for chunk in prange(chunks):
        loss = 0.0
        for i in range(batch * chunk // chunks, batch * (chunk + 1) // chunks):
            row, slopes, label = logits[i], gradient[i], labels[i]
            highest = row[0]
            for j in range(1, len(row)):
                if row[j] > highest:
                    highest = row[j]
            total = zero
            for j in range(len(row)):
                slopes[j] = np.exp(row[j] - highest)
                total += slopes[j]
            log_total = np.log(total)
            loss += log_total - (row[label] - highest)
            for j in range(len(row)):
                negligible = row[j] - highest - log_total <= log_negligible
                probability = zero if negligible else slopes[j] / total
                slopes[j] = share * (probability - one if j == label else probability)
        losses[chunk] = loss


def softmax_cross_entropy_numba(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the loss and gradient of :func:`softmax_cross_entropy_numpy`, computed without large temporaries."""
    gradient = np.empty(logits.shape, dtype=logits.dtype)
    losses = np.empty(CHUNKS)
    _softmax_cross_entropy(logits, labels, _log_negligible(logits.dtype), losses, gradient)
    return np.asarray(losses.sum() / len(logits), dtype=logits.dtype), gradient
