import numpy as np
import pytest

from tinydist import datasets
from tinydist.bench.images import load_images, shifted_copies
from tinydist.sparse import SparseMatrix


def test_each_copy_lies_one_pixel_further_to_the_right():
    images = np.array([[1, 2, 0, 0], [0, 0, 0, 3]], dtype=np.uint8)
    copies = shifted_copies(images, 3)
    assert copies.dtype == np.uint8
    assert copies.tolist() == [[1, 2, 0, 0], [0, 0, 0, 3], [0, 1, 2, 0], [3, 0, 0, 0], [0, 0, 1, 2], [0, 3, 0, 0]]


def test_no_two_copies_of_real_digits_are_equal():
    images, labels = load_images(50, copies=4, layout="dense")
    data = datasets.load("mnist", train_size=50)
    parts = np.split(images, 4)
    np.testing.assert_array_equal(parts[0], data.x_train)
    for part in parts[1:]:
        assert np.count_nonzero(part) == np.count_nonzero(data.x_train)
        assert (part != data.x_train).any(axis=1).all()
    assert len(np.unique(images, axis=0)) == 200
    np.testing.assert_array_equal(labels.reshape(4, 50), [data.y_train] * 4)


@pytest.mark.parametrize("copies", [1, 3])
def test_every_layout_holds_the_same_images(copies):
    dense, labels = load_images(40, copies, "dense")
    assert dense.dtype == np.float32
    for layout in ("sparse", "auto"):
        images, same_labels = load_images(40, copies, layout)
        assert isinstance(images, SparseMatrix)
        np.testing.assert_array_equal(images.dense(), dense)
        np.testing.assert_array_equal(same_labels, labels)
