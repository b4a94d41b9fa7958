"""What a trained OffsetL2 layer really uses: accuracy after parts of it are taken away, and what its gradients cancel.

An OffsetL2 layer learns prototypes mu and scales alpha. Taking one of them back to what it was worth before training,
or giving it to another class, shows what the decision rests on; see :func:`changes`. Nothing is trained afterwards.

Why its gradient may hardly reach the layers before it: let h be the hidden activations of one image, and let the
outputs be ``y_k = sqrt(sum_j alpha_kj (h_j - mu_kj)^2)``. By the chain rule,

* an output by the activations: ``dy_k/dh = e_k = alpha_k * (h - mu_k) / y_k``, entry by entry;
* the cross-entropy by an output: ``dL/dy_k = r_k = p_k - onehot_k``, the residual, where p is the softmax of y;
* together: ``dL/dh = sum_k r_k e_k``.

Probabilities add up to 1, and so does a onehot row, hence ``sum_k r_k = 0``. So any vector e may be taken off all e_k:
``dL/dh = sum_k r_k (e_k - e)``. Only that in which the e_k differ reaches h. Where all alpha_k, mu_k and y_k are nearly
equal, so are the e_k, and the terms cancel. At the start every alpha is 1, so that e_k has length 1 and points from
mu_k to h, and every mu is small: the longer h is beside it, the more alike are these directions. With pixels up to 255
h is hundreds of times as long as mu, and next to nothing is left; with pixels up to 1 it is hardly longer, and much is.
:func:`cancellation` measures it. A linear layer has its weight rows for e_k, which differ however long h is.

With Neg behind the layer p is the softmax of -y and every term has the other sign. In the form "paper" alpha_k² stands
for alpha_k. A term is 0 where the distance is at its floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import check_activations, check_labels, layer_outputs
from tinydist.analysis.statistics import summarize
from tinydist.figures import BLUE, GREY, VERMILION, panels, set_title
from tinydist.nn import Neg, OffsetL2, Sequential
from tinydist.sparse import SparseMatrix
from tinydist.tables import text_table
from tinydist.training import accuracy

Array = NDArray[Any]


@dataclass(frozen=True)
class Ablation:
    """What one change of a trained OffsetL2 layer does to the accuracy.

    Attributes:
        change: its name, one of those of :func:`changes`.
        before: accuracy of the model as trained, percent.
        after: accuracy with the change, percent.
    """

    change: str
    before: float
    after: float

    @property
    def drop(self) -> float:
        """Return what the change costs, in percentage points; negative if it helps."""
        return self.before - self.after


def changes(layer: OffsetL2) -> dict[str, tuple[Array, Array]]:
    """Return the prototypes and the scales after each change, by its name; twice (classes, hidden).

    * "mu = 0": all prototypes at the origin;
    * "alpha = 1": all scales 1, as at the start;
    * "alpha = mean": every scale is the mean of its class. The class keeps its overall size and loses its direction.
      In the form "paper", which squares the scales, it is the mean of their magnitudes;
    * "mu exchanged": each class has the prototype of the class before it, the first that of the last;
    * "alpha exchanged": the same with the scales;
    * "mu = mean": all classes have the mean prototype.

    Args:
        layer: which is left as it is.
    """
    mu, alpha = layer.mu.data, layer.alpha.data
    sizes = np.abs(alpha) if layer.form == "paper" else alpha
    return {
        "mu = 0": (np.zeros_like(mu), alpha),
        "alpha = 1": (mu, np.ones_like(alpha)),
        "alpha = mean": (mu, np.repeat(sizes.mean(axis=1, keepdims=True), alpha.shape[1], axis=1)),
        "mu exchanged": (layer.with_exchanged_prototypes().mu.data, alpha),
        "alpha exchanged": (mu, np.roll(alpha, 1, axis=0)),
        "mu = mean": (np.repeat(mu.mean(axis=0, keepdims=True), len(mu), axis=0), alpha),
    }


def ablate(model: Sequential, x: Array | SparseMatrix, labels: Array) -> list[Ablation]:
    """Measure the accuracy of a model as trained and after each change of its OffsetL2 layer.

    The changes are made on a copy of the layer. Where outputs are equal, the first class counts as the answer.

    Args:
        model: one of the L2 models, as from :func:`tinydist.build_model`.
        x: test images, (images, pixels).
        labels: their classes, (images,).

    Returns:
        One for each of the :func:`changes`.

    Raises:
        ShapeError, ValueError: if the labels do not fit, or an output is not finite.
        ValueError: if the model does not end in an OffsetL2 layer.
    """
    before, layer, sign = _distances_of(model)
    outputs = layer_outputs(model, x)
    hidden, logits = outputs[before], list(outputs.values())[-1]
    check_labels(labels, *logits.shape)
    trained = accuracy(logits, labels)
    found = []
    for change, (mu, alpha) in changes(layer).items():
        changed = sign * layer.with_weights(mu, alpha)(hidden).data
        check_activations(changed, f"the outputs after {change!r}")
        found.append(Ablation(change, trained, accuracy(changed, labels)))
    return found


def gradient_terms(model: Sequential, x: Array | SparseMatrix, labels: Array) -> Iterator[Array]:
    """Compute the terms whose sum is the gradient of each image's own cross-entropy by its hidden activations.

    Args:
        model, x, labels: as for :func:`ablate`.

    Returns:
        An iterator over the classes; for each the term ``± r_k alpha_k * (h - mu_k) / y_k``, (images, hidden), float64.

    Raises:
        ShapeError, ValueError: as :func:`ablate`.
    """
    before, layer, sign = _distances_of(model)
    outputs = layer_outputs(model, x)
    hidden, mu, alpha = (array.astype(float) for array in (outputs[before], layer.mu.data, layer.alpha.data))
    check_labels(labels, len(hidden), len(mu))
    distances = layer.with_weights(mu, alpha)(hidden).data
    paper = layer.form == "paper"
    weights = alpha**2 if paper else alpha
    flat = distances <= (0 if paper else math.sqrt(layer.FLOOR))
    pulls = sign * _residuals(sign * distances, labels) / np.where(flat, np.inf, distances)  # (images, classes)
    return (pulls[:, k, None] * weights[k] * (hidden - mu[k]) for k in range(len(mu)))


def cancellation(model: Sequential, x: Array | SparseMatrix, labels: Array) -> Array:
    """Return how much of the gradient by the hidden activations is left after its terms have cancelled.

    It is the length of the sum of the :func:`gradient_terms` over the sum of their lengths.

    Args:
        model, x, labels: as for :func:`ablate`.

    Returns:
        (images,), from 0, where all cancels, to 1, where nothing does; NaN where all terms are 0.

    Raises:
        ShapeError, ValueError: as :func:`ablate`.
    """
    total: Any = 0.0
    lengths: Any = 0.0
    for term in gradient_terms(model, x, labels):
        total = total + term
        lengths = lengths + np.linalg.norm(term, axis=1)
    return np.linalg.norm(total, axis=1) / np.where(lengths > 0, lengths, np.nan)


def ablation_table(ablations: Mapping[str, Sequence[Sequence[Ablation]]]) -> str:
    """Return a table of accuracies in percent: a line a model, a column a change; of several runs mean ± deviation.

    Args:
        ablations: of the runs of each model, each from :func:`ablate`.

    Raises:
        ValueError: if there is no model, a model has no run, or runs differ in their changes.
    """
    names = _change_names(ablations)
    rows = [("accuracy, %", "as trained", *names)]
    for model, runs in ablations.items():
        trained = summarize([run[0].before for run in runs])
        after = [summarize([change.after for change in of_runs]) for of_runs in zip(*runs, strict=True)]
        rows.append((model, str(trained), *map(str, after)))
    return text_table(rows)


def ablation_figure(ablations: Mapping[str, Sequence[Sequence[Ablation]]], label: str) -> Figure:
    """Draw a panel a model: how far each change lowers the accuracy, a dot a run, and a bar at their mean.

    Args:
        ablations: of the runs of each model, each from :func:`ablate`.
        label: model and data of the runs, shown under the title.

    Raises:
        ValueError: as :func:`ablation_table`.
    """
    names = _change_names(ablations)
    figure, all_axes = panels(len(ablations), 3.2, 2.7, sharex=True, sharey=True)
    for axes, (model, runs) in zip(all_axes, ablations.items(), strict=True):
        drops = np.array([[change.drop for change in run] for run in runs])  # (runs, changes)
        apart = 0.4 * (np.arange(len(runs)) - (len(runs) - 1) / 2) / len(runs)
        for row, of_runs in enumerate(drops.T):
            axes.plot(of_runs, row + apart, "o", color=BLUE, ms=4, alpha=0.6, mew=0)
            axes.plot(of_runs.mean(), row, "|", color=VERMILION, ms=14, mew=2)
        axes.axvline(0, color=GREY, ls=":", lw=1)
        axes.set_title(f"{model}: {np.mean([run[0].before for run in runs]):.1f}% as trained", fontsize=9)
        axes.set_xlabel("drop of accuracy, % points")
        axes.tick_params(labelbottom=True)
        axes.grid(axis="x", alpha=0.3)
    all_axes[0].set_yticks(range(len(names)), names)
    all_axes[0].invert_yaxis()
    for axes in all_axes[::4]:
        axes.set_ylabel("change of the OffsetL2 layer")
    set_title(figure, f"What the accuracy rests on. Dot: a run, bar: their mean\n{label}", fontsize=9)
    return figure


def _distances_of(model: Sequential) -> tuple[str, OffsetL2, int]:
    """Return the name of the layer before the OffsetL2 layer, that layer, and the sign that it is followed by.

    Raises:
        ValueError: unless the model ends in an OffsetL2 layer and any number of Neg.
    """
    layers = list(model.children())
    for place, (_, layer) in enumerate(layers[1:], start=1):
        following = [after for _, after in layers[place + 1 :]]
        if isinstance(layer, OffsetL2) and all(isinstance(after, Neg) for after in following):
            return layers[place - 1][0], layer, (-1) ** len(following)
    got = ", ".join(f"{name} ({type(layer).__name__})" for name, layer in layers)
    raise ValueError(
        f"got a model of the layers {got}; expected one that ends in an OffsetL2 layer behind others, or in that and "
        "Neg; take a model whose name ends in -L2 or -L2-Neg"
    )


def _residuals(logits: Array, labels: Array) -> Array:
    """Return softmax less onehot, (images, classes).

    That of the label is minus the sum of the others: p - 1 would round away what is left of it near p = 1.
    """
    residuals = np.exp(logits - logits.max(axis=1, keepdims=True))
    residuals /= residuals.sum(axis=1, keepdims=True)
    images = np.arange(len(labels))
    residuals[images, labels] = 0
    residuals[images, labels] = -residuals.sum(axis=1)
    return residuals


def _change_names(ablations: Mapping[str, Sequence[Sequence[Ablation]]]) -> list[str]:
    """Return the names of the changes, which all runs must share.

    Raises:
        ValueError: if there is no model, a model has no run, or runs differ in their changes.
    """
    if not ablations or not all(ablations.values()):
        got = {model: len(runs) for model, runs in ablations.items()}
        raise ValueError(f"got runs by model {got}; expected results of ablate for at least one run of each model")
    names = [[ablation.change for ablation in run] for runs in ablations.values() for run in runs]
    for found in names:
        if found != names[0] or not found:
            raise ValueError(f"got runs with the changes {names[0]} and {found}; expected the same, and at least one")
    return names[0]
