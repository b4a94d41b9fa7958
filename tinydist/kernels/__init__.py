"""Array kernels: the one place from which the ops take their hot loops.

Kernels work on plain arrays. Each numba kernel has a NumPy twin, which is slower or needs more memory but is easy to
read; it documents the computation and is the reference in tests. Which of the two the ops use is decided in this file
and nowhere else:

* ``matmul`` is NumPy's, in reproducible pieces, because the BLAS library behind it is faster on dense matrices
  than our loop;
* the weighted squares are numba's, because NumPy needs a (batch, features) temporary for every centre;
* the products with a sparse matrix are numba's, because NumPy has none;
* the products of a linear layer with few outputs and a large batch are numba's, because BLAS is not made for them;
* convolutions and pooling are numba's, because NumPy needs a copy of every window of the batch, or one pass over the
  images for every step;
* activations, sums over the batch and the loss are numba's on arrays so large that the time to start threads is
  negligible, and NumPy's on others; the loss, which has the most to do for an entry, on smaller ones than the others.

With NUMBA_DISABLE_JIT=1 all are NumPy's: numba's loops, run by Python, would take hours.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numba import config
from numpy.typing import NDArray

from tinydist.kernels import conv, dense, distance, elementwise, loss, narrow, sparse
from tinydist.kernels.dense import matmul_blas as matmul
from tinydist.kernels.memory import empty
from tinydist.kernels.sparse import compress, decompress

__all__ = [
    "absolute",
    "absolute_vjp",
    "avg_pool2d",
    "avg_pool2d_vjp",
    "column_sums",
    "compress",
    "conv2d",
    "conv2d_vjp_weight",
    "conv2d_vjp_x",
    "decompress",
    "empty",
    "linear",
    "linear_vjp_weight",
    "linear_vjp_x",
    "matmul",
    "max_pool2d",
    "max_pool2d_vjp",
    "relu",
    "relu_vjp",
    "softmax_cross_entropy",
    "sparse_matmul",
    "sparse_matmul_summed",
    "weighted_squares",
    "weighted_squares_vjp_center",
    "weighted_squares_vjp_weight",
    "weighted_squares_vjp_x",
]

Array = NDArray[Any]

COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]  # numba sets it at run time
"""Whether numba compiles its loops."""


def _chosen(module: ModuleType, name: str) -> Callable[..., Any]:
    """Return numba's kernel of this name if numba compiles, else its NumPy twin."""
    return vars(module)[f"{name}_numba" if COMPILED else f"{name}_numpy"]


conv2d = _chosen(conv, "conv2d")
conv2d_vjp_x = _chosen(conv, "conv2d_vjp_x")
conv2d_vjp_weight = _chosen(conv, "conv2d_vjp_weight")
max_pool2d = _chosen(conv, "max_pool2d")
max_pool2d_vjp = _chosen(conv, "max_pool2d_vjp")
avg_pool2d = _chosen(conv, "avg_pool2d")
avg_pool2d_vjp = _chosen(conv, "avg_pool2d_vjp")
weighted_squares = _chosen(distance, "weighted_squares")
weighted_squares_vjp_x = _chosen(distance, "weighted_squares_vjp_x")
weighted_squares_vjp_center = _chosen(distance, "weighted_squares_vjp_center")
weighted_squares_vjp_weight = _chosen(distance, "weighted_squares_vjp_weight")
sparse_matmul = _chosen(sparse, "sparse_matmul")
sparse_matmul_summed = _chosen(sparse, "sparse_matmul_summed")

LARGE = 2**15
"""Number of entries from which numba's threads pay off (measured: starting them takes some 20 microseconds)."""


LARGE_LOSS = 2**12
"""Number of logits from which numba computes the loss (measured, one thread: 5,000 take 30 microseconds, NumPy 68)."""


NARROW = 16
"""Number of outputs up to which a linear layer is narrow (measured at 128 inputs, one thread: at 10 outputs our loops
take 0.5 to 1.1 of the time of BLAS in pieces, at 16 0.8 to 1.3, at 32 1 to 1.5)."""


def _is_large(*arrays: Array, least: int = LARGE) -> bool:
    """Return whether numba's loops accept these arrays and are the faster ones.

    They accept C-contiguous arrays of one shape and one dtype, float32 or float64.

    Args:
        arrays: of any layout and dtype.
        least: number of entries from which they are faster.
    """
    first = arrays[0]
    same = all(a.flags.c_contiguous and (a.shape, a.dtype) == (first.shape, first.dtype) for a in arrays)
    return COMPILED and same and first.size >= least and first.dtype in (np.float32, np.float64)


def _entrywise(by_numba: Callable[..., None], by_numpy: Callable[..., None]) -> Callable[..., Array]:
    """Return a kernel that allocates the result and fills it by numba on large arrays, by NumPy on others."""

    def kernel(*arrays: Array) -> Array:
        out = empty(arrays[-1].shape, arrays[0].dtype)
        if _is_large(*arrays):
            by_numba(*(a.reshape(-1) for a in arrays), out.reshape(-1))
        else:
            by_numpy(*arrays, out)
        return out

    kernel.__doc__ = by_numpy.__doc__
    return kernel


relu = _entrywise(elementwise.relu_numba, elementwise.relu_numpy)
relu_vjp = _entrywise(elementwise.relu_vjp_numba, elementwise.relu_vjp_numpy)
absolute = _entrywise(elementwise.abs_numba, elementwise.abs_numpy)
absolute_vjp = _entrywise(elementwise.abs_vjp_numba, elementwise.abs_vjp_numpy)


def _suits_narrow(outputs: int, batch: Array, other: Array) -> bool:
    """Return whether the narrow loops are faster than BLAS for a linear layer: it has few outputs and a large batch."""
    contiguous = batch.flags.c_contiguous and other.flags.c_contiguous
    floats = batch.dtype == other.dtype and batch.dtype in (np.float32, np.float64)
    return COMPILED and outputs <= NARROW and len(batch) * outputs >= LARGE and contiguous and floats


def linear(x: Array, weight: Array) -> Array:
    """Return ``X W^T``.

    Args:
        x: X, (batch, in).
        weight: W, (out, in).

    Returns:
        (batch, out).
    """
    return narrow.narrow_linear_numba(x, weight) if _suits_narrow(len(weight), x, weight) else matmul(x, weight.T)


def linear_vjp_x(g: Array, weight: Array) -> Array:
    """Return ``G W``, the gradient of the input of :func:`linear`.

    Args:
        g: G, the gradient of the output, (batch, out).
        weight: W, (out, in).

    Returns:
        (batch, in).
    """
    return narrow.narrow_vjp_x_numba(g, weight) if _suits_narrow(len(weight), g, weight) else matmul(g, weight)


def linear_vjp_weight(g: Array, x: Array) -> Array:
    """Return ``G^T X``, the gradient of the weight of :func:`linear`.

    Args:
        g: G, the gradient of the output, (batch, out).
        x: X, (batch, in).

    Returns:
        (out, in).
    """
    return narrow.narrow_vjp_weight_numba(g, x) if _suits_narrow(g.shape[1], x, g) else matmul(g.T, x)


def column_sums(x: Array) -> Array:
    """Return the sums of `x`, (batch, width), over its first axis, (width,)."""
    return dense.column_sums_numba(x) if _is_large(x) else dense.column_sums_numpy(x)


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean cross-entropy and its gradient, as :func:`tinydist.kernels.loss.softmax_cross_entropy_numpy`.

    Args:
        logits: (batch, classes).
        labels: integers in ``[0, classes)``, (batch,).

    Returns:
        The loss, 0-dimensional, and the gradient, (batch, classes).
    """
    by = loss.softmax_cross_entropy_numba if _is_large(logits, least=LARGE_LOSS) else loss.softmax_cross_entropy_numpy
    return by(logits, labels)
