"""Each numba kernel against its NumPy twin, and the choice between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinydist import kernels
from tinydist.kernels import dense, elementwise

UNARY, BINARY = ("relu", "abs"), ("relu_vjp", "abs_vjp")
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
entries = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=False)


def run(kernel, twin, *inputs):
    out = np.empty_like(inputs[0])
    getattr(elementwise, f"{kernel}_{twin}")(*inputs, out)
    return out


@dtypes
@pytest.mark.parametrize("kernel", UNARY)
@given(data=st.data())
def test_activations_agree_with_their_twins_on_every_kind_of_number(kernel, dtype, data):
    x = data.draw(arrays(np.float32, st.integers(0, 200), elements=entries)).astype(dtype)
    np.testing.assert_array_equal(run(kernel, "numba", x), run(kernel, "numpy", x), strict=True)


@dtypes
@pytest.mark.parametrize("kernel", BINARY)
@given(data=st.data())
def test_gradients_agree_with_their_twins_on_every_kind_of_number(kernel, dtype, data):
    size = data.draw(st.integers(0, 200))
    g, x = (data.draw(arrays(np.float32, size, elements=entries)).astype(dtype) for _ in range(2))
    np.testing.assert_array_equal(run(kernel, "numba", g, x), run(kernel, "numpy", g, x), strict=True)


LARGE = (kernels.LARGE // 8, 9)


@dtypes
@pytest.mark.parametrize("shape", [LARGE, (3, 4), ()])
def test_large_and_small_arrays_give_the_textbook_result(dtype, shape, rng):
    x, g = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    np.testing.assert_array_equal(kernels.relu(x), np.maximum(x, 0), strict=True)
    np.testing.assert_array_equal(kernels.absolute(x), np.abs(x), strict=True)
    np.testing.assert_array_equal(kernels.relu_vjp(g, x), g * (x > 0), strict=True)
    np.testing.assert_array_equal(kernels.absolute_vjp(g, x), g * np.sign(x), strict=True)


def test_arrays_that_are_not_contiguous_or_not_alike_work_too(rng):
    x = rng.normal(size=LARGE)
    g = rng.normal(size=LARGE[::-1]).T
    np.testing.assert_array_equal(kernels.relu_vjp(g, x), g * (x > 0))
    np.testing.assert_array_equal(kernels.absolute(g), np.abs(g))
    np.testing.assert_array_equal(kernels.relu_vjp(np.broadcast_to(2.0, LARGE), x), 2.0 * (x > 0))


@dtypes
@pytest.mark.parametrize("batch", [1, 63, 64, 65, 5000])
def test_column_sums(dtype, batch, rng):
    x = rng.normal(size=(batch, 11)).astype(dtype)
    wanted = x.astype(np.longdouble).sum(axis=0)
    bound = 4 * batch * np.finfo(dtype).eps
    for sums in (dense.column_sums_numba, dense.column_sums_numpy, kernels.column_sums):
        np.testing.assert_allclose(sums(x), wanted.astype(dtype), rtol=0, atol=bound, strict=True)


def test_same_bits_with_one_thread_or_two(at_threads, rng):
    x = rng.normal(size=(5000, 130)).astype(np.float32)
    for kernel in (kernels.column_sums, kernels.relu, kernels.absolute):
        one, two = at_threads(kernel, x)
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kernel", [*UNARY, *BINARY])
def test_the_value_and_the_gradient_at_minus_0_are_0(kernel):
    inputs = [np.full(70, -0.0)] if kernel in UNARY else [np.full(70, -1.0), np.full(70, -0.0)]
    assert not np.signbit(run(kernel, "numba", *inputs)).any()
