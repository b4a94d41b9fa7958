"""Clamps on networks whose answers are known, and against clamping written out in plain Python."""

import numpy as np
import pytest

import tinydist as td
from tinydist.analysis.perturbation import (
    NODE_PERCENTS,
    PUBLISHED_HALF_LOSS,
    Perturbation,
    clamp_curves,
    layer_figure,
    layer_table,
    nodes_figure,
    nodes_table,
    observed_range,
    perturb_layer,
    perturb_nodes,
)
from tinydist.errors import ShapeError


def curves(below, above, unclamped=80.0, percents=None):
    percents = np.arange(len(below)) if percents is None else np.asarray(percents)
    return Perturbation(percents.astype(float), unclamped, np.asarray(below, float), np.asarray(above, float))


def intensity(h):
    """Class 1 if the only node is above 6."""
    return np.stack([np.full(len(h), 6.0), h[:, 0]], axis=1)


def test_a_detector_of_large_activations_is_hurt_where_its_threshold_lies():
    h = np.array([[0.0], [2.0], [8.0], [10.0]])
    found = clamp_curves(h, np.array([0, 0, 1, 1]), intensity, percents=[0, 50, 59, 61, 100])
    assert found.unclamped == 100
    assert found.from_below.tolist() == [100, 100, 100, 50, 50]  # from 6 on everything looks like class 1
    assert found.from_above.tolist() == [50, 50, 50, 100, 100]  # below 6 nothing does
    assert (found.half_lost_from_below, found.half_lost_from_above) == (61, 59)
    assert found.crossing == 60


def test_the_ends_leave_the_network_as_it_is_or_with_nothing(rng):
    h, labels = rng.normal(size=(40, 5)).astype(np.float32), rng.integers(0, 3, 40)
    weights = rng.normal(size=(5, 3)).astype(np.float32)
    found = clamp_curves(h, labels, lambda h: h @ weights)
    assert found.from_below[0] == found.from_above[-1] == found.unclamped
    of_one_class = 100 * np.bincount(labels, minlength=3) / 40  # all images alike: one class for all
    assert found.from_below[-1] in of_one_class
    assert found.from_above[0] in of_one_class


@pytest.mark.parametrize("per", ["node", "layer"])
@pytest.mark.parametrize("nodes", [slice(None), [1], [0, 3]])
def test_clamping_written_out(rng, per, nodes):
    h, labels = rng.exponential(size=(30, 4)) * [1, 2, 4, 8], rng.integers(0, 3, 30)
    weights = rng.normal(size=(4, 3))
    found = clamp_curves(h, labels, lambda h: h @ weights, nodes, per, percents=[0, 20, 50])
    for p, below, above in zip(found.percents, found.from_below, found.from_above, strict=True):
        for accuracy, choose in ((below, max), (above, min)):
            right = 0
            for row, label in zip(h.tolist(), labels, strict=True):
                for node in range(4)[nodes] if isinstance(nodes, slice) else nodes:
                    seen = h[:, node] if per == "node" else h
                    row[node] = choose(row[node], seen.min() + p / 100 * (seen.max() - seen.min()))
                right += int(np.argmax(np.array(row) @ weights) == label)
            assert accuracy == pytest.approx(100 * right / 30)


def test_ranges():
    h = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert [bound.tolist() for bound in observed_range(h, "node")] == [[1, 5], [3, 5]]
    assert [bound.tolist() for bound in observed_range(h, "layer")] == [[1, 1], [5, 5]]
    with pytest.raises(ValueError, match="per: expected 'node' or 'layer', got 'image'"):
        observed_range(h, "image")


def test_a_dead_layer_changes_nothing_and_never_crosses():
    found = clamp_curves(np.zeros((4, 3)), np.array([0, 0, 1, 1]), lambda h: h[:, :2])
    assert set(found.from_below) | set(found.from_above) == {found.unclamped} == {50}
    assert np.isnan(found.crossing)
    assert np.isnan(found.half_lost_from_below)
    assert np.isnan(found.half_lost_from_above)
    assert found.largest_loss == 0


def test_one_image():
    found = clamp_curves(np.array([[3.0, 1.0]]), np.array([0]), lambda h: h)
    assert set(found.from_below) == {100}


def test_half_means_at_most_half_of_the_unclamped_accuracy():
    found = curves([80, 41, 40, 10, 60], [10, 39, 45, 40, 80])
    assert (found.half_lost_from_below, found.half_lost_from_above) == (2, 3)
    assert found.largest_loss == 70


@pytest.mark.parametrize(
    ("below", "above", "crossing"),
    [
        ([80, 60, 10], [20, 30, 80], 1.3),  # from 30 below to 70 above
        ([80, 80, 10], [20, 80, 80], 120 / 130),  # equal at 1: a line from -60 at 0 to 70 at 2
        ([80, 70, 10], [10, 70, 80], 1),
        ([80, 80], [80, 80], np.nan),
        ([80, 70], [10, 20], np.nan),
        ([80, 60, 60, 10, 60, 10], [70, 70, 60, 10, 50, 20], 0.5),  # the first of several
    ],
)
def test_crossings(below, above, crossing):
    assert curves(below, above).crossing == pytest.approx(crossing, nan_ok=True)


@pytest.mark.parametrize("percents", [[], [0, 50, 50], [50, 0], [-1, 5], [0, 101]])
def test_percents_that_make_no_sense(percents):
    with pytest.raises(ValueError, match="ascend within 0 to 100"):
        clamp_curves(np.ones((2, 2)), np.array([0, 1]), lambda h: h, percents=percents)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="finite"):
        clamp_curves(np.array([[np.nan, 1.0]]), np.array([0]), lambda h: h)
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        clamp_curves(np.ones((2, 2)), np.array([0]), lambda h: h)


@pytest.fixture
def model():
    """Two hidden units x and y; the class is the larger one."""
    model = td.build_model("ReLU-Bias", in_features=2, hidden=2, classes=2)
    state = {"linear0.weight": np.eye(2), "linear0.bias": [0, 0], "linear1.weight": np.eye(2), "linear1.bias": [0, 0]}
    model.load_state_dict(state)
    return model


def test_a_model_clamped_as_a_layer_and_node_by_node(model):
    x, labels = np.array([[10, 0], [3, 0], [0, 1], [0, 1]], dtype=np.float32), np.array([0, 0, 1, 1])
    layer = perturb_layer(model, x, labels)
    # One range, 0 to 10: from 10% on, both units of the last two images are raised alike, and the first of equals wins.
    assert layer.half_lost_from_below == 10
    assert layer.from_above[1] == 100
    first, second = perturb_nodes(model, x, labels)
    assert tuple(first.percents) == NODE_PERCENTS
    assert first.from_below[2] == 50  # x raised to 1 ties with y = 1
    assert first.from_above[0] == 100  # x = 0 ties with y = 0
    assert second.from_above[0] == 50
    assert second.from_below[-1] == 100  # y raised to 1, the end of its own range, not to 10


def test_published_numbers_stand_beside_the_measured_ones():
    assert PUBLISHED_HALF_LOSS["Abs2-Neg"] == (38, 35)
    assert len(PUBLISHED_HALF_LOSS) == 6
    two = [curves([80, 30], [10, 80]), curves([80, 80], [80, 80])]
    row = layer_table({"ReLU": two}).splitlines()[2].split("  ")
    assert [cell.strip() for cell in row if cell][:6] == ["ReLU", "80.0, 80.0", "1, –", "9", "0, –", "1"]
    assert " –  " in layer_table({"Abs-L2": two}).splitlines()[2]


def test_the_costliest_nodes_come_first():
    lines = nodes_table([curves([80, 79], [80, 80]), curves([80, 10], [80, 80])], count=1).splitlines()
    assert len(lines) == 2
    assert lines[1].split()[:2] == ["1", "70.00"]


def test_figures():
    found = curves([80, 30], [10, 80], percents=[0, 100])
    figure = layer_figure({"ReLU": [found], "Abs-L2": [found, found]}, "a protocol")
    relu, l2 = figure.axes
    assert [line.get_xdata()[0] for line in relu.lines[3:]] == [9, 1]  # the author's notes
    assert len(l2.lines) == 2 * 2 + 1  # both curves of each run, and half the accuracy
    figure.draw_without_rendering()
    figure = nodes_figure({"ReLU": [found, curves([80, 80], [80, 80])]}, "a protocol")
    assert "1 of 2 without a crossing" in figure.axes[0].get_title()
    figure.draw_without_rendering()


def test_constant_nodes_are_never_moved(rng):
    h = np.full((5, 200), 1, dtype=np.float32) * rng.normal(size=200).astype(np.float32)
    seen = []
    clamp_curves(h, np.zeros(5, dtype=int), lambda h: seen.append(h) or h, per="node")
    assert all(np.array_equal(changed, h) for changed in seen)
