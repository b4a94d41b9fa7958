"""The products of a layer with few outputs against their NumPy twins, and the choice between them and BLAS."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist import kernels
from tinydist.kernels import narrow, rows

PRODUCTS = ("linear", "vjp_x", "vjp_weight")
every_product = pytest.mark.parametrize("product", PRODUCTS)
batches = st.sampled_from([1, 2, rows.STRIP, rows.STRIP + 1, rows.BLOCK + 3, 700])
TILE = rows.TILE // 4  # columns of float32
inners = st.sampled_from([1, 7, TILE // 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 5])


def arguments(product, batch, outputs, inner, dtype):
    rng = np.random.default_rng(0)
    shapes = {"x": (batch, inner), "weight": (outputs, inner), "g": (batch, outputs)}
    names = {"linear": ("x", "weight"), "vjp_x": ("g", "weight"), "vjp_weight": ("g", "x")}[product]
    return [rng.integers(-9, 10, shapes[name]).astype(dtype) for name in names]


@every_product
@given(batch=batches, outputs=st.integers(1, 12), inner=inners, dtype=st.sampled_from([np.float32, np.float64]))
def test_products_of_whole_numbers_are_exact(product, batch, outputs, inner, dtype):
    given_arrays = arguments(product, batch, outputs, inner, dtype)
    by_numba = getattr(narrow, f"narrow_{product}_numba")(*given_arrays)
    by_numpy = getattr(narrow, f"narrow_{product}_numpy")(*given_arrays)
    np.testing.assert_array_equal(by_numba, by_numpy, strict=True)


@every_product
@pytest.mark.parametrize("outputs", [1, kernels.NARROW, kernels.NARROW + 1])
@pytest.mark.parametrize("batch", [5, kernels.LARGE])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_layer_is_right_whichever_product_is_chosen(product, outputs, batch, order):
    a, b = (np.asarray(x, order=order) for x in arguments(product, batch, outputs, 6, np.float32))
    layer = {"linear": kernels.linear, "vjp_x": kernels.linear_vjp_x, "vjp_weight": kernels.linear_vjp_weight}[product]
    wanted = {"linear": lambda: a @ b.T, "vjp_x": lambda: a @ b, "vjp_weight": lambda: a.T @ b}[product]()
    np.testing.assert_array_equal(layer(a, b), wanted, strict=True)


@every_product
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_respected(product, bad):
    a, b = arguments(product, 300, 3, 40, np.float32)
    b[1, 1] = bad
    received = getattr(narrow, f"narrow_{product}_numba")(a, b)
    with np.errstate(invalid="ignore"):
        wanted = getattr(narrow, f"narrow_{product}_numpy")(a, b)
    np.testing.assert_array_equal(received, wanted)


@every_product
def test_same_bits_with_one_thread_or_two(at_threads, product):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=x.shape).astype(np.float32) for x in arguments(product, 5000, 10, 128, np.float32))
    one, two = at_threads(getattr(narrow, f"narrow_{product}_numba"), a, b)
    np.testing.assert_array_equal(one, two)
