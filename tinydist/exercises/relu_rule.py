"""A check of one rule, small enough to be an exercise itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def assert_relu(op: Callable[[Array], tuple[Array, tuple[Callable[[Array], Array]]]]) -> None:
    """Raise AssertionError exactly if `op` is not ``max(x, 0)`` with its gradient rule.

    The rule is: g where ``x > 0``, else 0, at the kink as well. The op and its rule have to leave x alone and to keep
    its dtype.

    Args:
        op: takes an array x, returns ``(value, (rule,))``; the rule takes g and returns the gradient of x.

    Raises:
        AssertionError: if anything is wrong.
    """
    for dtype in (np.float64, np.float32):
        x: Array = np.array([-50, -2, -1e-4, 0, 0, 1e-4, 1e-4, 0.5, 3, 50, 50], dtype=dtype)
        g = np.array([10, -20, 30, -40, 50, -60, 70, -80, 90, -15, 25], dtype=dtype)
        before = x.copy()
        value, (rule,) = op(x)
        gradient = rule(g)
        assert np.array_equal(value, np.maximum(before, 0)), "wrong value"
        assert np.array_equal(gradient, np.where(before > 0, g, 0)), "wrong gradient"
        assert value.dtype == gradient.dtype == dtype, "wrong dtype"
        assert np.array_equal(x, before), "x was changed"
