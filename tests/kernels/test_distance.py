"""Each numba kernel against its NumPy twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist.kernels import distance

KERNELS = ("weighted_squares", "weighted_squares_vjp_x", "weighted_squares_vjp_center", "weighted_squares_vjp_weight")

every_kernel = pytest.mark.parametrize("kernel", KERNELS)
# Sums over the batch are cut into 32 chunks: batches below, at and above a multiple of that.
batches = st.sampled_from([1, 2, 31, 32, 33, 64, 70]) | st.integers(0, 100)
dtypes = st.sampled_from([np.float32, np.float64])


def inputs(kernel, batch=70, centers=3, features=5, dtype=np.float64):
    rng = np.random.default_rng(0)
    shapes = {
        "u": (batch, centers),
        "x": (batch, features),
        "center": (centers, features),
        "weight": (centers, features),
    }
    arrays = {name: rng.uniform(-2, 2, shape).astype(dtype) for name, shape in shapes.items()}
    if kernel == "weighted_squares":
        del arrays["u"]
    if kernel == "weighted_squares_vjp_weight":
        del arrays["weight"]
    return arrays


def numba_kernel(kernel):
    return getattr(distance, f"{kernel}_numba")


def twin(kernel):
    return getattr(distance, f"{kernel}_numpy")


@every_kernel
@given(batch=batches, centers=st.integers(1, 4), features=st.integers(1, 9), dtype=dtypes)
def test_kernel_agrees_with_its_twin(kernel, batch, centers, features, dtype):
    arrays = inputs(kernel, batch, centers, features, dtype)
    received, wanted = numba_kernel(kernel)(**arrays), twin(kernel)(**arrays)
    largest_sum = 32 * (batch + features)
    np.testing.assert_allclose(received, wanted, rtol=0, atol=largest_sum * np.finfo(dtype).eps, strict=True)


def test_twins_agree_with_the_sums_written_out():
    arrays = inputs("", batch=6, centers=3, features=4)
    u, x, center, weight = arrays.values()
    difference = x[:, None] - center
    written = {
        "weighted_squares": np.einsum("jk,ijk->ij", weight, difference**2),
        "weighted_squares_vjp_x": np.einsum("ij,jk,ijk->ik", u, weight, difference),
        "weighted_squares_vjp_center": -np.einsum("ij,jk,ijk->jk", u, weight, difference),
        "weighted_squares_vjp_weight": np.einsum("ij,ijk->jk", u, difference**2) / 2,
    }
    for kernel, wanted in written.items():
        received = twin(kernel)(**{name: arrays[name] for name in inputs(kernel)})
        np.testing.assert_allclose(received, wanted, rtol=1e-12, atol=1e-14, strict=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("kernel", "where"), [(kernel, where) for kernel in KERNELS for where in inputs(kernel)])
def test_nan_and_infinity_are_passed_on_alike(kernel, where, value):
    arrays = inputs(kernel)
    arrays[where][1, 2] = value
    with np.errstate(invalid="ignore"):
        wanted = twin(kernel)(**arrays)
    assert not np.isfinite(wanted).all()
    np.testing.assert_allclose(numba_kernel(kernel)(**arrays), wanted, rtol=1e-12, atol=1e-12)


@every_kernel
def test_inputs_need_not_be_contiguous(kernel):
    arrays = {name: np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2] for name, a in inputs(kernel).items()}
    assert not any(a.flags.c_contiguous for a in arrays.values())
    np.testing.assert_allclose(numba_kernel(kernel)(**arrays), twin(kernel)(**inputs(kernel)), rtol=1e-12, atol=1e-12)


@every_kernel
@pytest.mark.parametrize("batch", [7, 1001])
def test_bits_do_not_depend_on_the_number_of_threads(kernel, batch, at_threads):
    arrays = inputs(kernel, batch, centers=10, features=33, dtype=np.float32)
    one, two = at_threads(lambda: numba_kernel(kernel)(**arrays))
    assert one.tobytes() == two.tobytes()


@every_kernel
def test_inputs_are_left_alone(kernel):
    arrays = inputs(kernel)
    numba_kernel(kernel)(**arrays)
    for name, before in inputs(kernel).items():
        np.testing.assert_array_equal(arrays[name], before)
