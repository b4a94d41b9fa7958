"""Exhibits: what the report shows of the runs of one setting, each a figure, a table and a few words.

The first ones come from the runs' records, the others from their trained weights, on the test images. They only put
together what :mod:`tinydist.reproduce.report.figures` and :mod:`tinydist.analysis` compute and draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.activity import layer_output, node_layers
from tinydist.analysis import ablation, dead_nodes, dying_outputs, latent, latent_space, perturbation, prototypes
from tinydist.analysis.statistics import summarize
from tinydist.datasets import Dataset
from tinydist.figures import png, webp
from tinydist.models import build_model, parse_model_name
from tinydist.nn import Sequential
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes, epochs_of_all, outcomes
from tinydist.reproduce.report.figures import (
    accuracy_figure,
    curves_side_by_side_figure,
    learning_curves_figure,
)
from tinydist.reproduce.report.printout import results_table
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting
from tinydist.sparse import SparseMatrix
from tinydist.tables import text_table

Array = NDArray[Any]

RUNS = 3
"""Runs of each model whose weights are analysed, at most: the first ones by seed."""
DYING = 9
"""Runs whose dying outputs are drawn, at most."""
UNITS = 8
"""Hidden units shown of each model."""
LAYER_IMAGES, NODE_IMAGES = 1_000, 500
"""Test images on which whole layers are clamped, and single nodes: enough to see where accuracy falls by half."""


@dataclass(frozen=True)
class Exhibit:
    """A figure with its title, its table and a text.

    Attributes:
        name: for files, such as "learning-curves".
        title: a heading.
        text: what is shown and how to read it.
        table: the numbers behind the figure, as lines of text.
        png: the figure, as the contents of a PNG file.
        picture: whether it shows images, whose black and white must not be swapped on a dark page.
        webp: the figure for the page, as the contents of a WebP file, made where the figure is drawn.
    """

    name: str
    title: str
    text: str
    table: str
    png: bytes
    picture: bool = False
    webp: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "webp", webp(self.png))


@dataclass(frozen=True)
class Trained:
    """The trained models of one setting, and the data they were trained on.

    Attributes:
        models: by name; of each its runs, by seed, at least one.
        seeds: of the first run of each model.
        data: training and test images.
        label: the protocol, shown under the titles.
    """

    models: Mapping[str, Sequence[Sequential]]
    seeds: Mapping[str, int]
    data: Dataset
    label: str

    @property
    def one_run(self) -> str:
        """Return the label of a figure that shows the first run of each model only."""
        return f"{self.label}; one run of each model, seed {', '.join(map(str, sorted(set(self.seeds.values()))))}"

    @property
    def first(self) -> dict[str, Sequential]:
        """Return the first run of each model, by name."""
        return {model: runs[0] for model, runs in self.models.items()}

    @property
    def on_mnist(self) -> bool:
        """Return whether the data are the paper's, so that its numbers may stand beside."""
        return self.data.name == "mnist"

    @property
    def drawable(self) -> bool:
        """Return whether a row is a grey square image."""
        shape = self.data.image_shape
        return shape is not None and shape[0] == 1 and shape[1] == shape[2]

    @property
    def left_out(self) -> str:
        """Return what is not drawn of these models, and why; empty if all is."""
        if not self.drawable:
            return f"Weights and prototypes are drawn for grey square images alone, which {self.data.name} has not."
        convolutions = [model for model in self.models if not _has_unit_images(model)]
        if convolutions:
            return (
                f"The hidden units of {', '.join(convolutions)} have a convolution as their input, so they are not "
                "drawn as images."
            )
        return ""

    @cached_property
    def images(self) -> Array:
        """Return the test images as a dense array, (images, pixels)."""
        x = self.data.x_test
        return x.dense() if isinstance(x, SparseMatrix) else x


def _has_unit_images(model: str) -> bool:
    """Return whether the hidden units take the pixels themselves as input, not a convolution of them."""
    return not parse_model_name(model).conv


def from_records(records: Sequence[RunRecord], label: str) -> list[Callable[[], Exhibit]]:
    """Return functions that make the exhibits which need the records of one setting only.

    Args:
        records: of one setting, at least one of them successful.
        label: the protocol, shown under the titles.
    """
    make: list[Callable[[], Exhibit]] = [
        partial(accuracy, outcomes(records), records[0].config.setting, label),
        partial(_learning_curves, records, label),
    ]
    lost = [
        record
        for record in sorted(records, key=lambda record: record.config.seed)
        if record.status == "ok" and parse_model_name(record.config.model).again and record.final.dead_outputs
    ]
    return [*make, partial(_dying_outputs, lost, label)] if lost else make


def accuracy(results: Outcomes, setting: Setting, label: str) -> Exhibit:
    """Return the exhibit of the accuracies of runs, some of them successful; `label` is their protocol."""
    return Exhibit(
        "accuracy",
        "Test accuracy",
        "Every run is a dot. Below the dots stand the mean, its 95% interval (thick) and the standard deviation of "
        f"the runs (thin).{' Hollow: what the paper published.' if setting.on_mnist else ''}",
        results_table(results, setting),
        png(accuracy_figure(results, setting, label)),
    )


def _learning_curves(records: Sequence[RunRecord], label: str) -> Exhibit:
    return Exhibit(
        "learning-curves",
        "Learning curves",
        "Loss and errors on logarithmic axes: the mean of the runs, and a band from the best to the worst. A training "
        "error of zero is drawn as half a row.",
        _curves_table(records),
        png(learning_curves_figure(records, label)),
    )


def curves_side_by_side(name: str, setting: Setting, sources: Mapping[str, Mapping[str, Sequence[Curve]]]) -> Exhibit:
    """Return an exhibit, named, of the learning curves of several programs under one setting, by program and model."""
    rows: list[tuple[str, ...]] = [("program", "model", "runs", "mean test error % after epoch")]
    for source, models in sources.items():
        for model, curves in models.items():
            epochs = epochs_of_all(curves)
            means = (f"{epoch:,}: {summarize([100 - c[epoch].accuracy for c in curves]).mean:.2f}" for epoch in epochs)
            rows.append((source, model, str(len(curves)), ", ".join(means)))
    return Exhibit(
        name,
        f"Learning curves, {setting}",
        "Test error on a logarithmic axis: the mean of the runs at each epoch at which all were measured, and a band "
        "from the best to the worst.",
        text_table(rows),
        png(curves_side_by_side_figure(sources, str(setting))),
    )


def _dying_outputs(lost: Sequence[RunRecord], label: str) -> Exhibit:
    dying = {
        f"{r.config.model}, seed {r.config.seed}": dying_outputs.OutputActivity(
            tuple(m.epoch for m in r.curve), np.array([m.output_activity for m in r.curve])
        )
        for r in lost[:DYING]
    }
    silent = [100 * r.final.silent_images for r in lost[:DYING] if r.final.silent_images is not None]
    mute = (
        f" In the end all of a run's outputs are off on {min(silent):.0f} to {max(silent):.0f}% of these rows."
        if silent
        else ""
    )
    return Exhibit(
        "dying-outputs",
        "How outputs die",
        f"{len(dying)} of the {len(lost)} runs in which outputs are dead in the end: the share of the training rows "
        f"on which each output is active, from before the first step to the last.{mute}",
        "\n\n".join(f"{run}\n{dying_outputs.output_activity_table(found)}" for run, found in dying.items()),
        png(dying_outputs.output_activity_figure(dying, label)),
        picture=True,
    )


def _curves_table(records: Sequence[RunRecord]) -> str:
    """Return a table with a row for each model: mean test error over its runs at about eight of the measured epochs."""
    succeeded = [record for record in records if record.status == "ok"]
    measured = {record.config: {m.epoch: m for m in record.curve} for record in succeeded}
    epochs = epochs_of_all([*measured.values()])
    shown = [epochs[i] for i in sorted({round(i) for i in np.linspace(0, len(epochs) - 1, 8)})]
    rows: list[tuple[str, ...]] = [("mean test error % after epoch", *(f"{epoch:,}" for epoch in shown))]
    for model in dict.fromkeys(record.config.model for record in succeeded):
        curves = [curve for config, curve in measured.items() if config.model == model]
        means = (summarize([100 - curve[epoch].test_accuracy for curve in curves]).mean for epoch in shown)
        rows.append((model, *(f"{mean:.2f}" for mean in means)))
    return text_table(rows)


def first_look(trained: Trained) -> list[Callable[[], Exhibit]]:
    """Return functions that make the exhibits from trained weights which say most: what dies, and what is read how."""
    return [partial(make, trained) for make in (_activity, _outputs)]


def from_weights(trained: Trained) -> list[Callable[[], Exhibit]]:
    """Return functions that make all exhibits that need trained weights."""
    make: list[Callable[[], Exhibit]] = [
        *first_look(trained),
        partial(_clamped_layers, trained),
        partial(_clamped_nodes, trained),
        partial(_planes, trained),
        partial(_distributions, trained),
    ]
    if trained.drawable:
        if any(_has_unit_images(model) for model in trained.models):
            make.append(partial(_unit_images, trained))
        make.append(partial(_output_images, trained))
    if any(parse_model_name(model).prototypes for model in trained.models):
        make.append(partial(_ablation, trained))
    for model, network in trained.first.items():
        if trained.drawable and parse_model_name(model).prototypes:
            make.append(partial(_prototypes, trained, model, network))
    return make


def _activity(trained: Trained) -> Exhibit:
    data = trained.data
    found = {
        model: [dead_nodes.node_activity(network, data.x_train, data.x_test) for network in runs]
        for model, runs in trained.models.items()
    }
    rows: list[tuple[str, ...]] = [
        ("model", "layer", "rows", "nodes", "dead %", "active on < 1% of them", "on < 5%", "runs")
    ]
    for model, runs in found.items():
        for layers in zip(*runs, strict=True):
            nodes = layers[0].nodes
            counts = zip(*((a.dead, a.rarely(0.01), a.rarely(0.05)) for a in layers), strict=True)
            shares = (f"{100 * summarize(count).mean / nodes:.1f}" for count in counts)
            rows.append((model, layers[0].layer, layers[0].images, str(nodes), *shares, str(len(runs))))
    published = (
        "Published for ReLU2's outputs: 33% dead and 53.5% active on < 5% (paper), 22% and 53.5% on < 1% (notes)."
    )
    return Exhibit(
        "node-activity",
        "Dead and rarely active nodes",
        "A node is dead if it stays within ±1e-6 on every row. Every node is a dot; the first run of each model is "
        f"drawn, the table has the mean over the first {RUNS} runs at most.",
        text_table(rows) + (f"\n\n{published}" if trained.on_mnist else ""),
        png(dying_outputs.node_activity_figure({model: runs[0] for model, runs in found.items()}, trained.one_run)),
    )


def _clamped_layers(trained: Trained) -> Exhibit:
    x, labels = trained.images[:LAYER_IMAGES], trained.data.y_test[:LAYER_IMAGES]
    found = {
        model: [perturbation.perturb_layer(network, x, labels) for network in runs]
        for model, runs in trained.models.items()
    }
    beside = " The author's notes stand beside." if trained.on_mnist else ""
    return Exhibit(
        "clamped-layer",
        "Which end of the hidden activations carries the decision",
        f"All hidden activations clamped at a share of their range, on the first {len(labels):,} test rows. A "
        "network that reads small as near (distance) suffers when they are clamped from below, one that reads large "
        f"as present (intensity) when they are clamped from above.{beside}",
        perturbation.layer_table(found, trained.on_mnist),
        png(perturbation.layer_figure(found, trained.label, trained.on_mnist)),
    )


def _clamped_nodes(trained: Trained) -> Exhibit:
    x, labels = trained.images[:NODE_IMAGES], trained.data.y_test[:NODE_IMAGES]
    found = {model: perturbation.perturb_nodes(network, x, labels) for model, network in trained.first.items()}
    return Exhibit(
        "clamped-nodes",
        "Hidden nodes clamped one at a time",
        f"Each hidden node clamped alone in its own range, on the first {len(labels):,} test rows: where the curves "
        "for the two clamps cross, and the most that clamping it costs.",
        "\n\n".join(f"{model}\n{perturbation.nodes_table(nodes, 5)}" for model, nodes in found.items()),
        png(perturbation.nodes_figure(found, trained.one_run)),
    )


def _outputs(trained: Trained) -> Exhibit:
    found = {}
    for model, network in trained.first.items():
        outputs = layer_output(network, trained.data.x_test, node_layers(network)[-1])
        found[model] = latent.output_distribution(outputs, trained.data.y_test)
    return Exhibit(
        "outputs",
        "Outputs at the right class and at the others",
        "Before any Neg. For an intensity the right class has the larger output, for a distance the smaller.",
        latent.outputs_table(found),
        png(latent.outputs_figure(found, trained.one_run)),
    )


def _planes(trained: Trained) -> Exhibit:
    found = {
        model: latent_space.principal_plane(
            layer_output(network, trained.data.x_test, node_layers(network)[0]), trained.data.y_test
        )
        for model, network in trained.first.items()
    }
    return Exhibit(
        "latent-plane",
        "The hidden activations in two dimensions",
        "Their principal plane under each constraint.",
        latent_space.planes_table(found),
        png(latent_space.planes_figure(found, trained.one_run, trained.data.class_names)),
    )


def _telling(network: Sequential, trained: Trained) -> NDArray[np.int64]:
    return latent.telling_units(layer_output(network, trained.data.x_test, "linear0"), trained.data.y_test, UNITS)


def _unit_images(trained: Trained) -> Exhibit:
    """Return the exhibit of what units learned: without their random start, most of which a short training leaves."""
    images: list[Array] = []
    titles: list[str] = []
    rows: list[tuple[str, ...]] = [("model", "unit", "length of the start", "of what was learned")]
    for model, network in trained.first.items():
        if not _has_unit_images(model):
            continue
        start = prototypes.unit_images(build_model(model, *_sizes(network), seed=trained.seeds[model]))
        learned = prototypes.unit_images(network) - start
        for unit in _telling(network, trained):
            images.append(learned[unit])
            titles.append(f"{model} {unit}")
            lengths = (f"{np.linalg.norm(w):.3g}" for w in (start[unit], learned[unit]))
            rows.append((model, str(unit), *lengths))
    return Exhibit(
        "hidden-units",
        "What hidden units stand for",
        f"What training added to the weights of the {UNITS} units of each model that tell classes best. The "
        "pre-activation is the product of the image with the weights: 0 for an image on the unit's plane.",
        text_table(rows),
        png(prototypes.weights_figure(np.array(images), titles, trained.one_run, UNITS)),
        picture=True,
    )


def _sizes(network: Sequential) -> tuple[int, int]:
    """Return the number of pixels and the number of hidden units."""
    hidden, pixels = prototypes.unit_images(network).shape
    return pixels, hidden


def _output_images(trained: Trained) -> Exhibit:
    mean = trained.images.mean(axis=0)
    images: list[Array] = []
    titles: list[str] = []
    tables = []
    for model, network in trained.first.items():
        found = prototypes.output_images(network, mean)
        images.extend(found.own_gradients)
        titles.extend(f"{model} {name}" for name in trained.data.class_names)
        tables.append(f"{model}\n{prototypes.outputs_table(found)}")
    return Exhibit(
        "output-gradients",
        "What raises each output against the others",
        "The gradient of each output (before any Neg) at the mean test image, less the mean over the outputs. An "
        "output that is off at this image has gradient 0, so a model whose outputs are all off there has blank panels. "
        "With Neg, orange makes the class less likely.",
        "\n\n".join(tables),
        png(prototypes.weights_figure(np.array(images), titles, trained.one_run, min(trained.data.classes, 10))),
        picture=True,
    )


def _ablation(trained: Trained) -> Exhibit:
    data = trained.data
    found = {
        model: [ablation.ablate(network, data.x_test, data.y_test) for network in runs]
        for model, runs in trained.models.items()
        if parse_model_name(model).prototypes
    }
    return Exhibit(
        "ablation",
        "What OffsetL2 rests on",
        "The prototypes mu or the scales alpha of the trained layer are changed, without training it again. Where "
        "exchanging the prototypes between classes costs nothing, the decision does not rest on them.",
        ablation.ablation_table(found),
        png(ablation.ablation_figure(found, trained.label)),
    )


def _prototypes(trained: Trained, model: str, network: Sequential) -> Exhibit:
    data = trained.data
    distances = prototypes.prototype_distances(network, data.x_test)
    relative = prototypes.nearest_images(prototypes.relative_distances(distances), data.y_test)
    if parse_model_name(model).neg:
        meaning = "With Neg, near means likely: the images ought to be of the prototype's own class."
    else:
        meaning = "Without Neg, far means likely: the images ought to be of any class but the prototype's."
    absolute = prototypes.nearest_images(distances, data.y_test)
    return Exhibit(
        f"prototypes-{model}",
        f"The prototypes of {model}",
        "Shown are the test images nearest to each prototype relative to their mean distance from all of them; the "
        f"table has the distances themselves, too. {meaning}",
        f"distance from mu, with the layer's scales\n{prototypes.nearest_table(absolute, data.class_names)}\n\n"
        f"relative to the mean distance from all mu\n{prototypes.nearest_table(relative, data.class_names)}",
        png(prototypes.nearest_figure({model: relative}, trained.images, trained.one_run, "distances less their mean")),
        picture=True,
    )


def _distributions(trained: Trained) -> Exhibit:
    data = trained.data
    found = {
        model: latent.unit_distributions(
            layer_output(network, data.x_test, "linear0"), data.y_test, classes=data.classes
        )
        for model, network in trained.first.items()
    }
    best = {model: units[0] for model, units in found.items()}
    return Exhibit(
        "pre-activations",
        "Hidden pre-activations, class by class",
        "Of each model the unit whose class explains most of its variance; the table has the best six. Around 0 lies "
        "the unit's plane: a class there is what the unit knows when read as a distance, one far away what it knows "
        "when read as an intensity.",
        "\n\n".join(f"{model}\n{latent.units_table(units, data.class_names)}" for model, units in found.items()),
        png(latent.units_figure(best, trained.one_run, data.class_names)),
    )
