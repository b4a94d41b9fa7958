"""Elementwise ops beyond the op table: any broadcast, extreme values, refusals."""

import re

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import broadcastable_shapes, mutually_broadcastable_shapes
from scipy.special import expit

from tinydist import Tensor, ops
from tinydist.errors import ShapeError

BINARY = {
    ops.add: lambda a, b: a + b,
    ops.sub: lambda a, b: a - b,
    ops.mul: lambda a, b: a * b,
    ops.div: lambda a, b: a / b,
    ops.maximum: anp.maximum,
}

binary = pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@binary
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4))
def test_any_broadcast_has_the_gradient_of_autograd(op, shapes, autograd_gradients):
    rng = np.random.default_rng(0)
    inputs = [np.asarray(rng.uniform(0.5, 2, shape)) for shape in shapes.input_shapes]
    value, vjps = op(*inputs)
    cotangent = np.asarray(rng.normal(size=shapes.result_shape))
    assert np.shape(value) == shapes.result_shape
    for vjp, wanted in zip(vjps, autograd_gradients(BINARY[op], inputs, cotangent), strict=True):
        np.testing.assert_allclose(vjp(cotangent), wanted, rtol=1e-12, atol=1e-12, strict=True)


@given(shapes=mutually_broadcastable_shapes(num_shapes=1, base_shape=(3, 2, 4), max_dims=3))
def test_unbroadcast_is_the_adjoint_of_broadcasting(shapes):
    shape = shapes.input_shapes[0]
    rng = np.random.default_rng(0)
    gradient = rng.integers(-9, 9, shapes.result_shape).astype(float)
    entries = rng.integers(-9, 9, shape).astype(float)
    received = ops.unbroadcast(gradient, shape)
    assert received.shape == shape
    assert np.sum(received * entries) == np.sum(gradient * np.broadcast_to(entries, shapes.result_shape))


@given(shape=broadcastable_shapes((2, 1, 3), max_dims=4))
def test_unbroadcast_keeps_the_dtype(shape):
    gradient = np.ones(np.broadcast_shapes(shape, (2, 1, 3)), dtype=np.float32)
    assert ops.unbroadcast(gradient, shape).dtype == np.float32


@binary
def test_shapes_that_do_not_broadcast_are_named(op):
    with pytest.raises(ShapeError, match=rf"^{op.__name__}: shapes \(2, 3\) and \(2,\) do not broadcast"):
        op(np.ones((2, 3)), np.ones(2))


@both_precisions
def test_sigmoid_does_not_overflow(dtype):
    x = Tensor([-1e4, -1e3, 0, 1e3, 1e4], requires_grad=True, dtype=dtype)
    y = x.sigmoid()
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.array([0, 0, 0.5, 1, 1], dtype=dtype), strict=True)
    np.testing.assert_array_equal(x.grad, np.array([0, 0, 0.25, 0, 0], dtype=dtype), strict=True)


@both_precisions
def test_sigmoid_keeps_its_digits_in_both_tails(dtype):
    x = Tensor(np.linspace(-40, 40, 81), requires_grad=True, dtype=dtype)
    y = x.sigmoid()
    y.sum().backward()
    tolerance = 20 * np.finfo(dtype).eps
    wide = x.data.astype(float)
    np.testing.assert_allclose(y.data, expit(wide), rtol=tolerance)
    np.testing.assert_allclose(x.grad, expit(wide) * expit(-wide), rtol=tolerance)


@both_precisions
def test_tanh_does_not_overflow(dtype):
    x = Tensor([-1e4, 1e4], requires_grad=True, dtype=dtype)
    y = x.tanh()
    y.sum().backward()
    assert y.data.tolist() == [-1, 1]
    assert x.grad.tolist() == [0, 0]


def test_pow_refuses_a_tensor_as_exponent():
    with pytest.raises(TypeError, match=re.escape("for a tensor exponent write (b * a.log()).exp()")):
        Tensor([1.0]) ** Tensor([2.0])


def test_pow_to_0_and_1_has_finite_gradients_at_0():
    x = Tensor([0.0, 0.0], requires_grad=True)
    (x**0 + x**1 + x**2).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_pow_refuses_an_array_as_exponent():
    with pytest.raises(TypeError, match="takes a number as its exponent, got ndarray"):
        Tensor([1.0]) ** np.ones(1)


@pytest.mark.parametrize(
    ("exponent", "value"), [(0, [1, 1]), (1, [2, 3]), (3, [8, 27]), (-1, [1 / 2, 1 / 3]), (2.0, [4.0, 9.0])]
)
def test_a_power_of_whole_numbers_is_whole_unless_it_may_be_a_fraction(exponent, value):
    np.testing.assert_array_equal(ops.pow(np.array([2, 3]), exponent)[0], np.array(value), strict=True)


@pytest.mark.parametrize(
    ("limits", "value", "gradient"),
    [
        ({}, [-2, 0.5, 3], [1, 1, 1]),
        ({"low": 0}, [0, 0.5, 3], [0, 1, 1]),
        ({"high": 1}, [-2, 0.5, 1], [1, 1, 0]),
        ({"low": 0.5, "high": 0.5}, [0.5, 0.5, 0.5], [0, 0, 0]),
    ],
)
@both_precisions
def test_clamp_limits_on_either_side(limits, value, gradient, dtype):
    x = Tensor([-2.0, 0.5, 3.0], requires_grad=True, dtype=dtype)
    y = x.clamp(**limits)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.array(value, dtype=dtype), strict=True)
    np.testing.assert_array_equal(x.grad, np.array(gradient, dtype=dtype), strict=True)


def test_clamp_refuses_limits_that_are_no_numbers():
    with pytest.raises(TypeError, match="clamp takes numbers or None as limits, got 'a'; for arrays use maximum"):
        Tensor([1.0]).clamp("a")


def test_clamp_refuses_crossed_limits():
    with pytest.raises(ValueError, match="low <= high, got low=2 and high=1"):
        Tensor([1.0]).clamp(2, 1)


@pytest.mark.parametrize("op", ["relu", "abs", "tanh", "sigmoid", "exp", "sqrt", "log", "clamp"])
def test_nan_is_passed_on(op):
    assert np.isnan(getattr(Tensor(np.nan), op)().data)


def test_clamp_of_integers_with_one_limit_keeps_them_integers():
    y = Tensor([-3, 0, 7]).clamp(low=-1)
    assert y.data.tolist() == [-1, 0, 7]
    assert y.dtype == np.int64
