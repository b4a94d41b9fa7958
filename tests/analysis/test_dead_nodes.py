"""Dead and rarely active nodes, counted on networks made by hand."""

import numpy as np

import tinydist as td
from tinydist.analysis.dead_nodes import NodeActivity, node_activity


def test_rarely_active_nodes_include_the_dead_and_stop_below_the_share():
    activity = NodeActivity("act0", "train", np.array([0.0, 0.009, 0.01, 0.049, 0.05, 1.0]))
    assert (activity.nodes, activity.dead, activity.rarely(0.01), activity.rarely(0.05)) == (6, 1, 2, 4)


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
