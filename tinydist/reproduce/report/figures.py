"""Figures of the runs of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tinydist.figures import BLACK, BLUE, GREEN, ORANGE, PINK, VERMILION, canvas, panels, set_title
from tinydist.figures import COLORS as COLORS_OF_PROGRAMS
from tinydist.figures import MARKERS as MARKERS_OF_PROGRAMS
from tinydist.models import parse_model_name
from tinydist.ops import ACTIVATIONS
from tinydist.reproduce.evidence.labels import place
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes, epochs_of_all
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting
from tinydist.training import Measurement

# By what comes after the hidden activations, shared by the activations.
COLORS = {"": BLACK, "2": VERMILION, "2-Neg": BLUE, "-L2": ORANGE, "-L2-Neg": GREEN}
OTHER_COLOR = PINK
MARKERS = {"": "o", "2": "v", "2-Neg": "^", "-L2": "s", "-L2-Neg": "D"}
EPOCH_TICKS = tuple(first * 10**zeros for zeros in range(6) for first in (1, 3))
PERCENT_TICKS = (0.01, 0.1, 1, 2, 3, 5, 10, 20, 30, 50, 100)


NO_ERROR = 0.005
"""Where an error of 0 percent is drawn on a logarithmic axis: at half of one of MNIST's 10,000 test images."""


def family(model: str) -> str:
    """Return the activation of a model, and whether a convolution is in front: "ReLU", "Conv-ReLU"."""
    spec = parse_model_name(model)
    return f"{'Conv-' if spec.conv else ''}{spec.activation}"


def accuracy_figure(results: Outcomes, setting: Setting, label: str) -> Figure:
    """Draw test accuracy: every run a dot; mean, 95% interval and standard deviation below; dead outputs at the edge.

    On MNIST the published mean and standard deviation are a hollow diamond above the dots.

    Args:
        results: the runs; failed ones cannot be drawn.
        setting: of the runs.
        label: the protocol, shown under the title.
    """
    results = {model: outcome for model, outcome in results.items() if outcome.accuracies}
    after = set[str]()  # so many epochs, where there are published numbers
    figure = canvas(9, 1.6 + 0.42 * max(len(results), 2))
    axes = figure.subplots()
    for row, (model, outcome) in enumerate(results.items()):
        color = COLORS.get(parse_model_name(model).output, OTHER_COLOR)
        spread = np.linspace(-0.12, 0.12, len(outcome.accuracies)) if len(outcome.accuracies) > 1 else [0.0]
        axes.plot(outcome.accuracies, row + np.asarray(spread), "o", ms=5, color=color, alpha=0.65, mew=0)
        summary = outcome.accuracy
        if summary.varies:
            axes.errorbar(summary.mean, row + 0.28, xerr=summary.half_interval(), fmt="|", color=color, lw=4, alpha=0.5)
        axes.errorbar(
            summary.mean, row + 0.28, xerr=summary.sd if summary.n > 1 else None, fmt="|", color=color, capsize=3
        )
        theirs = published(model, setting.epochs) if setting.on_mnist else None
        if theirs:
            after.add(f"{theirs.epochs:,}")
            axes.errorbar(
                theirs.mean, row - 0.3, xerr=theirs.sd, fmt="D", mfc="none", ms=6, color="0.35", lw=1, capsize=2
            )
        dead = f"{outcome.mean_dead:.1f} dead" if outcome.dead_outputs else "–"
        axes.text(1.01, row, f"{summary}   {dead}", transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.set_yticks(range(len(results)), labels=list(results))
    axes.set_ylim(len(results) - 0.4, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -1.0), min(high, 101.0))  # intervals of two or three runs may go far beyond 0 and 100
    key = "dots: runs; below: mean, thick its 95% interval, thin ± standard deviation"
    if after:
        key += f"\nhollow: the paper's ± sd, 60,000 images, {' or '.join(sorted(after, key=len))} epochs, 20 runs"
    axes.set_xlabel(f"test accuracy, %   ({key})")
    axes.grid(axis="x", alpha=0.3)
    axes.text(1.01, 1.01, "mean ± sd   dead outputs", transform=axes.transAxes, fontsize=8.5)
    set_title(figure, f"Test accuracy by model\n{label}", fontsize=10)
    return figure


CURVES: dict[str, Callable[[Measurement], float]] = {
    "training loss, nats": lambda m: m.train_loss,
    "training error, %": lambda m: 100 - m.train_accuracy,
    "test error, %": lambda m: 100 - m.test_accuracy,
}
"""What is drawn of a measurement, by the name of the axis."""


def learning_curves_figure(records: Sequence[RunRecord], label: str) -> Figure:
    """Draw loss, training and test error against epochs, a column for each activation, with and without ``Conv-``.

    The line is the mean, the band goes from the best to the worst run. An error of less than half an image of the
    training set, such as 0, is drawn as half an image, since a logarithm has no 0.

    Args:
        records: the runs, at least one; failed ones cannot be drawn.
        label: the protocol, shown under the title.
    """
    succeeded = [record for record in records if record.status == "ok"]
    families: dict[str, list[RunRecord]] = {name: [] for name in (*ACTIVATIONS, *(f"Conv-{a}" for a in ACTIVATIONS))}
    for record in succeeded:
        families[family(record.config.model)].append(record)
    families = {name: runs for name, runs in families.items() if runs}
    columns = max(len(families), 1)
    figure = canvas(10, 10)
    rows = figure.subplots(len(CURVES), columns, squeeze=False, sharex=True, sharey="row")
    for (name, value), row in zip(CURVES.items(), rows, strict=True):
        for axes, runs in zip(row, families.values(), strict=False):
            for model in dict.fromkeys(record.config.model for record in runs):
                _draw_curve(
                    axes, model, [record for record in runs if record.config.model == model], value, name.endswith("%")
                )
            axes.grid(alpha=0.3)
        row[0].set_ylabel(name)
        row[0].set_xscale("log")
        row[0].set_yscale("log", nonpositive="clip")
        if name.endswith("%"):
            _plain_ticks(row[0].yaxis, PERCENT_TICKS)
    for axes, name in zip(rows[0], families, strict=False):
        axes.set_title(name, fontsize=10)
    for axes in rows[-1]:
        _plain_ticks(axes.xaxis, EPOCH_TICKS)
        axes.set_xlabel("epochs" if records[0].config.batch_size else "epochs (full-batch steps)")
        if axes.lines:
            axes.legend(fontsize=8.5)
    set_title(figure, f"Learning curves: mean, and band from the best to the worst run\n{label}", fontsize=10)
    return figure


def _plain_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))


def _draw_curve(
    axes: Axes, model: str, runs: Sequence[RunRecord], value: Callable[[Measurement], float], percent: bool
) -> None:
    curves = [{m.epoch: value(m) for m in run.curve} for run in runs]
    trained = [epoch for epoch in epochs_of_all(curves) if epoch > 0]
    values = np.array([[curve[epoch] for epoch in trained] for curve in curves])  # (runs, points)
    values = np.maximum(values, 50 / runs[0].config.train_size if percent else 0.0)
    spec = parse_model_name(model)
    color = COLORS.get(spec.output, OTHER_COLOR)
    axes.fill_between(trained, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, lw=0)
    axes.plot(
        trained,
        values.mean(axis=0),
        color=color,
        marker=MARKERS.get(spec.output, "x"),
        ms=4,
        lw=1.4,
        ls="--" if spec.bias else "-",
        label=model,
    )


def curves_side_by_side_figure(sources: Mapping[str, Mapping[str, Sequence[Curve]]], label: str) -> Figure:
    """Draw test error against epochs, a panel for each model, a colour and a marker for each program.

    The line is the mean over the runs at the epochs at which all of them were measured, the band goes from the best to
    the worst.

    Args:
        sources: curves of successful runs, by program and model.
        label: the protocol, shown under the title.
    """
    models = sorted({model for found in sources.values() for model in found}, key=lambda model: (place(model), model))
    figure, all_axes = panels(len(models), 2.6, 2.3, columns=5, sharex=True, sharey=True)
    looks = dict(zip(sources, cycle(zip(COLORS_OF_PROGRAMS, MARKERS_OF_PROGRAMS, strict=True)), strict=False))
    for axes, model in zip(all_axes, models, strict=True):
        for source, found in sources.items():
            color, marker = looks[source]
            curves = found.get(model, [])
            epochs = [epoch for epoch in epochs_of_all(curves) if epoch > 0]
            errors = np.array([[max(100 - curve[epoch].accuracy, NO_ERROR) for epoch in epochs] for curve in curves])
            if epochs:
                look: dict[str, Any] = {"color": color, "marker": marker, "ms": 4, "lw": 1.2, "mfc": "none"}
                axes.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=color, alpha=0.15, lw=0)
                axes.plot(epochs, errors.mean(axis=0), label=source, **look)
        axes.set_title(model, fontsize=9)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        _plain_ticks(axes.yaxis, PERCENT_TICKS)
        axes.grid(alpha=0.3)
    handles = {line.get_label(): line for axes in all_axes for line in axes.get_lines()}
    if len(sources) > 1:
        legend = figure.legend(handles=list(handles.values()), loc="outside lower center", fontsize=9)
        for name in legend.get_texts():
            name.set_parse_math(False)
    for lowest in all_axes[-5:]:
        lowest.set_xlabel("epochs")
    figure.supylabel("test error, %", fontsize=9)
    set_title(figure, f"Learning curves side by side: mean, and band from the best to the worst run\n{label}")
    return figure
