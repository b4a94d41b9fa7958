import numpy as np
import pytest

from tinydist import Tensor, build_model
from tinydist.datasets import load
from tinydist.errors import DTypeError, ShapeError
from tinydist.nn import linear
from tinydist.sparse import SparseMatrix

NORMALIZED = {"scale": 1 / (255 * 0.3081), "shift": -0.1307 / 0.3081}


@pytest.fixture(scope="module")
def pixels():
    """Some real digits, as bytes."""
    return load("mnist", train_size=150).x_train.astype(np.uint8)


@pytest.mark.parametrize(
    "scaling",
    [{}, {"scale": 1 / 255}, NORMALIZED, {"scale": 2, "shift": 1}, {"scale": 0, "shift": -1}],
    ids=["raw", "unit", "normalized", "whole", "constant"],
)
def test_products_are_those_of_the_scaled_dense_matrix(pixels, scaling, rng):
    x = SparseMatrix(pixels, **scaling)
    dense = pixels.astype(float) * scaling.get("scale", 1) + scaling.get("shift", 0)
    matrix, start, g = rng.normal(size=(784, 20)), rng.normal(size=20), rng.normal(size=(150, 20))
    np.testing.assert_allclose(x.times(matrix, start), dense @ matrix + start, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(x.transposed_times(g), dense.T @ g, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(x.dense(), dense, rtol=1e-6, atol=1e-6)
    assert x.dense().dtype == np.float32


def test_normalising_after_the_product_rounds_no_worse_than_before(pixels, rng):
    """In float32, scale and shift applied to the product are as close to the truth as a normalised dense input."""
    matrix = rng.normal(size=(784, 128)).astype(np.float32)
    truth = (pixels / 255 - 0.1307) / 0.3081 @ matrix.astype(float)
    dense = ((pixels.astype(np.float32) / 255 - np.float32(0.1307)) / np.float32(0.3081)) @ matrix
    sparse = SparseMatrix(pixels, **NORMALIZED).times(matrix, np.zeros(128, dtype=np.float32))
    assert sparse.dtype == np.float32
    assert np.abs(sparse - truth).max() < 4 * np.abs(dense - truth).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_have_the_dtype_of_the_matrix_also_if_the_scaling_was_computed_by_numpy(pixels, dtype):
    x = SparseMatrix(pixels, scale=np.float64(0.5), shift=np.float64(-1))
    assert x.times(np.ones((784, 2), dtype), np.zeros(2, dtype)).dtype == dtype
    assert x.transposed_times(np.ones((150, 2), dtype)).dtype == dtype


def test_without_a_shift_an_infinite_weight_reaches_only_the_rows_that_use_it():
    x = SparseMatrix(np.array([[1, 0], [0, 1]], dtype=np.uint8))
    infinite = np.array([[1.0], [np.inf]])
    assert x.times(infinite, np.zeros(1)).tolist() == [[1], [np.inf]]
    assert x.transposed_times(infinite).tolist() == [[1], [np.inf]]


@pytest.mark.parametrize("name", ["ReLU", "Abs2-Neg", "Abs-L2"])
@pytest.mark.parametrize("scaling", [{}, NORMALIZED], ids=["raw", "normalized"])
def test_a_model_neither_knows_nor_shows_that_its_input_is_sparse(pixels, name, scaling):
    labels = np.arange(150) % 10
    gradients = []
    x = SparseMatrix(pixels, **scaling)
    for batch in (x, Tensor(x.dense())):
        model = build_model(name)
        loss = model(batch).cross_entropy(labels)
        loss.backward()
        gradients.append([loss.data, *(parameter.grad for parameter in model.parameters())])
    for sparse, dense in zip(*gradients, strict=True):
        np.testing.assert_allclose(sparse, dense, rtol=1e-3, atol=1e-4 * np.abs(dense).max())


def test_repr_says_how_large_and_how_sparse_it_is(pixels):
    x = SparseMatrix(pixels)
    assert x.density == pytest.approx((pixels > 0).mean())
    percent = round(100 * (pixels > 0).mean())
    assert repr(x) == f"SparseMatrix(150 x 784, {percent}% non-zero, 0.1 MB)"
    assert len(x) == 150


def test_its_memory_is_that_of_its_bytes_by_row_and_by_column():
    """Twice two bytes for each non-zero, and four for where each row ends, and each column; one block of 100."""
    x = SparseMatrix(np.eye(100, 50, dtype=np.uint8))
    assert x.nbytes == 2 * 2 * 50 + 4 * (101 + 51)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.zeros((2, 3), dtype=np.int16), [[0, 1], [2, 0]]])
def test_only_bytes_are_compressed(wrong):
    with pytest.raises(DTypeError, match="compresses bytes"):
        SparseMatrix(wrong)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (2, 2, 2)])
def test_only_a_matrix_is_compressed(shape):
    with pytest.raises(ShapeError, match="needs a matrix"):
        SparseMatrix(np.zeros(shape, dtype=np.uint8))


def test_a_layer_of_another_width_refuses_it(pixels):
    with pytest.raises(ShapeError, match=r"takes x of shape \(batch, 10\), got \(150, 784\)"):
        build_model("ReLU", in_features=10)(SparseMatrix(pixels))


def test_whole_numbers_multiply_in_float64(pixels):
    y = linear(SparseMatrix(pixels), Tensor(np.ones((3, 784), dtype=np.int64)))
    np.testing.assert_array_equal(y.data, np.repeat(pixels.sum(axis=1, dtype=float)[:, None], 3, axis=1), strict=True)


def test_used_as_a_tensor_it_says_what_it_is_for(pixels):
    x = SparseMatrix(pixels)
    with pytest.raises(AttributeError, match=r"no 'relu': .* input of a first linear layer; .* Tensor\(x.dense\(\)\)"):
        x.relu()
    with pytest.raises(TypeError, match=r"got a SparseMatrix, which only a linear layer reads; use x.dense\(\)"):
        x @ Tensor(np.ones((784, 2)))


@pytest.mark.parametrize("shape", [(4, 3), (6, 3), (5,)])
def test_a_factor_of_another_shape_is_refused_before_any_memory_is_read(shape):
    x = SparseMatrix(np.ones((7, 5), np.uint8))
    with pytest.raises(ShapeError, match=r"of shape \(7, 5\) is multiplied by \(5, width\) here, got "):
        x.times(np.ones(shape), np.zeros(3))
    with pytest.raises(ShapeError, match=r"is multiplied by \(7, width\) here"):
        x.transposed_times(np.ones(shape))


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.uint8])
def test_a_factor_of_another_dtype_is_refused(dtype):
    x = SparseMatrix(np.ones((7, 5), np.uint8))
    with pytest.raises(DTypeError, match=f"float32 or float64, got {np.dtype(dtype)}"):
        x.times(np.ones((5, 3), dtype), np.zeros(3))
    with pytest.raises(DTypeError, match="float32 or float64"):
        x.transposed_times(np.ones((7, 3), dtype))


def test_a_start_of_another_dtype_is_added_in_that_of_the_matrix():
    product = SparseMatrix(np.ones((7, 5), np.uint8)).times(np.ones((5, 3), np.float32), np.full(3, 0.5))
    np.testing.assert_array_equal(product, np.full((7, 3), 5.5, np.float32), strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (1, 3)])
def test_a_start_of_another_width_is_refused(shape):
    with pytest.raises(ShapeError, match="cannot be added to rows of 3"):
        SparseMatrix(np.ones((7, 5), np.uint8)).times(np.ones((5, 3)), np.zeros(shape))
