"""Weighted Euclidean distance to a set of centres. Conventions as in :mod:`tinydist.ops.elementwise`."""

from __future__ import annotations

import numpy as np

from tinydist import kernels
from tinydist.arrays import as_floats
from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["weighted_distance"]


def weighted_distance(x: Array, center: Array, weight: Array, floor: float = 0.0) -> Result:
    """Compute the distance of every row of `x` from every centre, each axis weighted.

    ``s_ij = sum_k weight_jk (x_ik - center_jk)^2`` and ``d_ij = sqrt(max(s_ij, floor))``.

    With ``u_ij = g_ij / d_ij`` the gradients are
    ``x_ik: sum_j u_ij weight_jk (x_ik - center_jk)``,
    ``center_jk: -weight_jk sum_i u_ij (x_ik - center_jk)`` and
    ``weight_jk: 1/2 sum_i u_ij (x_ik - center_jk)^2``.
    Where ``s_ij <= floor`` the distance is flat and its gradient is 0; in particular the gradient of the norm
    at zero distance is 0, never 0/0. Weights may be negative, as in the program of arXiv 2502.02103; a sum
    that they make negative counts as one below the floor.

    Args:
        x: points, (batch, features).
        center: (centers, features).
        weight: factor of each squared difference, (centers, features).
        floor: smallest squared distance, not negative.

    Returns:
        Distances, (batch, centers).

    Raises:
        ShapeError: unless the three shapes fit together.
        ValueError: if `floor` is negative or NaN.
    """
    x, center, weight = as_floats("weighted_distance", x, center, weight)
    if x.ndim != 2 or center.ndim != 2 or x.shape[1] != center.shape[1] or weight.shape != center.shape:
        raise ShapeError(
            f"weighted_distance: got x {x.shape}, center {center.shape}, weight {weight.shape}; expected "
            "x (batch, features) and center and weight both (centers, features)"
        )
    if not floor >= 0:
        raise ValueError(f"weighted_distance: floor is a squared distance and cannot be negative, got {floor}")
    squared = kernels.weighted_squares(x, center, weight)
    distance = np.sqrt(np.maximum(squared, squared.dtype.type(floor)))

    def pull(g: Array) -> Array:
        """Return u = g / distance, (batch, centers), 0 on the flat part."""
        flat = squared <= floor
        return np.where(flat, 0, g / np.where(flat, 1, distance))

    return distance, (
        lambda g: kernels.weighted_squares_vjp_x(pull(g), x, center, weight),
        lambda g: kernels.weighted_squares_vjp_center(pull(g), x, center, weight),
        lambda g: kernels.weighted_squares_vjp_weight(pull(g), x, center),
    )
