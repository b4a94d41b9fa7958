"""The kernels of convolution and pooling against their NumPy twins, and against loops that anyone can read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist.kernels import conv
from tinydist.kernels.chunks import CHUNKS

dtypes = st.sampled_from([np.float32, np.float64])
sides = st.integers(1, 9)
batches = st.sampled_from([0, 1, 3, CHUNKS + 1])


def whole_numbers(*shape, dtype=np.float64, seed=0):
    """Numbers whose products and sums are exact in both precisions."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


def windows_by_loops(x, height, width, stride):
    rows, columns = (x.shape[2] - height) // stride + 1, (x.shape[3] - width) // stride + 1
    return [
        (row, column, x[:, :, row * stride : row * stride + height, column * stride : column * stride + width])
        for row in range(rows)
        for column in range(columns)
    ]


@st.composite
def convolutions(draw):
    """x, weight, bias, stride."""
    dtype, stride = draw(dtypes), draw(st.integers(1, 3))
    height, width, channels, outputs = draw(sides), draw(sides), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    size = draw(st.integers(1, min(height, 5))), draw(st.integers(1, min(width, 5)))
    x = whole_numbers(draw(batches), channels, height, width, dtype=dtype)
    return x, whole_numbers(outputs, channels, *size, dtype=dtype, seed=1), whole_numbers(outputs, dtype=dtype), stride


@given(given_arrays=convolutions())
def test_convolution_and_its_gradients_of_whole_numbers_are_those_of_the_twins(given_arrays):
    x, weight, bias, stride = given_arrays
    y = conv.conv2d_numba(x, weight, bias, stride)
    np.testing.assert_array_equal(y, conv.conv2d_numpy(x, weight, bias, stride), strict=True)
    g = whole_numbers(*y.shape, dtype=x.dtype, seed=2)
    for name, arguments in {"x": (weight, x.shape, stride), "weight": (x, weight.shape, stride)}.items():
        ours, twin = (getattr(conv, f"conv2d_vjp_{name}_{kind}")(g, *arguments) for kind in ("numba", "numpy"))
        np.testing.assert_array_equal(ours, twin, strict=True)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_twins_are_sums_over_windows(stride):
    x, weight, bias = whole_numbers(2, 3, 7, 6), whole_numbers(4, 3, 3, 2, seed=1), whole_numbers(4)
    y = conv.conv2d_numpy(x, weight, bias, stride)
    g = whole_numbers(*y.shape, seed=2)
    to_x, to_weight = np.zeros_like(x), np.zeros_like(weight)
    for row, column, window in windows_by_loops(x, 3, 2, stride):
        for n, o in np.ndindex(2, 4):
            assert y[n, o, row, column] == np.sum(window[n] * weight[o]) + bias[o]
            to_weight[o] += g[n, o, row, column] * window[n]
    for row, column, window in windows_by_loops(to_x, 3, 2, stride):
        for n, o in np.ndindex(2, 4):
            window[n] += g[n, o, row, column] * weight[o]
    np.testing.assert_array_equal(conv.conv2d_vjp_x_numpy(g, weight, x.shape, stride), to_x, strict=True)
    np.testing.assert_array_equal(conv.conv2d_vjp_weight_numpy(g, x, weight.shape, stride), to_weight, strict=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_reach_the_windows_they_are_in(bad):
    x, weight, bias = whole_numbers(2, 1, 6, 6), np.ones((2, 1, 3, 3)), np.zeros(2)
    x[1, 0, 0, 0] = bad
    y = conv.conv2d_numba(x, weight, bias, 1)
    np.testing.assert_array_equal(y, conv.conv2d_numpy(x, weight, bias, 1))
    assert np.argwhere(~np.isfinite(y)).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]


entries = st.sampled_from([-2.0, -0.0, 0.0, 1.0, 3.0, np.inf, -np.inf, np.nan])


@st.composite
def images_to_pool(draw, numbers):
    shape = draw(st.sampled_from([0, 1, 2])), draw(st.integers(1, 2)), draw(sides), draw(sides)
    size = draw(st.integers(1, min(shape[2:])))
    count = int(np.prod(shape))
    x = np.array(draw(st.lists(numbers, min_size=count, max_size=count)), dtype=draw(dtypes)).reshape(shape)
    return x, size


@given(given_arrays=images_to_pool(entries))
def test_max_pooling_agrees_with_its_twin_on_every_kind_of_number(given_arrays):
    x, size = given_arrays
    y = conv.max_pool2d_numba(x, size)
    np.testing.assert_array_equal(y, conv.max_pool2d_numpy(x, size), strict=True)
    g = whole_numbers(*y.shape, dtype=x.dtype)
    ours, twin = (getattr(conv, f"max_pool2d_vjp_{kind}")(g, x, y, size) for kind in ("numba", "numpy"))
    np.testing.assert_array_equal(ours, twin, strict=True)


@given(given_arrays=images_to_pool(st.integers(-9, 9)))
def test_average_pooling_agrees_with_its_twin(given_arrays):
    x, size = given_arrays
    y = conv.avg_pool2d_numba(x, size)
    tolerance = 4 * np.finfo(x.dtype).eps
    np.testing.assert_allclose(y, conv.avg_pool2d_numpy(x, size), rtol=tolerance, strict=True)
    g = whole_numbers(*y.shape, dtype=x.dtype)
    ours, twin = (getattr(conv, f"avg_pool2d_vjp_{kind}")(g, x.shape, size) for kind in ("numba", "numpy"))
    np.testing.assert_allclose(ours, twin, rtol=tolerance, strict=True)


def test_the_pooling_twins_look_at_whole_windows_only():
    x = whole_numbers(2, 3, 7, 5)
    largest, mean = conv.max_pool2d_numpy(x, 2), conv.avg_pool2d_numpy(x, 2)
    assert largest.shape == mean.shape == (2, 3, 3, 2)
    for n, c, row, column in np.ndindex(largest.shape):
        window = x[n, c, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert largest[n, c, row, column] == max(window.ravel())
        assert mean[n, c, row, column] == sum(window.ravel()) / 4


def test_same_bits_with_one_thread_or_two(at_threads, rng):
    x, weight, bias, g = (
        rng.normal(size=shape).astype(np.float32) for shape in [(200, 3, 13, 12), (4, 3, 3, 3), (4,), (200, 4, 11, 10)]
    )
    largest = conv.max_pool2d_numpy(x, 2)
    calls = [
        (conv.conv2d_numba, x, weight, bias, 1),
        (conv.conv2d_vjp_x_numba, g, weight, x.shape, 1),
        (conv.conv2d_vjp_weight_numba, g, x, weight.shape, 1),
        (conv.max_pool2d_numba, x, 2),
        (conv.max_pool2d_vjp_numba, largest, x, largest, 2),
        (conv.avg_pool2d_numba, x, 2),
        (conv.avg_pool2d_vjp_numba, largest, x.shape, 2),
    ]
    for call in calls:
        one, two = at_threads(*call)
        assert one.tobytes() == two.tobytes(), call[0].__name__
