"""Labels as numbers, and the scaling of rows, by values worked out by hand."""

import re

import numpy as np
import pytest

from tinydist.datasets.reading import Column
from tinydist.datasets.samples import Columns, Pixels, Samples, class_numbers
from tinydist.errors import DataError


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (["10", "9", "1e1"], ["9", "1e1"], ([1, 0, 2], [0, 2], ("9", "10", "1e1"))),
        (["b", "10", "9"], [], ([2, 0, 1], [], ("10", "9", "b"))),
        ([-1, 1, 0], [1], ([0, 2, 1], [2], ("-1", "0", "1"))),
        ([0.5, -2.0], [0.5, -2.0], ([1, 0], [1, 0], ("-2.0", "0.5"))),
    ],
    ids=["numbers", "words", "integers", "fractions"],
)
def test_classes_are_numbered_in_their_order(train, test, expected):
    y_train, y_test, names = class_numbers(np.array(train), np.array(test, dtype=np.array(train).dtype))
    assert (y_train.tolist(), y_test.tolist(), names) == expected
    assert y_train.dtype == y_test.dtype == np.int64


def test_more_than_ten_fractions_are_measurements():
    for levels in (np.arange(10) / 4, np.arange(11.0), np.array([*"0123456789", "half"])):
        assert len(class_numbers(levels, levels)[2]) == len(levels)
    with pytest.raises(ValueError, match=r"not classes: 11 different numbers such as 0\.25\. Cut"):
        class_numbers(np.arange(11) / 4, np.arange(0))


def test_labels_that_cannot_be_classes():
    with pytest.raises(ValueError, match="class 'c' of the test rows is missing among the training rows"):
        class_numbers(np.array(["a", "b"]), np.array(["d", "c"]))
    with pytest.raises(ValueError, match="there is one class, '7', in all training rows; expected two or more"):
        class_numbers(np.array([7, 7]), np.array([7]))


def test_pixels_are_scaled_by_the_mean_and_deviation_of_all_chunks():
    chunks = [np.array([[0, 255], [51, 102]], np.uint8), np.array([[255, 204]], np.uint8)]
    pixels, values = Pixels.of(chunks), np.array([0, 1, 0.2, 0.4, 1, 0.8])
    assert (pixels.mean, pixels.std) == pytest.approx((values.mean(), values.std()), rel=1e-14)
    for input, expected in (
        ("raw", values * 255),
        ("unit", values),
        ("normalized", (values - values.mean()) / values.std()),
    ):
        rows = np.concatenate(chunks)
        scaled = pixels.scaled(rows, input)
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled.ravel(), expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(pixels.compressed(rows, input).dense().ravel(), expected, rtol=1e-6, atol=1e-6)


def test_missing_values_become_the_mean_of_the_training_rows():
    nan = np.nan
    columns = Columns(np.array([[1, 10, nan], [nan, 20, 7], [4, 60, 9]], float))
    rows = np.array([[nan, nan, nan], [3, 10, 9]], float)
    np.testing.assert_array_equal(columns.scaled(rows, "raw"), np.array([[2.5, 30, 8], [3, 10, 9]], np.float32))
    np.testing.assert_allclose(columns.scaled(rows, "unit"), [[0.5, 0.4, 0.5], [2 / 3, 0, 1]], rtol=1e-6)
    deviations = np.sqrt([(2.25 + 2.25) / 3, (400 + 100 + 900) / 3, (1 + 1) / 3])
    np.testing.assert_allclose(columns.scaled(rows, "normalized"), [[0, 0, 0], [0.5, -20, 1] / deviations], rtol=1e-6)
    assert np.isnan(columns.train).sum() == 2


def test_a_column_without_any_value_in_the_training_rows_cannot_be_filled_in():
    columns = Columns(np.array([[1, np.nan], [2, np.nan]]))
    with pytest.raises(DataError, match="column 2 of the input has no value in any of the 2 training rows"):
        columns.scaled(np.array([[1.0, 5.0]]), "unit")


@pytest.mark.parametrize("input", ["unit", "normalized"])
def test_a_change_of_more_than_eight_roundings_is_one(input):
    eps = np.finfo(float).eps
    for sign in (1, -1):
        for roundings, constant in ((8, True), (10, False)):
            train = sign * np.array([[1], [1 + roundings * eps]])
            assert (np.ptp(Columns(train).scaled(train, input)) == 0) == constant


@pytest.mark.parametrize("sign", [1, -1])
def test_raw_numbers_need_a_hundred_steps_of_float32(sign):
    """Between 2^20 and 2^21 its numbers are 1/8 apart."""
    enough, less = (np.array([[0.0, 0, 2**20], [1, 0, 2**20 + change]]) * sign for change in (12.5, 12.375))
    np.testing.assert_array_equal(Columns(enough).scaled(enough, "raw"), enough)
    with pytest.raises(
        DataError, match=re.escape(f"column 3 of the input changes by 12.375 only, beside {sign * 2**20:g}: ")
    ):
        Columns(less).scaled(less[:1], "raw")


def test_a_reading_counts_the_training_rows_in_use():
    samples = Samples(
        x_train=np.zeros((4, 1)),
        y_train=np.array([0, 1, 1, 2]),
        x_test=np.zeros((3, 1)),
        y_test=np.array([2, 2, 0]),
        class_names=("a", "b", "c"),
        columns=(Column("x", "numbers"),),
        notes=("A note",),
    )
    reading = samples.reading("mine", 3)
    assert (reading.name, reading.rows, reading.split) == (
        "mine",
        "rows",
        "the data set says which rows are to test on",
    )
    assert (reading.used, reading.there, reading.test) == (3, 4, 3)
    assert reading.classes == (("a", 1, 1), ("b", 2, 0), ("c", 0, 2))
    assert (reading.columns, reading.notes) == (samples.columns, samples.notes)
