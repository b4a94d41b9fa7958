"""Figures of a sweep, written to PNG files; no display is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from tinydist.analysis.statistics import summarize
from tinydist.figures import BLACK, BLUE, GREEN, ORANGE, PINK, VERMILION, canvas, save
from tinydist.models import ACTIVATIONS, parse_model_name
from tinydist.reproduce.outcomes import outcomes
from tinydist.reproduce.records import RunRecord

# One for each head, shared by the activations.
COLORS = {"plain": BLACK, "2": VERMILION, "2-Neg": BLUE, "L2": ORANGE, "L2-Neg": GREEN}
OTHER_COLOR = PINK
MARKERS = {"plain": "o", "2": "v", "2-Neg": "^", "L2": "s", "L2-Neg": "D"}
EPOCH_TICKS = tuple(first * 10**zeros for zeros in range(6) for first in (1, 3))
PERCENT_TICKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)


def head(model: str) -> str:
    """What follows the first activation of a model, bias apart: "plain", "2", "2-Neg", "L2", "L2-Neg"."""
    spec = parse_model_name(model)
    parts = [part for present, part in ((spec.second, "2"), (spec.l2, "L2"), (spec.neg, "Neg")) if present]
    return "-".join(parts) or "plain"


def accuracy_figure(records: Sequence[RunRecord], label: str) -> Figure:
    """Test accuracy: every run a dot, mean and standard deviation beside them, dead outputs at the edge.

    Args:
        records: the runs; failed ones cannot be drawn.
        label: the protocol, shown under the title.
    """
    results = outcomes(records)
    figure, (axes,) = _canvas(9, 1.6 + 0.42 * max(len(results), 2), 1)
    for row, (model, outcome) in enumerate(results.items()):
        color = COLORS.get(head(model), OTHER_COLOR)
        spread = np.linspace(-0.12, 0.12, len(outcome.accuracies)) if len(outcome.accuracies) > 1 else [0.0]
        axes.plot(outcome.accuracies, row + np.asarray(spread), "o", ms=5, color=color, alpha=0.65, mew=0)
        summary = summarize(outcome.accuracies)
        sd = summary.sd if summary.n > 1 else None
        axes.errorbar(summary.mean, row + 0.28, xerr=sd, fmt="|", color=color, capsize=3)
        dead = f"{outcome.mean_dead:.1f} dead" if outcome.mean_dead else "–"
        axes.text(1.01, row, f"{summary}   {dead}", transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.set_yticks(range(len(results)), labels=list(results))
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xlabel("test accuracy, %   (dots: runs; bar below them: mean ± standard deviation)")
    axes.grid(axis="x", alpha=0.3)
    axes.text(1.01, 1.01, "mean ± sd   dead outputs of 10", transform=axes.transAxes, fontsize=8.5)
    figure.suptitle(f"Test accuracy by model\n{label}", fontsize=10)
    return figure


def learning_curves_figure(records: Sequence[RunRecord], label: str) -> Figure:
    """Test error against epochs, a panel for each activation: mean line, band from best to worst run."""
    succeeded = [record for record in records if record.status == "ok"]
    families = {a: [r for r in succeeded if parse_model_name(r.config.model).activation == a] for a in ACTIVATIONS}
    families = {activation: runs for activation, runs in families.items() if runs}
    figure, panels = _canvas(10, 4.6, max(len(families), 1))
    for axes, (activation, runs) in zip(panels, families.items(), strict=False):
        for model in dict.fromkeys(record.config.model for record in runs):
            _draw_curve(axes, model, [record for record in runs if record.config.model == model])
        axes.set_title(activation, fontsize=10)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis, ticks in ((axes.xaxis, EPOCH_TICKS), (axes.yaxis, PERCENT_TICKS)):
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("epochs (full-batch steps)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8.5)
    panels[0].set_ylabel("test error, %")
    figure.suptitle(f"Learning curves: mean, and band from the best to the worst run\n{label}", fontsize=10)
    return figure


def _draw_curve(axes: Axes, model: str, runs: Sequence[RunRecord]) -> None:
    trained = [measurement.epoch for measurement in runs[0].curve if measurement.epoch > 0]
    errors = np.array([[100 - m.test_accuracy for m in run.curve if m.epoch > 0] for run in runs])  # (runs, points)
    kind = head(model)
    bias = parse_model_name(model).bias
    color = COLORS.get(kind, OTHER_COLOR)
    axes.fill_between(trained, errors.min(axis=0), errors.max(axis=0), color=color, alpha=0.15, lw=0)
    axes.plot(
        trained,
        errors.mean(axis=0),
        color=color,
        marker=MARKERS.get(kind, "x"),
        ms=4,
        lw=1.4,
        ls="--" if bias else "-",
        label=model,
    )


def _canvas(width: float, height: float, panels: int) -> tuple[Figure, list[Axes]]:
    figure = canvas(width, height)
    axes = figure.subplots(1, panels, squeeze=False, sharey=True)
    return figure, list(axes[0])


FIGURES: dict[str, Callable[[Sequence[RunRecord], str], Figure]] = {
    "accuracy.png": accuracy_figure,
    "learning_curves.png": learning_curves_figure,
}


def save_figures(records: Sequence[RunRecord], label: str, out: Path) -> list[Path]:
    """Draw every figure into `out` and return the paths."""
    paths = []
    for name, draw in FIGURES.items():
        save(draw(records, label), out / name, dpi=150)
        paths.append(out / name)
    return paths
