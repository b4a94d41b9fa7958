import numpy as np
import pytest

from tinydist.analysis.activation_shapes import Shape, shape_of, slopes, stuck_units
from tinydist.nn import Activation, Module
from tinydist.tensor import Tensor


class Sigmoid(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid()


class Identity(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 1.0


@pytest.mark.parametrize(
    ("activation", "never_negative", "bounded", "flat_side", "zero_region"),
    [
        (Activation("ReLU"), True, False, True, True),
        (Activation("Abs"), True, False, False, False),
        (Activation("Tanh"), False, True, True, False),
        (Sigmoid(), True, True, True, True),
        (Identity(), False, False, False, False),
    ],
)
def test_properties_as_a_textbook_has_them(activation, never_negative, bounded, flat_side, zero_region):
    assert shape_of(activation) == Shape(never_negative, bounded, flat_side, zero_region)


def test_properties_by_name():
    assert shape_of(Activation("ReLU")).properties() == {
        "never negative": True,
        "bounded": False,
        "flat side": True,
        "zero region": True,
    }


def test_slopes_are_derivatives():
    x = np.array([[-2.0, 0.5], [1.0, 3.0]])
    np.testing.assert_allclose(slopes(Activation("Tanh"), x), 1 - np.tanh(x) ** 2, rtol=1e-12)
    np.testing.assert_array_equal(slopes(Activation("Abs"), x), np.sign(x))


def test_a_unit_is_stuck_if_no_sample_gets_a_gradient_through():
    pre_activations = np.array([[-1.0, -2.0, 9.0], [-3.0, 0.5, 8.0]])
    assert stuck_units(Activation("ReLU"), pre_activations).tolist() == [True, False, False]
    assert stuck_units(Activation("Abs"), pre_activations).tolist() == [False, False, False]
    assert stuck_units(Activation("Tanh"), pre_activations).tolist() == [False, False, True]  # saturated, not silent
