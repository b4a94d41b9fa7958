"""How the outputs of a network fall silent while it trains, and figures of node activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tinydist.analysis.activations import layer_outputs, node_layers
from tinydist.analysis.dead_nodes import NodeActivity, active_shares
from tinydist.datasets import Dataset
from tinydist.figures import BLUE, panels, set_title
from tinydist.nn import Sequential
from tinydist.optim import Optimizer
from tinydist.sparse import SparseMatrix
from tinydist.training import measured_epochs, train

Array = NDArray[Any]


@dataclass(frozen=True)
class OutputActivity:
    """How often each output is active, now and then during training.

    Attributes:
        epochs: steps taken at each moment, ascending.
        shares: share of the images on which an output is above 1e-6 in magnitude, (moments, outputs).
    """

    epochs: tuple[int, ...]
    shares: NDArray[np.float64]

    @property
    def dead(self) -> NDArray[np.int64]:
        """Outputs active on no image, (moments,)."""
        return np.count_nonzero(self.shares == 0, axis=1)


def activity_while_training(
    model: Sequential, optimizer: Optimizer, data: Dataset, epochs: int, points: int = 40
) -> OutputActivity:
    """Train by full-batch steps, and see how often each output is active on the training images.

    Args:
        model: trained in place.
        optimizer: of its parameters.
        data: training and test images.
        epochs: steps to take, at least one.
        points: about how many moments: the start, the end and between them evenly spaced on a log axis.

    Raises:
        DivergedError: as soon as the loss is not finite.
    """
    moments = measured_epochs(epochs, points)
    shares = {0: _output_shares(model, data.x_train)}

    def look(epoch: int) -> None:
        if epoch in moments:
            shares[epoch] = _output_shares(model, data.x_train)

    train(model, optimizer, data, epochs, on_epoch=look)
    return OutputActivity(tuple(shares), np.array(list(shares.values())))


def activity_of_weights(
    model: Sequential, weights: Mapping[int, Mapping[str, ArrayLike]], x: Array | SparseMatrix
) -> OutputActivity:
    """The same from weights that were kept during training.

    Args:
        model: of the weights' sizes; what it holds itself is left as it is.
        weights: state dicts by epoch, at least one.
        x: images, (images, pixels).

    Raises:
        ValueError: if there are no weights.
        StateDictError: if they do not fit the model.
    """
    if not weights:
        raise ValueError("no weights were given; keep model.state_dict() at some epochs while training")
    before = model.state_dict()
    shares = []
    try:
        for epoch in sorted(weights):
            model.load_state_dict(weights[epoch])
            shares.append(_output_shares(model, x))
    finally:
        model.load_state_dict(before)
    return OutputActivity(tuple(sorted(weights)), np.array(shares))


def _output_shares(model: Sequential, x: Array | SparseMatrix) -> NDArray[np.float64]:
    return active_shares(layer_outputs(model, x)[node_layers(model)[-1]])


def output_activity_table(activity: OutputActivity) -> str:
    """A line a moment: dead outputs, and the percentage of images on which each output is active, "–" if on none."""
    outputs = activity.shares.shape[1]
    lines = [f"{'epoch':>6} {'dead':>5}   active on % of the images: {' '.join(f'{i:4}' for i in range(outputs))}"]
    for epoch, dead, shares in zip(activity.epochs, activity.dead, activity.shares, strict=True):
        cells = " ".join(f"{100 * share:4.0f}" if share else "   –" for share in shares)
        lines.append(f"{epoch:6} {dead:5}   {'':26} {cells}")
    return "\n".join(lines)


def output_activity_figure(activities: Mapping[str, OutputActivity], label: str) -> Figure:
    """Outputs × moments, coloured by the share of images on which the output is active; crosses mark dead outputs.

    Args:
        activities: by model.
        label: what was trained on what, shown under the title.
    """
    figure, all_axes = panels(len(activities), 5.4, 3.4, columns=3)
    for axes, (model, activity) in zip(all_axes, activities.items(), strict=True):
        image = axes.imshow(100 * activity.shares.T, aspect="auto", cmap="cividis", vmin=0, vmax=100, origin="lower")
        moments, outputs = np.nonzero(activity.shares == 0)
        axes.plot(moments, outputs, "x", color="white", ms=4, mew=0.8, ls="none")
        ticks = np.unique(np.linspace(0, len(activity.epochs) - 1, 7).round().astype(int))
        axes.set_xticks(ticks, [f"{activity.epochs[tick]:,}" for tick in ticks])
        axes.set_yticks(range(activity.shares.shape[1]))
        axes.set(xlabel="epochs (full-batch steps, not to scale)", ylabel="output (class)")
        axes.set_title(f"{model}, dead in the end: {activity.dead[-1]}", fontsize=10)
    figure.colorbar(image, ax=all_axes, label="active on % of the images")
    set_title(figure, f"Which outputs are active (cross: dead, on no image)\n{label}", fontsize=10)
    return figure


def node_activity_figure(activities: Mapping[str, Sequence[NodeActivity]], label: str, images: str = "test") -> Figure:
    """Every node a dot, at the share of images on which it is active; a row for each model, a panel for each layer.

    Args:
        activities: from :func:`tinydist.analysis.dead_nodes.node_activity`, by model.
        label: what was trained on what, shown under the title.
        images: "train" or "test".
    """
    figure, all_axes = panels(2, 5.4, 0.6 + 0.36 * len(activities), sharex=True, sharey=True)
    for place, (axes, name) in enumerate(zip(all_axes, ("hidden nodes", "outputs, before any Neg"), strict=True)):
        for row, layers in enumerate(activities.values()):
            activity = [activity for activity in layers if activity.images == images][-place]  # hidden 0, outputs -1
            spread = np.linspace(-0.3, 0.3, activity.nodes)
            axes.plot(100 * activity.shares, row + spread, "o", color=BLUE, ms=3, alpha=0.5, mew=0)
            axes.text(1.01, row, f"{activity.dead} dead", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        axes.set(title=name, xlabel=f"active on % of the {images} images (logarithmic above 1)")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks([0, 1, 5, 20, 100], ["0", "1", "5", "20", "100"])
        axes.grid(axis="x", alpha=0.3)
    all_axes[0].set_yticks(range(len(activities)), list(activities))
    all_axes[0].invert_yaxis()
    set_title(figure, f"How often nodes are active\n{label}", fontsize=10)
    return figure
