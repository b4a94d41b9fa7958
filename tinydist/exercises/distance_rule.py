"""A check of the distance op and its three rules, small enough to be an exercise itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def assert_weighted_distance(op: Callable[..., tuple[Array, tuple[Callable[[Array], Array], ...]]]) -> None:
    """Raise AssertionError exactly if `op` is not the distance of rows from centres with its three gradient rules.

    The value is ``d_ij = sqrt(max(s_ij, floor))`` with ``s_ij = sum_k weight_jk (x_ik - center_jk)^2``. With
    ``u_ij = g_ij / d_ij``, and 0 where ``s_ij <= floor``, the gradients are
    ``x_ik: sum_j u_ij weight_jk (x_ik - center_jk)``,
    ``center_jk: -weight_jk sum_i u_ij (x_ik - center_jk)`` and
    ``weight_jk: 1/2 sum_i u_ij (x_ik - center_jk)^2``. All are of the dtype of the arrays.

    Args:
        op: takes x, center, weight and floor, returns ``(value, (rule for x, rule for center, rule for weight))``.

    Raises:
        AssertionError: if anything is wrong.
    """
    points = np.array([[5, 1], [2, 4], [2, 3], [-1, 2]])
    centers = np.array([[2, 4], [1, -1]])  # the second point is on the first centre
    weights = np.array([[2, 0.5], [1, -3]])  # so that some sums are below 0
    incoming = np.array([[-2, 3], [4, -5], [6, 7], [-8, 9]])
    for floor in (0.0, 0.75):
        difference = points[:, None] - centers
        squared = np.sum(weights * difference**2, axis=2)
        distance = np.sqrt(np.maximum(squared, floor))
        above = squared > floor
        u = np.where(above, incoming / np.where(above, distance, 1), 0)
        pull = u[..., None] * weights * difference
        gradients = pull.sum(axis=1), -pull.sum(axis=0), np.einsum("bc,bcf->cf", u, difference**2) / 2
        for dtype in (np.float64, np.float32):
            value, rules = op(points.astype(dtype), centers.astype(dtype), weights.astype(dtype), floor)
            received = [rule(incoming.astype(dtype)) for rule in rules]
            names = ("value", "gradient of x", "gradient of center", "gradient of weight")
            for name, array, truth in zip(names, (value, *received), (distance, *gradients), strict=True):
                assert np.allclose(array, truth), f"wrong {name}"
                assert array.dtype == dtype, f"wrong dtype of the {name}"
