"""Activations taken from a model, on networks small enough to work out by hand."""

import numpy as np
import pytest

import tinydist as td
from tinydist.activity import (
    active_shares,
    check_activations,
    check_labels,
    dead_units,
    layer_output,
    layer_outputs,
    node_layers,
)
from tinydist.analysis.perturbation import outputs_after
from tinydist.errors import ShapeError

X = np.array([[1.0, 2.0], [3.0, -1.0]], dtype=np.float32)


@pytest.fixture
def by_hand():
    model = td.build_model("Abs2-Neg", in_features=2, hidden=2, classes=2)
    model.load_state_dict({"linear0.weight": [[1, 0], [0, 2]], "linear0.bias": [-2, 0], "linear1.weight": np.eye(2)})
    return model


def test_every_layer_by_name(by_hand):
    outputs = layer_outputs(by_hand, X)
    assert list(outputs) == ["linear0", "act0", "linear1", "act1", "neg"]
    np.testing.assert_array_equal(outputs["linear0"], [[-1, 4], [1, -2]])
    np.testing.assert_array_equal(outputs["act0"], [[1, 4], [1, 2]])
    np.testing.assert_array_equal(outputs["neg"], [[-1, -4], [-1, -2]])


def test_one_layer_by_name(by_hand):
    np.testing.assert_array_equal(layer_output(by_hand, X, "act1"), [[1, 4], [1, 2]])
    with pytest.raises(ValueError, match="unknown layer 'act2'; the model has linear0, act0, linear1, act1, neg"):
        layer_output(by_hand, X, "act2")


def test_images_of_another_size_are_refused(by_hand):
    with pytest.raises(ShapeError, match=r"\(batch, 2\), got \(1, 3\)"):
        layer_outputs(by_hand, np.ones((1, 3), dtype=np.float32))


def test_sending_on_changed_activations(by_hand):
    np.testing.assert_array_equal(outputs_after(by_hand, "act0", np.array([[5.0, -3.0]])), [[-5, -3]])
    np.testing.assert_array_equal(outputs_after(by_hand, "neg", np.array([[5.0, -3.0]])), [[5, -3]])


def test_sparse_images_give_the_same(by_hand):
    pixels = np.array([[0, 200], [3, 0]], dtype=np.uint8)
    dense, sparse = (layer_outputs(by_hand, x) for x in (pixels.astype(np.float32), td.sparse.SparseMatrix(pixels)))
    for name, output in dense.items():
        np.testing.assert_allclose(sparse[name], output, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("ReLU", ["act0", "linear1"]),
        ("Abs2", ["act0", "act1"]),
        ("ReLU2-Neg", ["act0", "act1"]),
        ("Abs-L2-Neg", ["act0", "offset"]),
        ("Conv-ReLU", ["act0", "linear1"]),
        ("Conv-Abs2-Neg", ["act0", "act1"]),
    ],
)
def test_what_counts_as_nodes(name, layers):
    assert node_layers(td.build_model(name)) == layers


def test_layers_of_a_convolution_give_maps():
    model = td.build_model("Conv-ReLU", in_features=2 * 7 * 6, hidden=3, classes=2, image_shape=(2, 7, 6))
    outputs = layer_outputs(model, np.ones((4, 2 * 7 * 6), dtype=np.float32))
    assert {name: output.shape for name, output in outputs.items()} == {
        "image": (4, 2, 7, 6),
        "conv0": (4, 8, 3, 2),
        "conv_act0": (4, 8, 3, 2),
        "pool0": (4, 8, 1, 1),
        "flat": (4, 8),
        "linear0": (4, 3),
        "act0": (4, 3),
        "linear1": (4, 2),
    }
    model.conv0.bias.data[1] = np.inf
    with pytest.raises(ValueError, match="the outputs of conv0 must be finite, got inf for sample 0, unit 6"):
        layer_outputs(model, np.ones((4, 2 * 7 * 6), dtype=np.float32))


def test_no_graph_is_left_behind(by_hand):
    layer_outputs(by_hand, X)
    assert all(parameter.grad is None for parameter in by_hand.parameters())


def test_the_first_number_that_is_not_finite_is_named(by_hand):
    with pytest.raises(ValueError, match=r"got nan for sample 1, unit 0.*diverged"):
        check_activations(np.array([[1.0, 2.0], [np.nan, np.inf]]))
    by_hand.linear0.bias.data[1] = np.inf
    with pytest.raises(ValueError, match="the outputs of linear0 must be finite, got inf for sample 0, unit 1"):
        layer_outputs(by_hand, X)


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 0), (1, 2, 3)])
def test_shapes_that_are_no_activations(shape):
    with pytest.raises(ShapeError, match="samples, units"):
        check_activations(np.ones(shape))


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([0, 1, 2], r"shape \(2,\)"),
        ([[0], [1]], r"shape \(2,\)"),
        ([0.0, 1.0], "whole numbers"),
        ([-1, 0], "whole numbers from 0"),
        ([0, 3], "below 3"),
    ],
)
def test_labels_that_do_not_fit(labels, problem):
    with pytest.raises(ValueError, match=problem):
        check_labels(np.array(labels), 2, 3)


def test_labels_may_be_a_list():
    check_labels([0, 2], 2, 3)
    with pytest.raises(ValueError, match="below 3"):
        check_labels([0, 3], 2, 3)


# --- dead and active units ---------------------------------------------------------------------------------------


def test_a_unit_is_dead_if_it_is_silent_on_every_sample():
    activations = np.array([[0.0, 0.0, 5.0], [0.0, 3.0, 5.0]])
    assert dead_units(activations).tolist() == [True, False, False]


def test_silence_goes_up_to_a_millionth_either_way():
    activations = np.array([[1e-6, -1e-6, 1.1e-6, -1.1e-6, 0.0]])
    assert dead_units(activations).tolist() == [True, True, False, False, True]


def test_negating_the_output_changes_nothing():
    activations = np.array([[0.0, 2.0, 1e-7], [0.0, 0.0, 1e-7]])
    np.testing.assert_array_equal(dead_units(-activations), dead_units(activations))


def test_the_threshold_may_be_moved():
    assert dead_units(np.array([[0.5, 1.5]]), threshold=1).tolist() == [True, False]


def test_float32_activations():
    assert dead_units(np.array([[0.0, 1e-3]], dtype=np.float32)).tolist() == [True, False]


def test_share_of_samples_on_which_a_unit_is_active():
    activations = np.array([[0.0, 2.0, -3.0], [0.0, 1e-6, 4.0], [0.0, 0.0, 5.0], [0.0, 0.0, -1e-7]])
    assert active_shares(activations).tolist() == [0, 0.25, 0.75]
    assert (active_shares(activations) == 0).tolist() == dead_units(activations).tolist()


@pytest.mark.parametrize("activations", [np.empty((0, 3)), np.array([1.0]), np.array([[np.nan]])])
def test_what_cannot_be_counted_is_refused(activations):
    with pytest.raises(ValueError, match="activations must be"):
        active_shares(activations)
