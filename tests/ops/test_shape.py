"""Ops that move entries, beyond the op table: repeated picks, refusals."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import basic_indices

from tinydist import Tensor, concatenate, ops
from tinydist.errors import DTypeError, ShapeError


@pytest.mark.parametrize(
    ("key", "gradient"),
    [
        ([0, 0, 2], [2, 0, 1]),
        (np.array([-1, 2, 2]), [0, 0, 3]),
        ([[1, 1], [1, 0]], [1, 3, 0]),
        (np.array([True, False, True]), [1, 0, 1]),
        (slice(None, None, -2), [1, 0, 1]),
        (slice(3, 3), [0, 0, 0]),
        (None, [1, 1, 1]),
    ],
)
def test_an_entry_picked_again_adds_up(key, gradient):
    x = Tensor([5.0, 6.0, 7.0], requires_grad=True)
    x[key].sum().backward()
    assert x.grad.tolist() == gradient


@given(key=basic_indices((3, 4, 2), allow_newaxis=True, allow_ellipsis=True))
def test_basic_keys_put_the_gradient_back(key):
    x = np.arange(24.0).reshape(3, 4, 2)
    value, (vjp,) = ops.index(x, key)
    wanted = np.where(np.isin(x, value), x + 100, 0)
    np.testing.assert_array_equal(value, x[key], strict=True)
    np.testing.assert_array_equal(vjp(np.asarray(value + 100)), wanted)


def test_a_tensor_serves_as_a_key():
    assert Tensor([5.0, 6.0, 7.0])[Tensor([2, 0])].data.tolist() == [7, 5]


@pytest.mark.parametrize("shape", [(4, 2), (-1, -1), (4, -1), (1.5, 4)])
def test_reshape_that_does_not_fit_is_refused(shape):
    message = f"reshape: 6 entries of shape (2, 3) do not fit shape {shape};"
    with pytest.raises(ShapeError, match="^" + re.escape(message)):
        Tensor(np.ones((2, 3))).reshape(*shape)


@pytest.mark.parametrize("axes", [(0, 0), (0,), (0, 2)])
def test_transpose_needs_a_permutation(axes):
    with pytest.raises(ShapeError, match=r"^transpose: axes .* are not a permutation of the 2 axes of shape \(2, 3\)"):
        Tensor(np.ones((2, 3))).transpose(*axes)


def test_T_reverses_the_axes():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_array_equal(x.T.data, np.moveaxis(x.data, [0, 2], [2, 0]), strict=True)


@pytest.mark.parametrize(("shapes", "axis"), [(((2, 3), (2, 4)), 0), (((2, 3), (3, 3)), -1), (((2,), (2, 2)), 0)])
def test_concatenate_needs_shapes_that_agree(shapes, axis):
    shown = ", ".join(map(str, shapes)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ShapeError, match=f"^concatenate: shapes {shown} along axis {axis}: .*dimension"):
        concatenate([Tensor(np.ones(shape)) for shape in shapes], axis=axis)


def test_concatenate_gives_each_tensor_its_slice():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0, 3.0], requires_grad=True)
    joined = concatenate([a, np.array([9.0]), b, a])
    joined.backward([10, 20, 30, 40, 50])
    assert joined.data.tolist() == [1, 9, 2, 3, 1]
    assert a.grad.tolist() == [60]
    assert b.grad.tolist() == [30, 40]


def test_concatenating_nothing_or_scalars_says_what_is_wrong():
    with pytest.raises(ShapeError, match="shapes nothing along axis 0: need at least one array"):
        concatenate([])
    with pytest.raises(ShapeError, match="zero-dimensional arrays cannot be concatenated"):
        concatenate([Tensor(1.0), Tensor(2.0)])


@pytest.mark.parametrize("join", [ops.concatenate, ops.stack, lambda a, b: ops.where(a, b, np.array([True]))])
def test_whole_numbers_of_two_kinds_are_joined_without_losing_digits(join):
    signed, unsigned = np.array([2**60 + 1]), np.array([2**60 + 3], dtype=np.uint64)
    y, _ = join(signed, unsigned)
    assert y.dtype == np.int64
    assert set(y.reshape(-1).tolist()) <= {2**60 + 1, 2**60 + 3}
    with pytest.raises(DTypeError, match="whole numbers have to fit into int64, got uint64 beyond it"):
        join(signed, np.array([2**63], dtype=np.uint64))


@pytest.mark.parametrize("join", [ops.concatenate, ops.stack], ids=lambda op: op.__name__)
@pytest.mark.parametrize("axis", [3, -4, None, 1.0, "0"])
def test_joining_along_an_axis_that_is_none_is_refused(join, axis):
    message = rf"^{join.__name__}: shapes \(2, 3\), \(2, 3\) along axis {axis}: "
    with pytest.raises(ShapeError, match=message):
        join(np.ones((2, 3)), np.ones((2, 3)), axis=axis)


def test_stack_needs_arrays_of_one_shape():
    with pytest.raises(ShapeError, match=r"^stack: shapes \(2,\), \(3,\) along axis 0: .*same shape"):
        ops.stack(np.ones(2), np.ones(3))
    with pytest.raises(ShapeError, match=r"^stack: shapes nothing along axis 0: need at least one array"):
        ops.stack()


@pytest.mark.parametrize("key", [3, (0, 0), [3], np.array([True, False])])
def test_a_key_that_does_not_fit_is_shown(key):
    with pytest.raises(IndexError, match=rf"^index: the key {re.escape(repr(key))} does not fit shape \(3,\): "):
        ops.index(np.ones(3), key)


@pytest.mark.parametrize("wrap", [lambda key: key, lambda key: (key,)])
def test_the_mask_of_a_key_is_not_lost(wrap):
    with pytest.raises(DTypeError, match=r"^index: the mask of a masked array would be lost; .*key.filled"):
        ops.index(np.ones(3), wrap(np.ma.masked_array([0, 1], mask=[True, False])))


def test_a_choice_needs_bools_of_a_shape_that_fits():
    with pytest.raises(DTypeError, match=r"^where: the condition consists of bools, got int64; compare"):
        ops.where(np.ones(2), np.ones(2), np.array([0, 1]))
    shapes = r"\(3,\) of the condition, \(2,\) and \(1, 2\)"
    with pytest.raises(ShapeError, match=f"^where: the shapes {shapes} do not broadcast"):
        ops.where(np.ones(2), np.ones((1, 2)), np.ones(3, dtype=bool))
