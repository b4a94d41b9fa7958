"""Matrix product and affine map. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.errors import DTypeError, ShapeError
from tinydist.ops.elementwise import Array, Result, unbroadcast
from tinydist.sparse import SparseMatrix

__all__ = ["linear", "matmul", "sparse_linear"]


def matmul(a: Array, b: Array) -> Result:
    """Compute the matrix product of ``(..., n, k)`` and ``(..., k, m)``, ``(..., n, m)``; leading axes broadcast.

    For ``Y = A B``: the gradient of A is ``G B^T``, the gradient of B is ``A^T G``.

    Raises:
        ShapeError: unless both have at least two axes and the inner sizes agree.
    """
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not chain. Both need at least two axes and the last size "
            "of the first must equal the last but one of the second: (..., n, k) @ (..., k, m)"
        )
    return kernels.matmul(a, b), (
        lambda g: unbroadcast(kernels.matmul(g, np.swapaxes(b, -1, -2)), a.shape),
        lambda g: unbroadcast(kernels.matmul(np.swapaxes(a, -1, -2), g), b.shape),
    )


def linear(x: Array, weight: Array, bias: Array | None = None) -> Result:
    """Compute the affine map ``Y = X W^T + b`` of every row of X.

    With G the gradient of Y: ``G W`` to X, ``G^T X`` to W, the sum of G over the batch to b.

    Args:
        x: (batch, in).
        weight: W, (out, in), as PyTorch stores it.
        bias: b, (out,); none by default.

    Returns:
        Y, (batch, out).

    Raises:
        ShapeError: unless the shapes fit together.
    """
    _check_linear(x.shape, weight, bias)
    y = kernels.linear(x, weight)
    if bias is not None:
        y = np.add(y, bias, out=y if np.result_type(y, bias) == y.dtype else None)
    vjps = (
        lambda g: kernels.linear_vjp_x(g, weight),
        lambda g: kernels.linear_vjp_weight(g, x),
        kernels.column_sums,
    )
    return y, vjps[:2] if bias is None else vjps


def sparse_linear(weight: Array, bias: Array | None = None, *, x: SparseMatrix) -> Result:
    """Compute the affine map of :func:`linear` for a constant, sparse X, which takes no gradient.

    Args:
        weight: W, (out, in).
        bias: b, (out,); none by default.
        x: X, (batch, in).

    Returns:
        Y, (batch, out).

    Raises:
        ShapeError: unless the shapes fit together.
        DTypeError: unless the weight is float32 or float64.
    """
    _check_linear(x.shape, weight, bias)
    if weight.dtype not in (np.float32, np.float64):
        raise DTypeError(f"linear: a sparse x needs a weight of float32 or float64, got {weight.dtype}")
    start = np.zeros(len(weight), dtype=weight.dtype) if bias is None else bias
    vjps = (
        lambda g: x.transposed_times(g).T,
        kernels.column_sums,
    )
    return x.times(weight.T, start), vjps[:1] if bias is None else vjps


def _check_linear(x_shape: tuple[int, ...], weight: Array, bias: Array | None) -> None:
    if (
        len(x_shape) != 2
        or weight.ndim != 2
        or x_shape[1] != weight.shape[1]
        or (bias is not None and bias.shape != weight.shape[:1])
    ):
        raise ShapeError(
            f"linear: got x {x_shape}, weight {weight.shape}, bias {None if bias is None else bias.shape}; "
            "expected x (batch, in), weight (out, in) and bias (out,) or none"
        )
