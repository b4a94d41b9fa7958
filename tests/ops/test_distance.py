"""Weighted distance beyond the op table: zero distance, the floor, negative weights, dtypes, refusals."""

import re

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tinydist import Tensor, ops
from tinydist.errors import DTypeError, ShapeError

both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def distance(x, center, weight, dtype=np.float64, **options):
    """The distances, and the gradients of their sum with respect to x, center and weight."""
    tensors = [Tensor(data, requires_grad=True, dtype=dtype) for data in (x, center, weight)]
    result = tensors[0].weighted_distance(*tensors[1:], **options)
    result.sum().backward()
    return result.data, [tensor.grad for tensor in tensors]


def test_distance_is_that_of_scipy(rng):
    x, center, weight = rng.normal(size=(7, 5)), rng.normal(size=(3, 5)), rng.uniform(0.1, 2, 5)
    received, _ = distance(x, center, np.tile(weight, (3, 1)))
    np.testing.assert_allclose(received, cdist(x, center, "minkowski", p=2, w=weight), rtol=1e-12)


@both_precisions
def test_a_3_4_5_triangle(dtype):
    value, (x, center, weight) = distance([[3, 4]], [[0, 0]], [[1, 1]], dtype)
    np.testing.assert_array_equal(value, np.array([[5]], dtype=dtype), strict=True)
    np.testing.assert_allclose(x, np.array([[0.6, 0.8]], dtype=dtype), rtol=1e-6, strict=True)
    np.testing.assert_allclose(center, np.array([[-0.6, -0.8]], dtype=dtype), rtol=1e-6, strict=True)
    np.testing.assert_allclose(weight, np.array([[0.9, 1.6]], dtype=dtype), rtol=1e-6, strict=True)


@both_precisions
def test_a_row_at_zero_distance_leaves_the_others_alone(dtype):
    value, (x, center, weight) = distance([[1, 2], [4, 6]], [[1, 2]], [[1, 1]], dtype)
    assert value.tolist() == [[0], [5]]
    np.testing.assert_allclose(x, np.array([[0, 0], [0.6, 0.8]], dtype=dtype), rtol=1e-6, strict=True)
    np.testing.assert_allclose(center, np.array([[-0.6, -0.8]], dtype=dtype), rtol=1e-6, strict=True)
    np.testing.assert_allclose(weight, np.array([[0.9, 1.6]], dtype=dtype), rtol=1e-6, strict=True)


@both_precisions
@pytest.mark.parametrize("weight", [[[-1.0, -1.0]], [[1.0, -1.0]], [[0.0, 0.0]]])
def test_a_sum_that_is_not_positive_gives_the_floor_and_no_gradient(weight, dtype):
    value, gradients = distance([[2, 2]], [[1, 1]], weight, dtype, floor=1e-12)
    np.testing.assert_allclose(value, 1e-6, rtol=1e-6)
    assert [g.tolist() for g in gradients] == [[[0, 0]]] * 3


def test_a_negative_weight_pushes_the_other_way():
    value, (x, center, weight) = distance([[5.0, 3.0]], [[0.0, 0.0]], [[1.0, -1.0]])
    np.testing.assert_allclose(value, [[4]])
    np.testing.assert_allclose(x, [[1.25, -0.75]])
    np.testing.assert_allclose(center, [[-1.25, 0.75]])
    np.testing.assert_allclose(weight, [[3.125, 1.125]])


@pytest.mark.parametrize(("floor", "value", "slope"), [(24.9, 5, 0.6), (25, 5, 0), (36, 6, 0)])
def test_the_floor_is_a_squared_distance(floor, value, slope):
    received, (x, *_) = distance([[3.0, 4.0]], [[0.0, 0.0]], [[1.0, 1.0]], floor=floor)
    assert received.tolist() == [[value]]
    assert x[0, 0] == pytest.approx(slope)


def test_a_negative_floor_is_refused():
    with pytest.raises(ValueError, match="floor is a squared distance and cannot be negative, got -1"):
        distance([[1.0]], [[1.0]], [[1.0]], floor=-1)


def test_nan_is_passed_on():
    x = Tensor([[1.0, np.nan], [3.0, 4.0]])
    value = x.weighted_distance(np.zeros((1, 2)), np.ones((1, 2))).data
    np.testing.assert_array_equal(value, [[np.nan], [5]])


@pytest.mark.parametrize("dtypes", [("uint8", "float32", "float32"), ("float32", "float64", "float64")])
def test_mixed_dtypes_meet_in_the_wider_one(dtypes):
    x, center, weight = ([[200, 250]], [[0.5, 0.25]], [[1, 1]])
    tensors = [Tensor(data, dtype=dtype) for data, dtype in zip((x, center, weight), dtypes, strict=True)]
    result = tensors[0].weighted_distance(*tensors[1:])
    assert result.dtype == dtypes[1]
    np.testing.assert_allclose(result.data, [[np.hypot(199.5, 249.75)]], rtol=1e-6)


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (2, 3), (2, 3)),
        ((4, 3), (3,), (3,)),
        ((4, 3), (2, 4), (2, 4)),
        ((4, 3), (2, 3), (1, 3)),
        ((4, 3), (2, 3), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes):
    x, center, weight = shapes
    message = f"weighted_distance: got x {x}, center {center}, weight {weight}; expected"
    with pytest.raises(ShapeError, match="^" + re.escape(message)):
        distance(*map(np.ones, shapes))


def test_half_precision_is_refused_by_name():
    x = np.ones((2, 3), dtype=np.float16)
    with pytest.raises(DTypeError, match="weighted_distance computes in float32 or float64, got float16"):
        ops.weighted_distance(x, x[:1], x[:1])


def test_nan_reaches_the_gradients():
    x, center, weight = (Tensor(data, requires_grad=True) for data in ([[np.nan, 1.0]], [[0.0, 0.0]], [[1.0, 1.0]]))
    x.weighted_distance(center, weight, floor=1e-12).sum().backward()
    assert all(np.isnan(tensor.grad).all() for tensor in (x, center, weight))
