"""Units that never fire, and units that hardly ever do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.analysis.activations import check_activations, layer_outputs, node_layers
from tinydist.nn import Sequential
from tinydist.sparse import SparseMatrix

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


def active_counts(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.int64]:
    """On how many samples each unit is active: larger in magnitude than the threshold.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,).
    """
    return np.count_nonzero(np.abs(activations) > threshold, axis=0)


def active_shares(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.float64]:
    """The share of samples on which each unit is active: larger in magnitude than the threshold.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,), from 0 for a dead unit to 1.

    Raises:
        ShapeError: unless there is at least one sample and one unit.
        ValueError: if an activation is not finite.
    """
    check_activations(activations)
    return active_counts(activations, threshold) / len(activations)


@dataclass(frozen=True)
class NodeActivity:
    """How often the nodes of one layer are active on one set of images.

    Attributes:
        layer: its name, such as "act0".
        images: which images: "train" or "test".
        shares: the share of images on which each node is active, (nodes,).
    """

    layer: str
    images: str
    shares: NDArray[np.float64]

    @property
    def nodes(self) -> int:
        return len(self.shares)

    @property
    def dead(self) -> int:
        """Nodes active on no image."""
        return int(np.count_nonzero(self.shares == 0))

    def rarely(self, share: float) -> int:
        """Nodes active on less than this share of the images, the dead ones among them."""
        return int(np.count_nonzero(self.shares < share))


def node_activity(
    model: Sequential, x_train: NDArray[Any] | SparseMatrix, x_test: NDArray[Any] | SparseMatrix
) -> list[NodeActivity]:
    """How often every node is active: the hidden activations, and the outputs before any Neg.

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        x_train, x_test: images, (images, pixels).

    Returns:
        One for each layer and set of images.
    """
    found = []
    for images, x in (("train", x_train), ("test", x_test)):
        outputs = layer_outputs(model, x)
        found += [NodeActivity(layer, images, active_shares(outputs[layer])) for layer in node_layers(model)]
    return sorted(found, key=lambda activity: node_layers(model).index(activity.layer))


def activity_table(activities: Sequence[NodeActivity]) -> str:
    """Nodes that are dead, and active on less than 1% and 5% of the images (the dead included), a line a layer."""
    lines = [f"{'layer':10} {'images':6} {'nodes':>6} {'dead':>14} {'active < 1%':>14} {'active < 5%':>14}"]
    for activity in activities:
        counts = (activity.dead, activity.rarely(0.01), activity.rarely(0.05))
        cells = (f"{count:5} ({100 * count / activity.nodes:5.1f}%)" for count in counts)
        lines.append(f"{activity.layer:10} {activity.images:6} {activity.nodes:6} {' '.join(cells)}")
    return "\n".join(lines)
