"""Log-softmax and cross-entropy. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.errors import DTypeError, ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["cross_entropy", "log_softmax"]


def log_softmax(x: Array, axis: int = -1) -> Result:
    """Compute the logarithm of the softmax along `axis`, shifted by the largest entry so that nothing overflows.

    With ``p = softmax(x)`` the gradient is ``g - p * sum(g)``.
    """
    shifted = x - np.max(x, axis=axis, keepdims=True)
    y = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y, (lambda g: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True),)


def cross_entropy(logits: Array, labels: Array) -> Result:
    """Compute the softmax cross-entropy of integer labels, averaged over the batch.

    ``loss = mean_i -log softmax(logits_i)[label_i]``, gradient ``(softmax(logits) - onehot(labels)) / batch``,
    in which probabilities next to the smallest number of the dtype count as 0.

    Args:
        logits: unnormalised log-probabilities, (batch, classes).
        labels: integers in ``[0, classes)``, (batch,).

    Returns:
        The loss, a 0-dimensional array in nats.

    Raises:
        ShapeError: unless there is one label for each row of logits.
        DTypeError: unless the labels are integers.
        ValueError: if a label names no class.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or logits.size == 0:
        raise ShapeError(
            f"cross_entropy: got logits {logits.shape} and labels {labels.shape}; "
            "expected logits (batch, classes) and labels (batch,), none of them empty"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"cross_entropy: labels are class numbers and must be integers, got {labels.dtype}")
    classes = logits.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"cross_entropy: labels run from {labels.min()} to {labels.max()}, "
            f"but {classes} columns of logits allow 0 to {classes - 1}"
        )
    loss, gradient = kernels.softmax_cross_entropy(logits, labels)
    return loss, (lambda g: gradient * g,)
