"""The matrix products: NumPy's is the oracle of the other two."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from tinydist.kernels import dense

sizes = st.integers(0, 9)
dtypes = st.sampled_from([np.float32, np.float64])
both_kernels = pytest.mark.parametrize("kernel", [dense.matmul_numba, dense.matmul_blas], ids=["numba", "blas"])


def factors(n, k, m, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.uniform(-2, 2, (n, k)).astype(dtype), rng.uniform(-2, 2, (k, m)).astype(dtype)


@both_kernels
@given(n=sizes, k=sizes, m=sizes, dtype=dtypes)
def test_product_is_numpys(kernel, n, k, m, dtype):
    a, b = factors(n, k, m, dtype)
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(kernel(a, b), dense.matmul_numpy(a, b), rtol=0, atol=tolerance, strict=True)


def test_numpys_product_is_the_sum_over_the_inner_axis():
    assert dense.matmul_numpy(np.array([[1.0, 2.0]]), np.array([[3.0], [5.0]])).tolist() == [[13]]


@both_kernels
def test_inputs_need_not_be_contiguous(kernel):
    a, b = factors(10, 8, 6)
    for left, right in [(a[::2], b[:, ::-2]), (np.asfortranarray(a), b)]:
        np.testing.assert_allclose(kernel(left, right), np.einsum("nk,km->nm", left, right), rtol=1e-13)


@both_kernels
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_their_row_only(kernel, value):
    a, b = factors(3, 4, 2)
    a[1, 2] = value
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(kernel(a, b), np.einsum("nk,km->nm", a, b), rtol=1e-13)


# A plain NumPy product changes its bits with the number of threads at these sizes (measured with OpenBLAS).
@pytest.mark.parametrize("shape", [(64, 784, 128), (1001, 784, 128), (128, 1001, 784)], ids=["small", "tall", "wide"])
@both_kernels
def test_bits_do_not_depend_on_the_number_of_threads(kernel, shape, at_threads):
    a, b = factors(*shape, np.float32)
    one, two = at_threads(kernel, a, b)
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("shape", [(1201, 130, 121), (121, 130, 1201), (121, 1201, 130)], ids=["tall", "wide", "deep"])
@pytest.mark.parametrize("narrow", [None, 0, 1], ids=["both wide", "first narrow", "second narrow"])
def test_a_large_product_is_whole_after_it_was_cut_and_as_wide_as_its_wider_factor(shape, narrow, monkeypatch):
    a, b = (x.astype(np.float32 if i == narrow else np.float64) for i, x in enumerate(factors(*shape)))
    monkeypatch.setattr(dense, "PIECE", 2**18)
    assert a.size * b.shape[1] > 16 * dense.PIECE
    np.testing.assert_allclose(dense.matmul_blas(a, b), dense.matmul_numpy(a, b), rtol=0, atol=1e-11, strict=True)


def test_leading_axes_broadcast():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 1, 2, 3)), rng.normal(size=(4, 3, 2))
    np.testing.assert_allclose(dense.matmul_blas(a, b), np.einsum("abij,bjk->abik", np.tile(a, (1, 4, 1, 1)), b))


blas_known = pytest.mark.skipif(not dense._blas, reason="threadpoolctl knows no BLAS library here")


def blas_threads():
    """The numbers of threads of the BLAS libraries that NumPy came with, as threadpoolctl says."""
    held = {library.filepath for library in dense._blas}
    return {pool["num_threads"] for pool in threadpool_info() if pool["filepath"] in held}


@blas_known
@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the same thread", "in another thread"])
@pytest.mark.parametrize("threads", [1, 2])
def test_blas_has_one_thread_within_the_block_and_its_own_number_after_it_also_after_an_error(threads, elsewhere):
    """The main thread holds a limit of its own; threadpoolctl would not let another thread change it."""

    def enter_twice():
        with dense._one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {threads}
        with pytest.raises(ZeroDivisionError), dense._one_blas_thread():
            raise ZeroDivisionError
        assert blas_threads() == {threads}
        assert not dense._blas_lock.locked()

    with threadpool_limits(threads), ThreadPoolExecutor(1) as pool:
        pool.submit(enter_twice).result() if elsewhere else enter_twice()


@blas_known
def test_products_do_not_keep_other_threads_from_setting_limits_of_their_own():
    dense.matmul_blas(np.ones((2, 2)), np.ones((2, 2)))

    def limited():
        with threadpool_limits(1):
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(limited).result() == {1}


@blas_known
def test_a_product_is_computed_with_one_blas_thread(monkeypatch):
    seen = []
    monkeypatch.setattr(dense, "matmul_numpy", lambda *_: seen.append(blas_threads()))
    with threadpool_limits(2):
        dense.matmul_blas(np.ones((2, 2)), np.ones((2, 2)))
    assert seen == [{1}]


def test_products_from_many_threads_leave_blas_as_it_was():
    a = np.random.default_rng(0).normal(size=(300, 300))
    threads = blas_threads()
    with ThreadPoolExecutor(4) as pool:
        products = list(pool.map(lambda _: dense.matmul_blas(a, a), range(40)))
    assert blas_threads() == threads
    for product in products:
        np.testing.assert_array_equal(product, products[0])


@given(n=st.sampled_from([1, 63, 64, 130]), k=st.sampled_from([1, 79, 80, 170]), m=st.sampled_from([1, 16, 130, 150]))
def test_the_blocked_loop_multiplies_whole_numbers_exactly(n, k, m):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (n, k)).astype(np.float32), rng.integers(-9, 10, (k, m)).astype(np.float32)
    np.testing.assert_array_equal(dense.matmul_blocked_numba(a, b), a @ b, strict=True)
    np.testing.assert_array_equal(dense.matmul_blocked_numba(a.T.copy().T, b), a @ b, strict=True)


def test_a_product_of_stacks_on_either_side_is_not_cut(monkeypatch):
    """Their sizes would have it cut, were they matrices."""
    monkeypatch.setattr(dense, "PIECE", 2**18)
    stack, matrix = np.ones((2, 1200, 60)), np.ones((60, 60))
    assert stack.size * 60 > 2 * dense.PIECE
    np.testing.assert_array_equal(dense.matmul_blas(stack, matrix), np.full((2, 1200, 60), 60.0))
    np.testing.assert_array_equal(
        dense.matmul_blas(np.ones((1200, 60)), np.ones((2, 60, 60))), np.full((2, 1200, 60), 60)
    )
