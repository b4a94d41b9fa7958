"""Convolution and pooling beyond the op table: against SciPy, ties, dropped edges, dtypes, refusals."""

import re

import numpy as np
import pytest
from scipy.signal import correlate2d

from tinydist import Tensor, apply, gradcheck, ops
from tinydist.errors import DTypeError, ShapeError

POOLS = pytest.mark.parametrize("pool", [ops.max_pool2d, ops.avg_pool2d], ids=lambda op: op.__name__)


def by_scipy(x, weight, bias, stride, padding):
    """Every channel of every image by itself."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    maps = [
        [
            sum(correlate2d(channel, k, mode="valid") for channel, k in zip(image, kernel, strict=True))
            for kernel in weight
        ]
        for image in x
    ]
    return np.array(maps)[:, :, ::stride, ::stride] + bias[:, None, None]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_convolution_is_scipys_correlation(stride, padding, dtype, rng):
    x, weight, bias = rng.normal(size=(3, 2, 8, 7)), rng.normal(size=(4, 2, 3, 2)), rng.normal(size=4)
    y, _ = ops.conv2d(*(a.astype(dtype) for a in (x, weight, bias)), stride=stride, padding=padding)
    assert y.dtype == dtype
    wanted = by_scipy(x, weight, bias, stride, padding)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 2])
def test_gradients_of_a_larger_batch_are_those_of_finite_differences(stride, padding, rng):
    x, weight, bias = rng.normal(size=(70, 2, 6, 5)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)
    gradcheck(lambda *inputs: apply(ops.conv2d, *inputs, stride=stride, padding=padding), x, weight, bias, rtol=1e-6)


@POOLS
def test_gradients_of_pooling_are_those_of_finite_differences(pool, rng):
    distinct = rng.permutation(70 * 2 * 5 * 4).reshape(70, 2, 5, 4) / 100  # no two within a finite step
    gradcheck(lambda x: apply(pool, x, size=2), distinct, rtol=1e-6)


def test_a_convolution_by_hand():
    x = Tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True)
    weight = Tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    y = apply(ops.conv2d, x, weight)
    assert y.data.tolist() == [[[[27, 37], [57, 67]]]]  # the weight is not turned: 0·1 + 1·2 + 3·3 + 4·4 = 27
    y.backward(np.ones((1, 1, 2, 2)))
    assert x.grad.tolist() == [[[[1, 3, 2], [4, 10, 6], [3, 7, 4]]]]
    assert weight.grad.tolist() == [[[[8, 12], [20, 24]]]]


def test_a_kernel_of_one_pixel_is_a_linear_layer_for_every_pixel(rng):
    x, weight, bias = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 3, 1, 1)), rng.normal(size=6)
    rows, _ = ops.linear(x.transpose(0, 2, 3, 1).reshape(-1, 3), weight[:, :, 0, 0], bias)
    y, _ = ops.conv2d(x, weight, bias)
    np.testing.assert_allclose(y.transpose(0, 2, 3, 1).reshape(-1, 6), rows, rtol=1e-12, atol=1e-14)


def test_ties_of_max_pooling_share_equally_as_in_max():
    window = [[3.0, 1.0], [3.0, 3.0]]
    pooled, reduced = Tensor([[window]], requires_grad=True), Tensor(window, requires_grad=True)
    apply(ops.max_pool2d, pooled, size=2).backward([[[[6]]]])
    reduced.max().backward(6)
    assert pooled.grad[0, 0].tolist() == reduced.grad.tolist() == [[2, 0], [2, 2]]


@POOLS
def test_rows_and_columns_that_fill_no_window_are_dropped_and_get_no_gradient(pool, rng):
    x = rng.normal(size=(2, 3, 5, 7))
    y, (vjp,) = pool(x, 2)
    np.testing.assert_array_equal(y, pool(x[:, :, :4, :6], 2)[0], strict=True)
    gradient = vjp(np.ones_like(y))
    assert gradient.shape == x.shape
    assert not gradient[:, :, 4:].any()
    assert not gradient[:, :, :, 6:].any()
    assert gradient.sum() == pytest.approx(y.size)


def test_pooling_by_hand():
    x = np.array([[[[1.0, 2.0, 0.0, 0.0], [3.0, 6.0, -1.0, -7.0]]]])
    assert ops.max_pool2d(x, 2)[0].tolist() == [[[[6, 0]]]]
    assert ops.avg_pool2d(x, 2)[0].tolist() == [[[[3, -2]]]]


def test_inputs_and_gradients_need_not_be_contiguous(rng):
    x, weight = rng.normal(size=(6, 5, 2, 3)).T, rng.normal(size=(2, 2, 2, 4)).T
    y, (to_x, to_weight) = ops.conv2d(x, weight)
    g = np.broadcast_to(2.0, y.shape)
    same_y, (same_to_x, same_to_weight) = ops.conv2d(x.copy(), weight.copy())
    np.testing.assert_array_equal(y, same_y)
    np.testing.assert_array_equal(to_x(g), same_to_x(g.copy()))
    np.testing.assert_array_equal(to_weight(g), same_to_weight(g.copy()))
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        (value, (vjp,)), (same_value, (same_vjp,)) = pool(x, 2), pool(x.copy(), 2)
        np.testing.assert_array_equal(value, same_value)
        np.testing.assert_array_equal(vjp(np.full(value.shape, 2.0)), same_vjp(np.full(value.shape, 2.0)))


def test_pixels_as_bytes_count_as_constants(rng):
    pixels, weight = rng.integers(0, 256, (1, 1, 4, 4)).astype(np.uint8), rng.normal(size=(2, 1, 3, 3))
    wanted, _ = ops.conv2d(pixels.astype(float), weight)
    np.testing.assert_array_equal(ops.conv2d(pixels, weight)[0], wanted, strict=True)


IMAGES = (2, 3, 5, 4)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "message"),
    [
        ((2, 60), (4, 3, 2, 2), (4,), "got x (2, 60), weight (4, 3, 2, 2), bias (4,); expected x (batch, channels,"),
        (IMAGES, (3, 2, 2), None, "got x (2, 3, 5, 4), weight (3, 2, 2), bias None; expected x (batch, channels,"),
        (
            (2, 3, 5),
            (4, 3, 2, 2),
            None,
            "got x (2, 3, 5), weight (4, 3, 2, 2), bias None; expected x (batch, channels,",
        ),
        (IMAGES, (4, 1, 2, 2), None, "weight (out_channels, channels, kh, kw)"),
        (IMAGES, (4, 3, 0, 2), None, "not empty"),
        (IMAGES, (4, 3, 2, 2), (3,), "bias (3,); expected"),
        (IMAGES, (4, 3, 6, 2), None, "a weight of 6 x 2 does not fit into an image of 5 x 4 with padding 0; take a"),
        (
            (2, 3, 4, 5),
            (4, 3, 5, 2),
            None,
            "a weight of 5 x 2 does not fit into an image of 4 x 5 with padding 0; take a",
        ),
        (IMAGES, (4, 3, 2, 5), None, "a weight of 2 x 5 does not fit into an image of 5 x 4 with padding 0; take a"),
    ],
)
def test_shapes_that_do_not_fit_a_convolution_are_explained(x, weight, bias, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        ops.conv2d(np.ones(x), np.ones(weight), None if bias is None else np.ones(bias))


@pytest.mark.parametrize(("fits", "height", "width"), [(True, 7, 6), (False, 8, 6), (False, 7, 7)])
def test_padding_makes_room_on_both_sides(fits, height, width):
    weight = np.ones((1, 3, height, width))
    if fits:
        assert ops.conv2d(np.ones(IMAGES), weight, padding=1)[0].shape == (2, 1, 1, 1)
    else:
        with pytest.raises(ShapeError, match="does not fit into an image of 5 x 4 with padding 1"):
            ops.conv2d(np.ones(IMAGES), weight, padding=1)


@pytest.mark.parametrize("options", [{"stride": 0}, {"padding": -1}])
def test_stride_and_padding_have_limits(options):
    with pytest.raises(ValueError, match="stride must be from 1 and padding from 0, got stride="):
        ops.conv2d(np.ones(IMAGES), np.ones((1, 3, 2, 2)), **options)


@POOLS
def test_what_cannot_be_pooled_is_explained(pool):
    with pytest.raises(ShapeError, match=r"got x \(2, 9\); expected \(batch, channels, height, width\)"):
        pool(np.ones((2, 9)), 2)
    with pytest.raises(ShapeError, match="a window of 5 x 5 does not fit into an image of 5 x 4; take a smaller size"):
        pool(np.ones(IMAGES), 5)
    with pytest.raises(ShapeError, match="a window of 5 x 5 does not fit into an image of 4 x 5; take a smaller size"):
        pool(np.ones((2, 3, 4, 5)), 5)
    with pytest.raises(ValueError, match="size must be from 1, got 0"):
        pool(np.ones(IMAGES), 0)


def test_half_precision_is_refused():
    with pytest.raises(DTypeError, match="conv2d computes in float32 or float64, got float16"):
        ops.conv2d(np.ones(IMAGES, np.float16), np.ones((1, 3, 2, 2), np.float16))
    with pytest.raises(DTypeError, match="max_pool2d computes in float32 or float64, got float16"):
        ops.max_pool2d(np.ones(IMAGES, np.float16), 2)


@pytest.mark.parametrize("option", [{"stride": (1, 2)}, {"padding": "same"}, {"stride": 1.0}, {"padding": True}])
def test_a_side_or_a_step_is_one_whole_number(option):
    ((name, value),) = option.items()
    with pytest.raises(TypeError, match=re.escape(f"conv2d: {name} is one whole number for all sides and directions")):
        ops.conv2d(np.ones(IMAGES), np.ones((1, 3, 2, 2)), **option)
    with pytest.raises(TypeError, match="max_pool2d: size is one whole number"):
        ops.max_pool2d(np.ones(IMAGES), value)


def test_a_weight_may_cover_the_whole_padded_image():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    assert ops.conv2d(x, np.ones((1, 1, 5, 5)), padding=1)[0].tolist() == [[[[36.0]]]]
    assert ops.conv2d(x, np.ones((1, 1, 3, 3)))[0].tolist() == [[[[36.0]]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_of_a_window_does_not_overflow(dtype):
    for size in (2, 3):
        huge = np.full((1, 1, size, size), 0.9 * np.finfo(dtype).max, dtype=dtype)
        np.testing.assert_allclose(ops.avg_pool2d(huge, size)[0], huge[:, :, :1, :1], rtol=1e-6)
