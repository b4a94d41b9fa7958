"""Softmax, its logarithm, and cross-entropy. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.arrays import as_floats, as_real
from tinydist.errors import DTypeError, ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["cross_entropy", "log_softmax", "softmax"]


def _shifted(name: str, x: Array, axis: int) -> Array:
    """Return x as floats, less its largest entry along `axis`, so that no exponential overflows."""
    (x,) = as_floats(name, x)
    if x.ndim == 0:
        raise ShapeError(f"{name}: a single number has no axis to choose along; expected one axis or more")
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"{name}: axis {axis!r} is not one axis of shape {x.shape}; expected a whole number from {-x.ndim} to "
            f"{x.ndim - 1}; for all entries at once reshape(-1) before"
        )
    if x.shape[axis] == 0:
        raise ShapeError(f"{name}: axis {axis} of shape {x.shape} is empty, so there is nothing to choose from")
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN
        return x - np.max(x, axis=axis, keepdims=True)


def softmax(x: Array, axis: int = -1) -> Result:
    """Compute ``e ** x`` in shares of its sum along `axis`: positive numbers that add up to 1.

    With ``p = softmax(x)`` the gradient is ``p * (g - sum(g * p))``.

    Raises:
        ShapeError: unless x has such an axis, which is not empty.
    """
    exponentials = np.exp(_shifted("softmax", x, axis))
    p = exponentials / np.sum(exponentials, axis=axis, keepdims=True)
    return p, (lambda g: p * (g - np.sum(g * p, axis=axis, keepdims=True)),)


def log_softmax(x: Array, axis: int = -1) -> Result:
    """Compute the logarithm of the softmax along `axis`, shifted by the largest entry so that nothing overflows.

    With ``p = softmax(x)`` the gradient is ``g - p * sum(g)``.

    Raises:
        ShapeError: unless x has such an axis, which is not empty.
    """
    shifted = _shifted("log_softmax", x, axis)
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
    (logits,) = as_floats("cross_entropy", logits)
    labels = as_real("cross_entropy", labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or logits.size == 0:
        raise ShapeError(
            f"cross_entropy: got logits {logits.shape} and labels {labels.shape}; "
            "expected logits (batch, classes) and labels (batch,), none of them empty. "
            "Rows with a 1 at the class become labels by argmax(axis=1)"
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
