"""Matrix product. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result, unbroadcast


def matmul(a: Array, b: Array) -> Result:
    """Matrix product of ``(..., n, k)`` and ``(..., k, m)`` into ``(..., n, m)``; leading axes broadcast.

    For ``Y = A B``: the gradient of A is ``G B^T``, the gradient of B is ``A^T G``.
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
