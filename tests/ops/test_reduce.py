"""Reductions beyond the op table: any axes, ties, empty axes."""

import re

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import valid_tuple_axes

from tinydist import Tensor, ops
from tinydist.errors import ShapeError

REDUCTIONS = {ops.sum: anp.sum, ops.mean: anp.mean, ops.max: anp.max}


@pytest.mark.parametrize("op", REDUCTIONS, ids=lambda op: op.__name__)
@given(axis=valid_tuple_axes(3, min_size=1), keepdims=st.booleans())
def test_any_axes_reduce_as_in_autograd(op, axis, keepdims, autograd_gradients):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4))
    options = {"axis": axis, "keepdims": keepdims}
    value, (vjp,) = op(x, **options)
    cotangent = np.asarray(rng.normal(size=np.shape(value)))
    (wanted,) = autograd_gradients(lambda x: REDUCTIONS[op](x, **options), [x], cotangent)
    np.testing.assert_allclose(value, REDUCTIONS[op](x, **options), rtol=1e-13, strict=True)
    np.testing.assert_allclose(vjp(cotangent), wanted, rtol=1e-13, strict=True)


def test_ties_for_the_maximum_share_within_their_row():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).backward([8, 9])
    assert x.grad.tolist() == [[0, 4, 4], [3, 3, 3]]


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_a_sample_axis_may_be_empty(name):
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    y = getattr(x, name)(axis=1)
    y.backward(np.ones(0))
    assert y.shape == (0,)
    assert x.grad.shape == (0, 3)


def test_the_empty_sum_is_0():
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    y = x.sum()
    y.backward()
    assert y.item() == 0
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_gradient_may_be_written_to(name):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    getattr(x, name)().backward()
    x.grad += 1


def test_a_single_number_has_no_axis():
    with pytest.raises(ShapeError, match=r"axis 0 does not name axes of shape \(\); expected None for all"):
        ops.sum(np.array(1.0), axis=0)


@pytest.mark.parametrize("op", [*REDUCTIONS, ops.min, ops.logsumexp], ids=lambda op: op.__name__)
@pytest.mark.parametrize("axis", [2, -3, 1.0, "0", (0, 0), (0, -2), True, (0, True)])
def test_wrong_axes_are_refused(op, axis):
    """True would be axis 1, where ``keepdims=True`` was meant."""
    with pytest.raises(ShapeError, match=rf"^{op.__name__}: axis .* does not name axes of shape \(2, 3\); .* -2 to 1,"):
        op(np.ones((2, 3)), axis=axis)


STATISTICS = pytest.mark.parametrize("op", [ops.mean, ops.max, ops.min, ops.logsumexp], ids=lambda op: op.__name__)


@STATISTICS
@pytest.mark.parametrize(("shape", "axis", "axes"), [((0, 3), None, (0, 1)), ((0,), 0, (0,)), ((2, 0), -1, (1,))])
def test_nothing_has_no_mean_and_no_extremum(op, shape, axis, axes):
    message = f"{op.__name__}: nothing to reduce along axes {axes} of shape {shape}; each needs an entry"
    with pytest.raises(ShapeError, match=re.escape(message)):
        op(np.ones(shape), axis=axis)


@STATISTICS
def test_one_entry_is_its_own_mean_and_extremum_even_of_no_rows(op):
    np.testing.assert_array_equal(op(np.array([[2.0, 3.0]]), axis=0)[0], [2.0, 3.0], strict=True)
    np.testing.assert_array_equal(op(np.ones((0, 3)), axis=1)[0], np.ones(0), strict=True)


def test_the_gradient_of_logsumexp_is_the_softmax_also_far_out():
    x = Tensor([[-np.inf, 2.0], [1e4, 1e4], [-np.inf, -np.inf]], requires_grad=True)
    x.logsumexp(axis=1).sum().backward()
    np.testing.assert_allclose(x.grad, [[0, 1], [0.5, 0.5], [np.nan, np.nan]], rtol=1e-12)
