"""Activity over training, against counts made by hand and weights kept by hand."""

import numpy as np
import pytest

import tinydist as td
from tinydist.analysis.dead_nodes import node_activity
from tinydist.analysis.dying_outputs import (
    OutputActivity,
    node_activity_figure,
    output_activity_figure,
    output_activity_table,
)


@pytest.fixture
def data(rng):
    x = rng.integers(0, 256, (60, 6)).astype(np.float32)
    y = rng.integers(0, 3, 60)
    rows = {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]}
    return td.datasets.Dataset(name="toy", input="raw", classes=3, **rows)


def relu2():
    return td.build_model("ReLU2-Neg", in_features=6, hidden=5, classes=3)


def test_training_measures_the_activity_of_its_outputs(data):
    model, by_hand = relu2(), []

    def look(_):
        outputs = relu2_outputs(model.state_dict(), data.x_train)
        by_hand.append([np.mean(outputs[:, i] > 1e-6) for i in range(3)])

    optimizer = td.optim.SGD(model.parameters(), lr=0.001)
    measured = td.training.train(model, optimizer, data, 5, on_measurement=look)
    shares = np.array([measurement.output_activity for measurement in measured])
    np.testing.assert_allclose(shares, by_hand)
    assert len(np.unique(shares)) > 2  # something happens in this training


def relu2_outputs(weights, x):
    hidden = np.maximum(x @ weights["linear0.weight"].T + weights["linear0.bias"], 0)
    return np.maximum(hidden @ weights["linear1.weight"].T, 0)


def test_dead_outputs_over_time_and_in_the_table():
    activity = OutputActivity((0, 10), np.array([[1.0, 0.5, 0.001], [0.0, 0.25, 0.0]]))
    assert activity.dead.tolist() == [0, 2]
    lines = output_activity_table(activity).splitlines()
    assert lines[1].split() == ["0", "0", "100", "50", "0"]
    assert lines[2].split() == ["10", "2", "–", "25", "–"]  # on none is not the same as on 0.1%


def test_the_figure_marks_the_dead():
    activity = OutputActivity((0, 10), np.array([[1.0, 0.5, 0.001], [0.0, 0.25, 0.0]]))
    figure = output_activity_figure({"ReLU2": activity}, "a protocol")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), 100 * activity.shares.T)
    assert list(zip(*axes.lines[0].get_data(), strict=True)) == [(1, 0), (1, 2)]
    assert "dead in the end: 2" in axes.get_title()
    figure.draw_without_rendering()


def test_the_figure_of_nodes(data):
    activities = {"ReLU2-Neg": node_activity(relu2(), data.x_train, data.x_test)}
    figure = node_activity_figure(activities, "a protocol")
    hidden, output = figure.axes
    assert (len(hidden.lines[0].get_xdata()), len(output.lines[0].get_xdata())) == (5, 3)
    figure.draw_without_rendering()
