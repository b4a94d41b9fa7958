"""Matrix product and affine map. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.arrays import as_floats, as_numbers, exact
from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result, unbroadcast
from tinydist.sparse import SparseMatrix

__all__ = ["linear", "matmul", "sparse_linear"]


def matmul(a: Array, b: Array) -> Result:
    """Compute the matrix product of ``(..., n, k)`` and ``(..., k, m)``, ``(..., n, m)``; leading axes broadcast.

    For ``Y = A B``: the gradient of A is ``G B^T``, the gradient of B is ``A^T G``.

    Raises:
        ShapeError: unless both have at least two axes, the inner sizes agree and the leading axes broadcast.
    """
    a, b = as_numbers("matmul", a, b)
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        chain = a.ndim > 1 and b.ndim > 1 and a.shape[-1] == b.shape[-2]
    except ValueError:
        chain = False
    if not chain:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not chain. Both need at least two axes, the last size of the "
            "first must equal the last but one of the second, and axes before these must broadcast: "
            "(..., n, k) @ (..., k, m)"
        )
    return exact("matmul", kernels.matmul, a, b), (
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
    x, weight, *biases = as_floats("linear", x, weight, *([] if bias is None else [bias]))
    _check_linear(x.shape, weight, biases[0] if biases else None)
    y = kernels.linear(x, weight)
    if biases:
        y += biases[0]
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
        TypeError: unless x is a SparseMatrix.
        ShapeError: unless the shapes fit together.
    """
    if not isinstance(x, SparseMatrix):
        raise TypeError(f"sparse_linear takes a SparseMatrix as x, got {type(x).__name__}; use linear for others")
    weight, *biases = as_floats("linear", weight, *([] if bias is None else [bias]))
    _check_linear(x.shape, weight, biases[0] if biases else None)
    start = biases[0] if biases else np.zeros(len(weight), dtype=weight.dtype)
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
