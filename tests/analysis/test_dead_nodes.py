"""Dead units: at most 1e-6 in magnitude on every sample."""

import numpy as np

from tinydist.analysis.dead_nodes import dead_units


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
