import matplotlib.image
import numpy as np
import pytest

from tinydist.reproduce import figures


@pytest.fixture
def runs(record):
    models = ("ReLU", "ReLU2", "Abs2-Neg", "Abs-L2", "ReLU-Bias", "ReLU-Neg")
    runs = [record(model, seed, 60 + 5 * seed + place) for seed in range(3) for place, model in enumerate(models)]
    return [*runs, record("Abs", 0, status="diverged")]


def test_both_figures_are_saved_and_show_something(runs, tmp_path):
    for path in figures.save_figures(runs, "a label", tmp_path):
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 300
        assert np.ptp(pixels) > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accuracy.png", "learning_curves.png"]


def test_every_successful_run_is_a_dot_and_the_label_is_shown(runs):
    figure = figures.accuracy_figure(runs, "not the paper's protocol")
    (axes,) = figure.axes
    dots = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "o"])
    assert sorted(dots) == sorted(run.final.test_accuracy for run in runs if run.status == "ok")
    assert "not the paper's protocol" in figure.get_suptitle()
    assert "test accuracy, %" in axes.get_xlabel()


def test_a_curve_is_the_mean_test_error_over_runs(runs):
    figure = figures.learning_curves_figure(runs, "a label")
    relu = next(line for line in figure.axes[0].lines if line.get_label() == "ReLU")
    expected = [
        np.mean([100 - run.curve[i].test_accuracy for run in runs if run.config.model == "ReLU"]) for i in (1, 2, 3)
    ]
    np.testing.assert_allclose(relu.get_ydata(), expected)
    assert relu.get_xdata().tolist() == [1, 2, 5]


def test_colours_mark_the_head_and_line_style_the_bias(runs):
    lines = {line.get_label(): line for axes in figures.learning_curves_figure(runs, "").axes for line in axes.lines}
    assert lines["ReLU"].get_color() == lines["ReLU-Bias"].get_color() != lines["ReLU2"].get_color()
    assert lines["ReLU"].get_linestyle() != lines["ReLU-Bias"].get_linestyle()


def test_nothing_but_failures_still_draws(record, tmp_path):
    assert len(figures.save_figures([record("Abs", 0, status="diverged")], "a label", tmp_path)) == 2
