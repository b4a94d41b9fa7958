"""Dead units: at most 1e-6 in magnitude on every sample."""

import numpy as np
import pytest

import tinydist as td
from tinydist.analysis.dead_nodes import NodeActivity, active_shares, activity_table, dead_units, node_activity


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


def test_rarely_active_nodes_include_the_dead_and_stop_below_the_share():
    activity = NodeActivity("act0", "train", np.array([0.0, 0.009, 0.01, 0.049, 0.05, 1.0]))
    assert (activity.nodes, activity.dead, activity.rarely(0.01), activity.rarely(0.05)) == (6, 1, 2, 4)
    assert activity_table([activity]).splitlines()[1].split()[2:] == [
        *("6", "1", "(", "16.7%)", "2", "(", "33.3%)", "4", "(", "66.7%)")
    ]


def test_a_network_with_a_dead_unit_in_each_layer():
    model = td.build_model("ReLU2-Neg", in_features=2, hidden=2, classes=2)
    model.load_state_dict(
        {"linear0.weight": [[1, 0], [-1, 0]], "linear0.bias": [0, 0], "linear1.weight": [[1, 1], [-1, 0]]}
    )
    x_train, x_test = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])
    found = {(a.layer, a.images): a.shares.tolist() for a in node_activity(model, x_train, x_test)}
    assert list(found) == [("act0", "train"), ("act0", "test"), ("act1", "train"), ("act1", "test")]
    assert found["act0", "train"] == [1, 0]
    assert found["act0", "test"] == [0.5, 0.5]  # dead on the training images only
    assert found["act1", "train"] == found["act1", "test"] == [1, 0]


@pytest.mark.parametrize("activations", [np.empty((0, 3)), np.array([1.0]), np.array([[np.nan]])])
def test_what_cannot_be_counted_is_refused(activations):
    with pytest.raises(ValueError, match="activations must be"):
        active_shares(activations)
