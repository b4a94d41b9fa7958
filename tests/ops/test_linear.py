"""Matrix product beyond the op table: any broadcast of leading axes, refusals."""

import re

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from tinydist import Tensor, ops
from tinydist.errors import ShapeError
from tinydist.nn import linear
from tinydist.sparse import SparseMatrix


@given(shapes=mutually_broadcastable_shapes(signature="(n,k),(k,m)->(n,m)", max_dims=2, max_side=4))
def test_leading_axes_broadcast_as_in_autograd(shapes, autograd_gradients):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in shapes.input_shapes]
    cotangent = rng.normal(size=shapes.result_shape)
    value, vjps = ops.matmul(*inputs)
    np.testing.assert_allclose(value, np.einsum("...nk,...km->...nm", *inputs), rtol=1e-12, atol=1e-13)
    for vjp, wanted in zip(vjps, autograd_gradients(anp.matmul, inputs, cotangent), strict=True):
        np.testing.assert_allclose(vjp(cotangent), wanted, rtol=1e-12, atol=1e-13, strict=True)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (3, 2)), ((), (1, 1)), ((2, 4, 3), (5, 3, 4)), ((2, 3), ())]
)
def test_shapes_that_do_not_chain_are_named(shapes):
    a, b = (Tensor(np.ones(shape)) for shape in shapes)
    with pytest.raises(ShapeError, match=re.escape(f"matmul: shapes {shapes[0]} and {shapes[1]} do not chain")):
        a @ b


def test_an_array_on_the_left_gives_a_tensor():
    x = Tensor([[1.0], [2.0]], requires_grad=True)
    y = np.array([[3.0, 4.0]]) @ x
    y.backward()
    assert y.item() == 11
    assert x.grad.tolist() == [[3], [4]]


@pytest.mark.parametrize(
    "shapes", [((5, 3), (2, 4), (2,)), ((5, 3), (2, 3), (3,)), ((3,), (2, 3), None), ((5, 3), (3,), None)]
)
def test_an_affine_map_that_does_not_fit_names_its_shapes(shapes):
    x, weight, bias = shapes
    message = f"linear: got x {x}, weight {weight}, bias {bias}; expected"
    arrays = [np.ones(shape) for shape in (weight, bias) if shape is not None]
    with pytest.raises(ShapeError, match="^" + re.escape(message)):
        ops.linear(np.ones(x), *arrays)
    if len(x) == 2:
        with pytest.raises(ShapeError, match="^" + re.escape(message)):
            ops.sparse_linear(*arrays, x=SparseMatrix(np.ones(x, dtype=np.uint8)))


def test_a_bias_of_another_dtype_promotes_as_a_sum_would():
    x, weight, bias = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.full(4, 0.5)
    assert linear(Tensor(x), Tensor(weight), Tensor(bias)).dtype == np.float64
    assert linear(Tensor(x.astype(int)), Tensor(weight.astype(int)), Tensor(bias)).data.tolist() == [[3.5] * 4] * 2


def test_a_sparse_layer_takes_a_sparse_matrix_only():
    with pytest.raises(TypeError, match=r"^sparse_linear takes a SparseMatrix as x, got ndarray; use linear"):
        ops.sparse_linear(np.ones((2, 3)), x=np.ones((4, 3)))
