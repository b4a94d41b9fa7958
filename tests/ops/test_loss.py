"""Log-softmax and cross-entropy beyond the op table: extreme logits, closed forms, bad labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from tinydist import Tensor, ops
from tinydist.errors import DTypeError, ShapeError

both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
logits = arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-1e4, 1e4))


@given(x=logits)
def test_log_softmax_is_that_of_scipy(x):
    y = Tensor(x).log_softmax().data
    np.testing.assert_allclose(y, special.log_softmax(x, axis=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(special.logsumexp(y, axis=1), 0, atol=1e-10)


@given(x=logits, shift=st.integers(-100, 100))
def test_log_softmax_ignores_a_shift_of_the_row(x, shift):
    x = np.round(x)
    np.testing.assert_array_equal(Tensor(x + shift).log_softmax().data, Tensor(x).log_softmax().data)


@both_precisions
def test_log_softmax_does_not_overflow(dtype):
    x = Tensor([1e4, -1e4, 1e4], requires_grad=True, dtype=dtype)
    y = x.log_softmax()
    y.backward([1, 0, 0])
    np.testing.assert_allclose(
        y.data, -np.array([np.log(2), 2e4 + np.log(2), np.log(2)], dtype=dtype), rtol=1e-6, strict=True
    )
    np.testing.assert_allclose(x.grad, np.array([0.5, 0, -0.5], dtype=dtype), rtol=1e-6, strict=True)


@both_precisions
def test_cross_entropy_does_not_overflow(dtype):
    x = Tensor([[1e4, -1e4], [1e4, -1e4]], requires_grad=True, dtype=dtype)
    loss = x.cross_entropy([1, 0])
    loss.backward()
    assert loss.dtype == dtype
    assert loss.item() == 1e4
    np.testing.assert_array_equal(x.grad, np.array([[0.5, -0.5], [0, 0]], dtype=dtype), strict=True)


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_cross_entropy_of_no_preference_is_the_logarithm_of_the_classes(classes):
    loss = Tensor(np.full((3, classes), 7.0)).cross_entropy(np.zeros(3, dtype=int))
    assert loss.item() == pytest.approx(np.log(classes), abs=1e-15)


@given(x=logits, seed=st.integers(0, 9))
def test_cross_entropy_gradient_is_softmax_minus_onehot(x, seed):
    batch, classes = x.shape
    labels = np.random.default_rng(seed).integers(0, classes, batch)
    tensor = Tensor(x, requires_grad=True)
    (3 * tensor.cross_entropy(labels)).backward()
    wanted = 3 * (special.softmax(x, axis=1) - np.eye(classes)[labels]) / batch
    np.testing.assert_allclose(tensor.grad, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_labels_may_be_any_integers(dtype):
    x = Tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    x.cross_entropy(np.array([1, 1], dtype=dtype)).backward()
    assert (x.grad[:, 0] > 0).all()
    assert (x.grad[:, 1] < 0).all()


@pytest.mark.parametrize(("labels", "shown"), [([0, 3], "from 0 to 3"), ([-1, 2], "from -1 to 2")])
def test_labels_beyond_the_classes_are_refused(labels, shown):
    with pytest.raises(ValueError, match=f"{shown}, but 3 columns of logits allow 0 to 2"):
        Tensor(np.zeros((2, 3))).cross_entropy(labels)


@pytest.mark.parametrize("labels", [[0.0, 1.0], [True, False]])
def test_labels_must_be_integers(labels):
    with pytest.raises(DTypeError, match=r"must be integers, got (float64|bool)"):
        Tensor(np.zeros((2, 3))).cross_entropy(labels)


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [[0], [1]], 0])
def test_each_row_needs_one_label(labels):
    shown = str(np.shape(labels)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ShapeError, match=rf"^cross_entropy: got logits \(2, 3\) and labels {shown}; expected"):
        Tensor(np.zeros((2, 3))).cross_entropy(labels)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2,), (2, 3, 1)])
def test_logits_must_be_a_table_that_is_not_empty(shape):
    with pytest.raises(ShapeError, match=r"^cross_entropy: got logits"):
        Tensor(np.zeros(shape)).cross_entropy(np.zeros(shape[0], dtype=int))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_has_no_denormal_numbers_and_is_still_right(dtype):
    scale = 90 if dtype == np.float32 else 710
    logits = np.array([[0.0, -0.99 * scale, -0.5 * scale, -2 * scale]], dtype=dtype)
    x = Tensor(logits, requires_grad=True)
    x.cross_entropy([0]).backward()
    wanted = np.exp(logits.astype(np.longdouble)) / np.exp(logits.astype(np.longdouble)).sum() - [[1, 0, 0, 0]]
    magnitudes = np.abs(x.grad[x.grad != 0])
    assert (magnitudes >= np.finfo(dtype).tiny).all()
    np.testing.assert_allclose(x.grad, wanted.astype(dtype), rtol=1e-5, atol=np.finfo(dtype).tiny * 1e8)
    assert x.grad[0, 2] != 0


@pytest.mark.parametrize("op", [ops.softmax, ops.log_softmax])
@pytest.mark.parametrize(
    ("shape", "axis", "message"),
    [
        ((2, 3), None, r"axis None is not one axis of shape \(2, 3\); .* -2 to 1; for all .* reshape\(-1\) before$"),
        ((2, 3), (0, 1), r"axis \(0, 1\) is not one axis of shape \(2, 3\)"),
        ((2, 3), 2, r"axis 2 is not one axis of shape \(2, 3\)"),
        ((2, 3), -3, r"axis -3 is not one axis of shape \(2, 3\)"),
        ((2, 3), True, r"axis True is not one axis of shape \(2, 3\)"),
        ((2, 3), 1.0, r"axis 1.0 is not one axis of shape \(2, 3\)"),
        ((), -1, "a single number has no axis to choose along"),
        ((2, 0), -1, r"axis -1 of shape \(2, 0\) is empty, so there is nothing to choose from"),
    ],
)
def test_shares_are_along_one_axis(op, shape, axis, message):
    with pytest.raises(ShapeError, match=f"{op.__name__}: {message}"):
        op(np.ones(shape), axis=axis)


@pytest.mark.parametrize(("op", "sure"), [(ops.softmax, [0, 1]), (ops.log_softmax, [-np.inf, 0])])
def test_shares_far_out_are_their_limits_without_a_warning_and_nan_where_there_is_none(op, sure):
    rows = np.array([[-np.inf, 2.0], [-1e308, 1e308], [np.inf, 1.0], [-np.inf, -np.inf]])
    np.testing.assert_array_equal(op(rows)[0], [sure, sure, [np.nan, np.nan], [np.nan, np.nan]])
