"""Units that never fire."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEAD_BELOW = 1e-6
"""An activation up to here counts as silence (arXiv 2502.02103, analysis of dead nodes)."""


def dead_units(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.bool_]:
    """Which units stay within ``±threshold`` on every sample.

    For activations that cannot be negative (ReLU, Abs, OffsetL2) this is the paper's criterion, "never above
    1e-6"; taking the magnitude makes a Neg after them irrelevant and extends it to linear outputs.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,), True where the unit is dead.
    """
    return np.abs(activations).max(axis=0) <= threshold
