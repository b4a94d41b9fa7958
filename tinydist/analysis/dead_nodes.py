"""Nodes that are dead or rarely active, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.activity import active_shares, layer_outputs, node_layers
from tinydist.nn import Sequential
from tinydist.sparse import SparseMatrix


@dataclass(frozen=True)
class NodeActivity:
    """Shares of images on which the nodes of one layer are active, for one set of images.

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
        """Return how many nodes there are."""
        return len(self.shares)

    @property
    def dead(self) -> int:
        """Return the number of nodes that are active on no image."""
        return int(np.count_nonzero(self.shares == 0))

    def rarely(self, share: float) -> int:
        """Return the number of nodes active on less than this share of the images, the dead ones among them."""
        return int(np.count_nonzero(self.shares < share))


def node_activity(
    model: Sequential, x_train: NDArray[Any] | SparseMatrix, x_test: NDArray[Any] | SparseMatrix
) -> list[NodeActivity]:
    """Return how often every node is active: the hidden activations, and the outputs before any Neg.

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
