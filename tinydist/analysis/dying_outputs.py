"""The activity of a network's outputs while it trains, which shows them die, and figures of node activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.analysis.dead_nodes import NodeActivity
from tinydist.figures import BLUE, panels, set_title

Array = NDArray[Any]


@dataclass(frozen=True)
class OutputActivity:
    """Shares of images on which each output is active, at some moments of training.

    Attributes:
        epochs: steps taken at each moment, ascending.
        shares: share of the images on which an output is above 1e-6 in magnitude, (moments, outputs).
    """

    epochs: tuple[int, ...]
    shares: NDArray[np.float64]

    @property
    def dead(self) -> NDArray[np.int64]:
        """Return how many outputs are active on no image, (moments,)."""
        return np.count_nonzero(self.shares == 0, axis=1)


def output_activity_table(activity: OutputActivity) -> str:
    """Return a table with a line a moment: dead outputs, and the % of images on which each is active ("–": none)."""
    outputs = activity.shares.shape[1]
    lines = [f"{'epoch':>6} {'dead':>5}   active on % of the rows:   {' '.join(f'{i:4}' for i in range(outputs))}"]
    for epoch, dead, shares in zip(activity.epochs, activity.dead, activity.shares, strict=True):
        cells = " ".join(f"{100 * share:4.0f}" if share else "   –" for share in shares)
        lines.append(f"{epoch:6} {dead:5}   {'':26} {cells}")
    return "\n".join(lines)


def output_activity_figure(activities: Mapping[str, OutputActivity], label: str) -> Figure:
    """Draw outputs × moments, coloured by the share of images on which the output is active; crosses mark dead outputs.

    Args:
        activities: by model.
        label: model and data of the runs, shown under the title.
    """
    figure, all_axes = panels(len(activities), 5.4, 3.4, columns=3)
    for axes, (model, activity) in zip(all_axes, activities.items(), strict=True):
        image = axes.imshow(100 * activity.shares.T, aspect="auto", cmap="cividis", vmin=0, vmax=100, origin="lower")
        moments, outputs = np.nonzero(activity.shares == 0)
        axes.plot(moments, outputs, "x", color="white", ms=4, mew=0.8, ls="none")
        ticks = np.unique(np.linspace(0, len(activity.epochs) - 1, 7).round().astype(int))
        axes.set_xticks(ticks, [f"{activity.epochs[tick]:,}" for tick in ticks])
        axes.set_yticks(range(activity.shares.shape[1]))
        axes.set(xlabel="epochs (not to scale)", ylabel="output (class)")
        axes.set_title(f"{model}, dead in the end: {activity.dead[-1]}", fontsize=10)
    figure.colorbar(image, ax=all_axes, label="active on % of the rows")
    set_title(figure, f"Which outputs are active (cross: dead, on no row)\n{label}", fontsize=10)
    return figure


def node_activity_figure(activities: Mapping[str, Sequence[NodeActivity]], label: str, images: str = "test") -> Figure:
    """Draw every node as a dot at the share of images on which it is active: a row a model, a panel a layer.

    Args:
        activities: from :func:`tinydist.analysis.dead_nodes.node_activity`, by model.
        label: model and data of the runs, shown under the title.
        images: "train" or "test".
    """
    figure, all_axes = panels(2, 5.4, 0.6 + 0.36 * len(activities), sharex=True, sharey=True)
    for place, (axes, name) in enumerate(zip(all_axes, ("hidden nodes", "outputs, before any Neg"), strict=True)):
        for row, layers in enumerate(activities.values()):
            activity = [activity for activity in layers if activity.images == images][-place]  # hidden 0, outputs -1
            spread = np.linspace(-0.3, 0.3, activity.nodes)
            axes.plot(100 * activity.shares, row + spread, "o", color=BLUE, ms=3, alpha=0.5, mew=0)
            axes.text(1.01, row, f"{activity.dead} dead", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        axes.set(title=name, xlabel=f"active on % of the {images} rows (logarithmic above 1)")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks([0, 1, 5, 20, 100], ["0", "1", "5", "20", "100"])
        axes.grid(axis="x", alpha=0.3)
    all_axes[0].set_yticks(range(len(activities)), list(activities))
    all_axes[0].invert_yaxis()
    set_title(figure, f"How often nodes are active\n{label}", fontsize=10)
    return figure
