"""Activations beyond the op table: far out, at huge inputs, and against other implementations."""

import numpy as np
import pytest
from scipy import special, stats

from tinydist import ops
from tinydist.gradcheck import gradcheck
from tinydist.ops import activations
from tinydist.ops.table import OPS
from tinydist.tensor import apply

ACTIVATIONS = tuple(ops.ACTIVATIONS.values())
activation = pytest.mark.parametrize("op", ACTIVATIONS, ids=lambda op: op.__name__)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])

FAR_RIGHT = {ops.sin: np.sin, ops.tanh: lambda x: 1.0 + 0 * x}
"""Towards +inf all but these are the identity."""
FAR_LEFT = {
    **{ops.leaky_relu: lambda x: 0.01 * x, ops.elu: lambda x: -1.0 + 0 * x, ops.sin: np.sin},
    **{ops.abs: np.abs, ops.tanh: lambda x: -1.0 + 0 * x},
}
"""Towards -inf all but these are 0."""
FAR_SLOPES = {ops.leaky_relu: [1, 0.01], ops.abs: [1, -1], ops.tanh: [0, 0]}
"""Towards +inf and -inf all but these have the slopes 1 and 0."""


def value_and_slope(op, x):
    value, (vjp,) = op(x)
    return value, vjp(np.ones_like(value))


def test_every_activation_has_a_name_that_models_know():
    defined = {getattr(activations, name) for name in activations.__all__ if name != "ACTIVATIONS"}
    assert defined <= set(ACTIVATIONS), "list it in ACTIVATIONS, at the end of ops/activations.py"


@activation
def test_the_slope_is_that_of_the_value_on_every_piece(op):
    """The op table tries activations near 0 only; a piece further out, as of HardSwish at 3, is reached here."""
    (entry,) = (entry for entry in OPS if entry.function is op)
    x = np.random.default_rng(0).uniform(-12, 12, 400)
    for kink in entry.kinks:
        x = x[np.abs(x - kink.inputs[0]) > 1e-3]
    _, slope = value_and_slope(op, x)
    numeric = (op(x + 1e-6)[0] - op(x - 1e-6)[0]) / 2e-6
    np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("op", [op for op in ACTIVATIONS if op is not ops.square], ids=lambda op: op.__name__)
@both_precisions
@pytest.mark.parametrize("size", [60.0, 1e4, 1e30, 1e38])
def test_huge_inputs_give_the_limits_without_a_warning(op, dtype, size):
    x = np.array([size, -size], dtype=dtype)
    value, slope = value_and_slope(op, x)
    assert value.dtype == slope.dtype == dtype
    right, left = FAR_RIGHT.get(op, lambda x: x), FAR_LEFT.get(op, lambda x: 0 * x)
    np.testing.assert_allclose(value, [right(x[0]), left(x[1])], rtol=1e-6, atol=1e-20)
    expected = np.cos(x) if op is ops.sin else FAR_SLOPES.get(op, [1, 0])
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-20)


@activation
def test_nan_stays_nan(op):
    value, slope = value_and_slope(op, np.array([np.nan, 1.0]))
    assert np.isnan(value[0])
    assert np.isfinite([value[1], slope[1]]).all()


def test_gelu_keeps_its_digits_in_the_left_tail():
    x = np.array([-37.0, -20.0, -8.0, -3.0])
    value, slope = value_and_slope(ops.gelu, x)
    np.testing.assert_allclose(value, x * stats.norm.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(slope, stats.norm.cdf(x) + x * stats.norm.pdf(x), rtol=1e-12)


def test_the_tanh_form_is_near_gelu_but_not_it():
    x = np.linspace(-5, 5, 1001)
    difference = np.abs(ops.gelu_tanh(x)[0] - ops.gelu(x)[0]).max()
    assert 1e-5 < difference < 5e-4


def test_silu_and_softplus_are_those_of_the_logistic_function():
    x = np.linspace(-30, 30, 301)
    value, slope = value_and_slope(ops.silu, x)
    np.testing.assert_allclose(value, x * special.expit(x), rtol=1e-13)
    np.testing.assert_allclose(slope, special.expit(x) * (1 + x * special.expit(-x)), rtol=1e-11)
    value, slope = value_and_slope(ops.softplus, x)
    np.testing.assert_allclose(value, -special.log_expit(-x), rtol=1e-13)
    np.testing.assert_allclose(slope, special.expit(x), rtol=1e-13)


def test_elu_is_smooth_at_0_and_exact_beside_it():
    x = np.array([-1e-12, 0.0, 1e-12])
    value, slope = value_and_slope(ops.elu, x)
    np.testing.assert_allclose(value, x, rtol=1e-11, atol=0)
    np.testing.assert_allclose(slope, 1, rtol=1e-11)


@pytest.mark.parametrize("op", [ops.gelu, ops.gelu_tanh, ops.silu], ids=lambda op: op.__name__)
def test_gradients_where_the_slope_changes_sign(op):
    lowest = {ops.gelu: -0.7517916, ops.gelu_tanh: -0.7524614, ops.silu: -1.2784645}[op]
    _, slope = value_and_slope(op, np.array([lowest - 0.01, lowest, lowest + 0.01]))
    assert slope[0] < 0 < slope[2]
    assert slope[1] == pytest.approx(0, abs=1e-6)
    gradcheck(lambda x: apply(op, x), np.array([lowest - 0.5, lowest, lowest + 0.5]))
