from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tinydist.reproduce.evidence.outcomes import outcomes
from tinydist.reproduce.report import figures


@pytest.fixture
def runs(record):
    models = ("ReLU", "ReLU2", "Abs2-Neg", "Abs-L2", "ReLU-Bias", "ReLU-Neg")
    runs = [record(model, seed, 60 + 5 * seed + place) for seed in range(3) for place, model in enumerate(models)]
    return [*runs, record("Abs", 0, status="diverged")]


def accuracy_figure(runs, label=""):
    return figures.accuracy_figure(outcomes(runs), runs[0].config.setting, label)


def test_every_successful_run_is_a_dot_and_the_label_is_shown(runs):
    figure = accuracy_figure(runs, "not the paper's protocol")
    (axes,) = figure.axes
    dots = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "o"])
    assert sorted(dots) == sorted(run.final.test_accuracy for run in runs if run.status == "ok")
    low, high = axes.get_xlim()
    assert low < min(dots) < max(dots) < high
    assert "not the paper's protocol" in figure.get_suptitle()
    assert "test accuracy, %" in axes.get_xlabel()


def test_the_published_numbers_stand_beside_the_runs_on_mnist_and_nowhere_else(record):
    models = ("ReLU2", "Abs2-Neg")
    (axes,) = accuracy_figure([record(model, 0, 80.0) for model in models]).axes
    drawn = {tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "D"}
    assert drawn == {(47.20,), (90.08,)}
    bars = [sorted(path.vertices[:, 0]) for shape in axes.collections for path in shape.get_paths()]
    assert any(np.allclose(bar, [47.2 - 12, 47.2 + 12]) for bar in bars)
    (axes,) = accuracy_figure([record(model, 0, 80.0, dataset="fashion-mnist") for model in models]).axes
    assert not [line for line in axes.lines if line.get_marker() == "D"]
    assert "paper" not in axes.get_xlabel()


@pytest.mark.parametrize(
    ("row", "name", "value"),
    [
        (0, "training loss, nats", lambda m: m.train_loss),
        (1, "training error, %", lambda m: 100 - m.train_accuracy),
        (2, "test error, %", lambda m: 100 - m.test_accuracy),
    ],
)
def test_a_curve_is_the_mean_over_runs(runs, row, name, value):
    figure = figures.learning_curves_figure(runs, "a label")
    axes = figure.axes[2 * row]
    relu = next(line for line in axes.lines if line.get_label() == "ReLU")
    expected = [np.mean([value(run.curve[i]) for run in runs if run.config.model == "ReLU"]) for i in (1, 2, 3)]
    np.testing.assert_allclose(relu.get_ydata(), expected)
    assert relu.get_xdata().tolist() == [1, 2, 5]
    assert axes.get_ylabel() == name
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_curves_show_the_epochs_at_which_every_run_was_measured(record):
    """A folder that an earlier version began may have runs that were measured elsewhere."""
    one, other = record("ReLU", 0, 90.0), record("ReLU", 1, 80.0)
    other = replace(other, curve=other.curve[:2] + other.curve[3:])
    figure = figures.learning_curves_figure([one, other], "")
    (line,) = figure.axes[2].lines
    assert line.get_xdata().tolist() == [1, 5]
    assert line.get_ydata().tolist() == [pytest.approx(100 - 81), pytest.approx(100 - 85)]
    assert figures.epochs_of_all([{0: 1, 1: 1, 5: 1}, {0: 1, 1: 1, 2: 1, 5: 1}]) == [0, 1, 5]


def test_the_thick_bar_is_students_interval(runs):
    (axes,) = accuracy_figure(runs).axes
    accuracies = [run.final.test_accuracy for run in runs if run.config.model == "ReLU"]
    interval = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
    bars = [path.vertices[:, 0] for collection in axes.collections for path in collection.get_paths()]
    assert any(np.allclose(sorted(bar), interval) for bar in bars)


def test_colours_mark_the_head_and_line_style_the_bias(runs):
    lines = {line.get_label(): line for axes in figures.learning_curves_figure(runs, "").axes for line in axes.lines}
    assert lines["ReLU"].get_color() == lines["ReLU-Bias"].get_color() != lines["ReLU2"].get_color()
    assert lines["ReLU"].get_linestyle() != lines["ReLU-Bias"].get_linestyle()


@pytest.mark.parametrize("draw", [accuracy_figure, figures.learning_curves_figure])
def test_nothing_but_failures_still_draws(record, draw):
    draw([record("Abs", 0, status="diverged")], "a label").draw_without_rendering()
