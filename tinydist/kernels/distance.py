"""Weighted squared distances from every row to every centre, and their vector-Jacobian products.

``s_ij = sum_k weight_jk (x_ik - center_jk)^2`` with x (batch, features), center and weight (centers, features).
The vjps take ``u``, (batch, centers): the gradient with respect to the square root's argument, doubled, so that
the factor 2 of the square cancels. See :func:`tinydist.ops.distance.weighted_distance` for the formulas.

The numba kernels never build the (batch, centers, features) array of differences. Those whose result has a row
for each row of `x` share out the rows between threads. Those that sum over the batch split it into a fixed
number of chunks and add the chunks' sums in order. Either way the bits do not depend on the number of threads.
Sums may be reassociated (they have to be, to use vector instructions), but NaN and infinity are respected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tinydist.kernels.chunks import DISTANCE_CHUNKS, sum_chunks
from tinydist.kernels.jit import kernel
from tinydist.kernels.memory import empty

Array = NDArray[Any]

VECTOR_SUMS = {"reassoc", "contract", "nsz"}
"""Compiler options that the kernels allow for floats: none of them assumes that NaN or infinity is absent."""


def weighted_squares_numpy(x: Array, center: Array, weight: Array) -> Array:
    """Return weighted squared distances, (batch, centers)."""
    return np.stack([(x - c) ** 2 @ w for c, w in zip(center, weight, strict=True)], axis=1)


@kernel(parallel=True, fastmath=VECTOR_SUMS)
def weighted_squares_numba(x: Array, center: Array, weight: Array) -> Array:
    """Return weighted squared distances, (batch, centers)."""
    batch, features = x.shape
    squares = np.empty((batch, center.shape[0]), dtype=x.dtype)
    for i in prange(batch):
        for j in range(center.shape[0]):
            total = x.dtype.type(0)
            for k in range(features):
                difference = x[i, k] - center[j, k]
                total += weight[j, k] * difference * difference
            squares[i, j] = total
    return squares


def weighted_squares_vjp_x_numpy(u: Array, x: Array, center: Array, weight: Array) -> Array:
    """Return the gradient with respect to `x`, (batch, features)."""
    gradient = np.zeros_like(x)
    for j in range(len(center)):
        gradient += u[:, j, None] * weight[j] * (x - center[j])
    return gradient


@kernel(parallel=True, fastmath=VECTOR_SUMS)
def _weighted_squares_vjp_x(u: Array, x: Array, center: Array, weight: Array, gradient: Array) -> None:
    batch, features = x.shape
    for i in prange(batch):
        for k in range(features):
            gradient[i, k] = 0
        for j in range(center.shape[0]):
            for k in range(features):
                gradient[i, k] += u[i, j] * weight[j, k] * (x[i, k] - center[j, k])


def weighted_squares_vjp_x_numba(u: Array, x: Array, center: Array, weight: Array) -> Array:
    """Return the gradient with respect to `x`, (batch, features)."""
    gradient = empty(x.shape, x.dtype)
    _weighted_squares_vjp_x(u, x, center, weight, gradient)
    return gradient


def weighted_squares_vjp_center_numpy(u: Array, x: Array, center: Array, weight: Array) -> Array:
    """Return the gradient with respect to `center`, (centers, features)."""
    return np.stack([-w * (u[:, j] @ (x - c)) for j, (c, w) in enumerate(zip(center, weight, strict=True))])


@kernel(parallel=True, fastmath=VECTOR_SUMS)
def _center_terms(u: Array, x: Array, center: Array, partial: Array) -> None:
    """Write ``u_ij (x_ik - center_jk)``, summed over each chunk of the batch, (chunks, centers, features)."""
    batch, features = x.shape
    chunks = len(partial)
    for chunk in prange(chunks):
        partial[chunk] = 0
        for i in range(batch * chunk // chunks, batch * (chunk + 1) // chunks):
            for j in range(center.shape[0]):
                for k in range(features):
                    partial[chunk, j, k] += u[i, j] * (x[i, k] - center[j, k])


def weighted_squares_vjp_center_numba(u: Array, x: Array, center: Array, weight: Array) -> Array:
    """Return the gradient with respect to `center`, (centers, features)."""
    partial = empty((DISTANCE_CHUNKS, *center.shape), x.dtype)
    _center_terms(u, x, center, partial)
    return -weight * sum_chunks(partial)


def weighted_squares_vjp_weight_numpy(u: Array, x: Array, center: Array) -> Array:
    """Return the gradient with respect to `weight`, (centers, features)."""
    return np.stack([0.5 * (u[:, j] @ (x - c) ** 2) for j, c in enumerate(center)])


@kernel(parallel=True, fastmath=VECTOR_SUMS)
def _weight_terms(u: Array, x: Array, center: Array, partial: Array) -> None:
    """Write ``u_ij (x_ik - center_jk)^2``, summed over each chunk of the batch, (chunks, centers, features)."""
    batch, features = x.shape
    chunks = len(partial)
    for chunk in prange(chunks):
        partial[chunk] = 0
        for i in range(batch * chunk // chunks, batch * (chunk + 1) // chunks):
            for j in range(center.shape[0]):
                for k in range(features):
                    difference = x[i, k] - center[j, k]
                    partial[chunk, j, k] += u[i, j] * difference * difference


def weighted_squares_vjp_weight_numba(u: Array, x: Array, center: Array) -> Array:
    """Return the gradient with respect to `weight`, (centers, features)."""
    partial = empty((DISTANCE_CHUNKS, *center.shape), x.dtype)
    _weight_terms(u, x, center, partial)
    return x.dtype.type(0.5) * sum_chunks(partial)
