"""Reductions beyond the op table: any axes, ties, empty axes."""

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
