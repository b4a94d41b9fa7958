"""Accuracy with the hidden activations clamped from below or above: which of their two ends carries the decision.

Clamping *from below* at a threshold t replaces h by max(h, t): differences among small activations vanish, which hurts
a network that reads "small" as "near what I know" (distance). Clamping *from above* replaces h by min(h, t):
differences among large activations vanish, which hurts one that reads "large" as "it is here" (intensity). The
threshold stands at p percent of the observed range: ``t = low + p / 100 * (high - low)``. So at p = 0 the clamp from
below changes nothing and that from above everything; at p = 100 it is the other way round.

The paper (arXiv 2502.02103) leaves some of this open. Decided here:

* what is clamped: the outputs of the first activation ("act0"), since these are what the second layer reads;
* the range is one for all nodes of the layer (``per="layer"``). Neither it nor each node's own (``per="node"``) gives
  the author's notes throughout: with 3,000 images and 200 epochs, ReLU, ReLU2, ReLU2-Neg and Abs2 come closer with the
  layer's, Abs and Abs2-Neg with the node's, and from above these two lose half at 7 to 16% with either, not at 30 and
  35%. A node clamped alone is clamped in its own range;
* it is observed on the images on which the accuracy is measured, so that one end of each curve changes nothing;
* half the accuracy is lost where at most half of the accuracy without clamping is left (not half of the way down to
  guessing). With the clamp from below that is the smallest such p, with the clamp from above the largest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import check_activations, check_labels, layer_output
from tinydist.figures import BLUE, GREY, VERMILION, panels, set_title
from tinydist.nn import Sequential
from tinydist.recording import no_grad
from tinydist.sparse import SparseMatrix
from tinydist.tables import text_table
from tinydist.training import accuracy

Array = NDArray[Any]

PUBLISHED_HALF_LOSS: dict[str, tuple[int, int]] = {
    "Abs2-Neg": (38, 35),
    "Abs": (35, 30),
    "Abs2": (15, 8),
    "ReLU2-Neg": (11, 1),
    "ReLU": (9, 1),
    "ReLU2": (8, 1),
}
"""The p at which half the accuracy is lost, from below and from above, by the notes of the paper's author."""

LAYER_PERCENTS = tuple(range(101))
NODE_PERCENTS = tuple(range(0, 101, 5))


@dataclass(frozen=True)
class Perturbation:
    """Accuracy against the threshold of a clamp.

    Attributes:
        percents: thresholds in percent of the observed range, ascending, (thresholds,).
        unclamped: accuracy of the network as it is, percent.
        from_below, from_above: accuracy with the activations clamped, percent, (thresholds,).
    """

    percents: NDArray[np.float64]
    unclamped: float
    from_below: NDArray[np.float64]
    from_above: NDArray[np.float64]

    @property
    def half_lost_from_below(self) -> float:
        """Return the smallest percentage at which at most half of the accuracy is left; NaN if there is none."""
        lost = self.percents[self.from_below <= self.unclamped / 2]
        return float(lost[0]) if len(lost) else float("nan")

    @property
    def half_lost_from_above(self) -> float:
        """Return the largest percentage at which at most half of the accuracy is left; NaN if there is none."""
        lost = self.percents[self.from_above <= self.unclamped / 2]
        return float(lost[-1]) if len(lost) else float("nan")

    @property
    def crossing(self) -> float:
        """Return the percentage at which the two accuracies cross; NaN if they never do.

        It is the first change from "clamping from above costs more" to "clamping from below costs more", by a straight
        line between the two thresholds that show it. Low means that the small activations matter more.
        """
        difference = self.from_above - self.from_below
        unequal = np.flatnonzero(difference)
        for before, after in itertools.pairwise(unequal):
            if difference[before] < 0 < difference[after]:
                part = -difference[before] / (difference[after] - difference[before])
                return float(self.percents[before] + part * (self.percents[after] - self.percents[before]))
        return float("nan")

    @property
    def largest_loss(self) -> float:
        """Return the most that any of the clamps costs, in percentage points; negative if every one of them helps."""
        return self.unclamped - float(min(self.from_below.min(), self.from_above.min()))


def observed_range(activations: Array, per: str = "layer") -> tuple[Array, Array]:
    """Return the smallest and the largest activation of each node, or of the whole layer for all; twice (nodes,).

    Args:
        activations: (samples, nodes).
        per: "node" or "layer".

    Raises:
        ShapeError, ValueError: if the activations are empty or not finite.
        ValueError: if `per` is neither.
    """
    check_activations(activations)
    if per not in ("node", "layer"):
        raise ValueError(f"per: expected 'node' or 'layer', got {per!r}")
    low, high = activations.min(axis=0), activations.max(axis=0)
    if per == "layer":
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    return low, high


def clamp_curves(
    activations: Array,
    labels: Array,
    outputs_of: Callable[[Array], Array],
    nodes: Sequence[int] | slice = slice(None),
    per: str = "layer",
    percents: Sequence[float] = LAYER_PERCENTS,
) -> Perturbation:
    """Measure the accuracy with some nodes clamped at each threshold.

    Args:
        activations: (samples, nodes).
        labels: (samples,).
        outputs_of: the rest of the network, from activations (samples, nodes) to logits (samples, classes).
        nodes: which to clamp; all by default.
        per: whose range the percentages refer to, "node" or "layer".
        percents: thresholds, ascending, 0 to 100.

    Raises:
        ShapeError, ValueError: if the activations are not finite, or anything does not fit.
    """
    low, high = (bound[nodes] for bound in observed_range(activations, per))
    check_labels(labels, len(activations))
    if not percents or min(percents) < 0 or max(percents) > 100 or list(percents) != sorted(set(percents)):
        raise ValueError(f"percents must ascend within 0 to 100, got {percents}")

    def with_nodes(clamped: Array) -> float:
        changed = activations.copy()
        changed[:, nodes] = clamped
        return accuracy(outputs_of(changed), labels)

    chosen = activations[:, nodes]
    # Exact at 0 and 100%; clipped, so that rounding does not move a node that is constant.
    thresholds = [np.clip(low * (1 - p / 100) + high * (p / 100), low, high) for p in percents]
    return Perturbation(
        percents=np.array(percents, dtype=float),
        unclamped=accuracy(outputs_of(activations), labels),
        from_below=np.array([with_nodes(np.maximum(chosen, threshold)) for threshold in thresholds]),
        from_above=np.array([with_nodes(np.minimum(chosen, threshold)) for threshold in thresholds]),
    )


def outputs_after(model: Sequential, layer: str, activations: Array) -> Array:
    """Return the outputs of the model if `layer` puts out these activations, (images, classes)."""
    names = [name for name, _ in model.children()]
    following = dict(list(model.children())[names.index(layer) + 1 :])
    with no_grad():
        return Sequential(**following)(activations).data


def perturb_layer(
    model: Sequential, x: Array | SparseMatrix, labels: Array, layer: str = "act0", per: str = "layer"
) -> Perturbation:
    """Clamp all nodes of a layer together, at every whole percentage.

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        x, labels: images, (images, pixels), and their classes, (images,).
        layer: whose outputs to clamp.
        per: whose range the percentages refer to, "node" or "layer".

    Raises:
        ValueError: if the model has no layer of this name, or an output is not finite.
    """
    activations = layer_output(model, x, layer)
    return clamp_curves(activations, labels, lambda h: outputs_after(model, layer, h), per=per)


def perturb_nodes(model: Sequential, x: Array | SparseMatrix, labels: Array, layer: str = "act0") -> list[Perturbation]:
    """Clamp one node of a layer at a time, at every fifth percentage of its own range; one result a node.

    Args:
        model, x, labels, layer: as for :func:`perturb_layer`.

    Raises:
        ValueError: if the model has no layer of this name, or an output is not finite.
    """
    activations = layer_output(model, x, layer)
    return [
        clamp_curves(
            activations, labels, lambda h: outputs_after(model, layer, h), [node], per="node", percents=NODE_PERCENTS
        )
        for node in range(activations.shape[1])
    ]


def layer_table(perturbations: Mapping[str, Sequence[Perturbation]], notes: bool = True) -> str:
    """Return a table with a line a model: where runs lose half the accuracy, the author's notes, the crossings.

    Args:
        perturbations: of the runs of each model.
        notes: whether the author's notes belong beside them, which are about MNIST.
    """
    rows = [("", "unclamped %", "half lost from below at %", "notes", "from above at %", "notes", "crossing at %")]
    for model, runs in perturbations.items():
        unclamped = ", ".join(f"{run.unclamped:.1f}" for run in runs)
        below, above, crossing = (
            ", ".join(_percent(getattr(run, name)) for run in runs)
            for name in ("half_lost_from_below", "half_lost_from_above", "crossing")
        )
        notes_below, notes_above = PUBLISHED_HALF_LOSS.get(model, ("–", "–")) if notes else ("–", "–")
        rows.append((model, unclamped, below, str(notes_below), above, str(notes_above), crossing))
    return text_table(rows)


def nodes_table(perturbations: Sequence[Perturbation], count: int = 10) -> str:
    """Return a table of the `count` nodes that cost most when clamped alone.

    It shows the percentage points lost from below and above, and the crossing.
    """
    order = sorted(range(len(perturbations)), key=lambda node: -perturbations[node].largest_loss)[:count]
    lines = [f"{'node':>5}  {'lost from below':>15}  {'from above':>10}  crossing at % of its range"]
    for node in order:
        found = perturbations[node]
        below, above = (found.unclamped - curve.min() for curve in (found.from_below, found.from_above))
        lines.append(f"{node:5}  {below:15.2f}  {above:10.2f}  {_percent(found.crossing):>26}")
    return "\n".join(lines)


def layer_figure(perturbations: Mapping[str, Sequence[Perturbation]], label: str, notes: bool = True) -> Figure:
    """Draw a panel a model: both curves of each run, half of the accuracy, and where the author's notes have it.

    Args:
        perturbations: of the runs of each model.
        label: the protocol, shown under the title.
        notes: whether the author's notes belong beside them, which are about MNIST.
    """
    figure, all_axes = panels(len(perturbations), 3.2, 2.7, sharey=True)
    for axes, (model, runs) in zip(all_axes, perturbations.items(), strict=True):
        unclamped = sum(run.unclamped for run in runs) / len(runs)
        half = unclamped / 2
        for number, run in enumerate(runs):
            below, above = ("from below", "from above") if number == 0 else (None, None)
            axes.plot(run.percents, run.from_below, color=BLUE, lw=1, label=below)
            axes.plot(run.percents, run.from_above, color=VERMILION, lw=1, ls="--", label=above)
        axes.axhline(half, color=GREY, ls=":", lw=1, label="half the accuracy")
        theirs = PUBLISHED_HALF_LOSS.get(model, ()) if notes else ()
        for published, color, marker in zip(theirs, (BLUE, VERMILION), "o^", strict=False):
            axes.plot(published, half, marker, mfc="white", color=color, ms=7)
        axes.set_title(f"{model}: {unclamped:.1f}% unclamped", fontsize=9)
        axes.set_xlabel("threshold, % of the range")
        axes.set_ylim(0, 100)
        axes.grid(alpha=0.3)
    for axes in all_axes[::4]:
        axes.set_ylabel("accuracy, %")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=9)
    marks = " Open marks: half lost by the author's notes\n(circle: from below, triangle: from above)" if notes else ""
    set_title(figure, f"Hidden activations clamped, a line a run.{marks}\n{label}", fontsize=9)
    return figure


def nodes_figure(perturbations: Mapping[str, Sequence[Perturbation]], label: str) -> Figure:
    """Draw a panel a model, a dot a node: where its two curves cross, and the most that clamping it alone costs."""
    figure, all_axes = panels(len(perturbations), 3.2, 2.7, sharex=True, sharey=True)
    for axes, (model, nodes) in zip(all_axes, perturbations.items(), strict=True):
        crossings = np.array([node.crossing for node in nodes])
        axes.plot(crossings, [node.largest_loss for node in nodes], "o", color=BLUE, ms=4, alpha=0.6, mew=0)
        axes.set_title(f"{model}: {np.isnan(crossings).sum()} of {len(nodes)} without a crossing", fontsize=9)
        axes.set_xlim(0, 100)
        axes.set_xlabel("crossing, % of the node's range")
        axes.grid(alpha=0.3)
    for axes in all_axes[::4]:
        axes.set_ylabel("largest loss, % points")
    set_title(figure, f"Hidden nodes clamped one at a time\n{label}", fontsize=10)
    return figure


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0f}"
