"""Activity over training, against counts made by hand and weights kept by hand."""

import numpy as np
import pytest

import tinydist as td
from tinydist.analysis.dead_nodes import node_activity
from tinydist.analysis.dying_outputs import (
    OutputActivity,
    activity_of_weights,
    activity_while_training,
    node_activity_figure,
    output_activity_figure,
    output_activity_table,
)
from tinydist.errors import StateDictError


@pytest.fixture
def data(rng):
    x = rng.integers(0, 256, (60, 6)).astype(np.float32)
    y = rng.integers(0, 3, 60)
    rows = {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]}
    return td.datasets.Dataset(name="toy", input="raw", classes=3, **rows)


def relu2():
    return td.build_model("ReLU2-Neg", in_features=6, hidden=5, classes=3)


def test_training_and_kept_weights_tell_the_same(data):
    model, kept = relu2(), {}
    optimizer = td.optim.SGD(model.parameters(), lr=0.001)
    for epoch in range(6):
        kept[epoch] = model.state_dict()
        loss = model(td.Tensor(data.x_train)).cross_entropy(data.y_train)
        td.training.training_step(loss, optimizer)
    watched_model = relu2()
    watched = activity_while_training(watched_model, td.optim.SGD(watched_model.parameters(), lr=0.001), data, 5)
    from_weights = activity_of_weights(relu2(), kept, data.x_train)
    assert watched.epochs == from_weights.epochs == (0, 1, 2, 3, 4, 5)
    np.testing.assert_array_equal(watched.shares, from_weights.shares)
    by_hand = [[np.mean(relu2_outputs(w, data.x_train)[:, i] > 1e-6) for i in range(3)] for w in kept.values()]
    np.testing.assert_allclose(watched.shares, by_hand)
    assert len(np.unique(watched.shares)) > 2  # something happens in this training


def relu2_outputs(weights, x):
    hidden = np.maximum(x @ weights["linear0.weight"].T + weights["linear0.bias"], 0)
    return np.maximum(hidden @ weights["linear1.weight"].T, 0)


def test_the_model_is_left_as_it_was(data):
    model = relu2()
    before = model.state_dict()
    other = {name: value + 1 for name, value in before.items()}
    activity_of_weights(model, {0: other}, data.x_train)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(StateDictError):
        activity_of_weights(model, {0: other, 1: {"wrong": [1.0]}}, data.x_train)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())


def test_no_weights_are_refused(data):
    with pytest.raises(ValueError, match="no weights were given"):
        activity_of_weights(relu2(), {}, data.x_train)


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
