"""The three products of a linear layer with few outputs, such as the last of a network, over a large batch.

A BLAS library is made for large matrices on all sides; here one side is about 10. The loops are in
:mod:`tinydist.kernels.rows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.kernels.chunks import CHUNKS
from tinydist.kernels.memory import empty
from tinydist.kernels.rows import (
    BLOCK,
    dense_product,
    empty_tiles,
    in_tiles,
    narrow_product,
    narrow_product_summed,
    sum_in_tiles,
)

Array = NDArray[Any]


def narrow_linear_numpy(x: Array, weight: Array) -> Array:
    """Return ``X W^T``: (batch, in) and (out, in) to (batch, out)."""
    return x @ weight.T


def narrow_linear_numba(x: Array, weight: Array) -> Array:
    """Return ``X W^T``: (batch, in) and (out, in) to (batch, out); both C-contiguous."""
    result = empty((len(x), len(weight)), x.dtype)
    narrow_product(x, weight, result)
    return result


def narrow_vjp_x_numpy(g: Array, weight: Array) -> Array:
    """Return ``G W``: (batch, out) and (out, in) to (batch, in)."""
    return g @ weight


def narrow_vjp_x_numba(g: Array, weight: Array) -> Array:
    """Return ``G W``: (batch, out) and (out, in) to (batch, in)."""
    result = empty((len(g), weight.shape[1]), g.dtype)
    dense_product(np.ascontiguousarray(g), in_tiles(weight), result)
    return result


def narrow_vjp_weight_numpy(g: Array, x: Array) -> Array:
    """Return ``G^T X``: (batch, out) and (batch, in) to (out, in)."""
    return g.T @ x


def narrow_vjp_weight_numba(g: Array, x: Array) -> Array:
    """Return ``G^T X``: (batch, out) and (batch, in) to (out, in)."""
    partial = empty_tiles((CHUNKS, g.shape[1], x.shape[1]), g.dtype)
    tiled = empty_tiles((CHUNKS, BLOCK, x.shape[1]), g.dtype)
    narrow_product_summed(np.ascontiguousarray(g), np.ascontiguousarray(x), tiled, partial)
    return sum_in_tiles(partial, x.shape[1])
