"""Sparse products against the dense ones, over all the shapes in which a blocked kernel can go wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist.kernels import rows, sparse

ROWS = st.sampled_from([1, 2, rows.STRIP - 1, rows.STRIP, rows.STRIP + 1, 3 * rows.STRIP + 5])
COLUMNS = st.sampled_from([1, 3, rows.BLOCK - 1, rows.BLOCK, rows.BLOCK + 1, 4 * rows.BLOCK + 7])
TILE = rows.TILE // 4  # columns of float32
WIDTHS = st.sampled_from([1, 5, TILE // 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 2])


def random_bytes(rows, columns, density=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (rows, columns), dtype=np.uint8) * (rng.random((rows, columns)) < density)


@st.composite
def products(draw):
    """Bytes P, floats M that chain with it, and a row to start from; some rows and columns of P empty."""
    rows, columns, width = draw(ROWS), draw(COLUMNS), draw(WIDTHS)
    pixels = random_bytes(rows, columns, draw(st.sampled_from([0, 0.05, 0.3, 1])), draw(st.integers(0, 9)))
    pixels[:: draw(st.integers(1, 4)) + 1] = 0
    pixels[:, draw(st.integers(0, columns - 1))] = 0
    rng = np.random.default_rng(1)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return pixels, rng.normal(size=(columns, width)).astype(dtype), rng.normal(size=width).astype(dtype)


def assert_close(received, wanted, pixels, matrix):
    """Equal within the rounding of the longest sum."""
    bound = 2 * len(matrix) * np.finfo(matrix.dtype).eps * (255 * np.abs(matrix).max() * max(1, pixels.shape[1]))
    np.testing.assert_allclose(received, wanted, rtol=0, atol=bound)
    assert received.dtype == matrix.dtype


@given(products())
def test_a_compressed_matrix_comes_back(product):
    pixels, _, _ = product
    blocks = sparse.compress(pixels)
    np.testing.assert_array_equal(sparse.decompress(blocks), pixels, strict=True)
    assert len(blocks.values) == np.count_nonzero(pixels)


@given(products())
def test_products_equal_the_dense_ones(product):
    pixels, matrix, start = product
    blocks = sparse.compress(pixels)
    wanted = pixels.astype(np.float64) @ matrix.astype(np.float64)
    for kernel in (sparse.sparse_matmul_numba, sparse.sparse_matmul_numpy):
        assert_close(kernel(blocks, matrix, start), wanted + start, pixels, matrix)
    for kernel in (sparse.sparse_matmul_summed_numba, sparse.sparse_matmul_summed_numpy):
        assert_close(kernel(blocks, matrix), wanted, pixels, matrix)


def test_small_whole_numbers_are_exact():
    """Sums of integers that float32 holds exactly leave no room for a lost or a repeated entry."""
    rng = np.random.default_rng(0)
    pixels = random_bytes(203, 5 * rows.BLOCK + 3)
    matrix = rng.integers(-9, 10, (pixels.shape[1], 150)).astype(np.float32)
    start = rng.integers(-9, 10, 150).astype(np.float32)
    wanted = pixels.astype(int) @ matrix.astype(int)
    blocks = sparse.compress(pixels)
    np.testing.assert_array_equal(sparse.sparse_matmul_numba(blocks, matrix, start), wanted + start)
    np.testing.assert_array_equal(sparse.sparse_matmul_summed_numba(blocks, matrix), wanted)


@pytest.mark.parametrize("chunks", [0.5, 1.5, 40])
def test_a_sum_over_many_blocks_loses_none(chunks):
    columns = int(chunks * sparse.BLOCKS_PER_CHUNK * rows.BLOCK) + 11
    pixels = random_bytes(3, columns)
    ones = np.ones((columns, 17), dtype=np.float64)
    wanted = np.repeat(pixels.sum(axis=1, dtype=float)[:, None], 17, axis=1)
    np.testing.assert_array_equal(sparse.sparse_matmul_summed_numba(sparse.compress(pixels), ones), wanted)


def test_the_matrix_may_lie_in_memory_in_any_order():
    pixels = random_bytes(40, 90)
    matrix = np.random.default_rng(0).normal(size=(20, 90)).T
    start = np.zeros(20)
    blocks = sparse.compress(pixels)
    np.testing.assert_allclose(sparse.sparse_matmul_numba(blocks, matrix, start), pixels @ matrix, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_the_rows_that_use_them(value):
    pixels = np.array([[1, 0], [0, 1], [2, 3]], dtype=np.uint8)
    matrix = np.ones((2, 20), dtype=np.float32)
    matrix[1] = value
    product = sparse.sparse_matmul_numba(sparse.compress(pixels), matrix, np.zeros(20, dtype=np.float32))
    assert np.isfinite(product).all(axis=1).tolist() == [True, False, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_with_one_thread_or_two(at_threads, dtype):
    pixels = random_bytes(1000, 3000)
    rng = np.random.default_rng(0)
    matrix, start = rng.normal(size=(3000, 130)).astype(dtype), rng.normal(size=130).astype(dtype)
    blocks = sparse.compress(pixels)
    for kernel, arguments in [
        (sparse.sparse_matmul_numba, (blocks, matrix, start)),
        (sparse.sparse_matmul_summed_numba, (blocks, matrix)),
    ]:
        one, two = at_threads(kernel, *arguments)
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("most", "dtype"), [(4, np.int32), (3, np.int64)])
def test_pointers_grow_when_int32_cannot_count_the_non_zeros(most, dtype, monkeypatch):
    monkeypatch.setattr(sparse, "INT32_MAX", most)
    pixels = np.array([[1, 0, 2], [0, 0, 0], [3, 4, 0]], dtype=np.uint8)
    blocks = sparse.compress(pixels)
    assert blocks.pointers.dtype == dtype
    matrix, start = np.arange(60.0).reshape(3, 20), np.ones(20)
    np.testing.assert_array_equal(sparse.sparse_matmul_numba(blocks, matrix, start), pixels @ matrix + 1)
    np.testing.assert_array_equal(sparse.sparse_matmul_summed_numba(blocks, matrix), pixels @ matrix)
    np.testing.assert_array_equal(sparse.decompress(blocks), pixels)


@pytest.mark.parametrize(("width", "tiles"), [(1, 1), (TILE, 1), (TILE + 1, 2), (2 * TILE, 2)])
def test_there_are_as_many_tiles_as_the_width_needs_and_no_more(width, tiles):
    assert rows.empty_tiles((3, 5, width), np.dtype(np.float32)).shape == (3, tiles, 5, TILE)


def test_two_bytes_hold_a_non_zero_and_four_the_end_of_a_row_in_a_block():
    pixels = random_bytes(2000, 4 * rows.BLOCK + 1, density=0.2)
    blocks = sparse.compress(pixels)
    assert blocks.nbytes == 2 * np.count_nonzero(pixels) + 4 * 5 * 2001
    assert blocks.offsets.dtype == blocks.values.dtype == np.uint8


def test_pointers_of_32_bits_serve_as_far_as_they_can_count():
    assert np.iinfo(np.int32).max == sparse.INT32_MAX
