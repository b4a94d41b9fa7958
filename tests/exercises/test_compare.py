import numpy as np
import pytest

from tinydist.exercises.compare import difference, same, short
from tinydist.exercises.rubric import Observation


def differ(received, expected):
    return difference(Observation("x", received, expected))


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        (np.array([1.0 + 1e-9]), np.array([1.0])),
        (np.float64(2.0), np.array(2.0)),
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
        ("a", "a"),
        ([1, "b"], [1, "b"]),
        (True, True),
        (np.array([True]), np.array([True])),
        (None, None),
    ],
)
def test_what_is_right(received, expected):
    assert differ(received, expected) is None


@pytest.mark.parametrize(
    ("received", "expected", "words"),
    [
        (None, np.array(1.0), "None: was it never returned"),
        (np.array([1.0]), np.array(1.0), "shape (1,) instead of ()"),
        (np.array([1.0], dtype=np.float32), np.array([1.0]), "float32 instead of float64"),
        (np.array([1, 0]), np.array([True, False]), "int64 instead of bool"),
        ("1", np.array(1.0), "of type str, not numbers"),
        ([[1.0], [1.0, 2.0]], np.array([1.0]), "of type list, not numbers"),
        (
            np.array([1.0, np.nan]),
            np.array([1.0, 2.0]),
            "1 of 2 entries differ, the first at [1]: expected 2, received nan",
        ),
        (np.array([1.0, 1.001]), np.array([1.0, 1.0]), "1 of 2 entries differ, the first at [1]"),
        (np.array([0.0, 1e-3]), np.array([0.0, 0.0]), "expected 0, received 0.001"),
        (1, True, ""),
        ("a", "b", ""),
        (2.0001, 2.0, ""),
    ],
)
def test_what_is_wrong(received, expected, words):
    assert words in differ(received, expected)


def test_small_entries_beside_large_ones_count_only_where_that_is_asked():
    expected, received = np.array([1e9, 1e-9]), np.array([1e9, 0.0])
    assert difference(Observation("x", received, expected)) is None
    assert "the first at [1]" in difference(Observation("x", received, expected, atol=0))


def test_float64_is_as_good_as_float32_only_where_that_is_said():
    narrow, wide = np.array([0.5], dtype=np.float32), np.array([0.5])
    assert difference(Observation("x", wide, narrow)) == "float64 instead of float32"
    assert difference(Observation("x", wide, narrow, wide=True)) is None
    assert difference(Observation("x", narrow, wide, wide=True)) == "float32 instead of float64"


def test_same():
    assert same(np.array([np.nan, 1.0]), np.array([np.nan, 1.0 + 1e-12]))
    assert not same(np.array([1.0]), np.array([1.0], dtype=np.float32))
    assert not same(np.array([1.0]), np.array(1.0))
    assert same("a", "a")
    assert not same("a", None)
    assert same(None, None)


def test_long_values_are_shown_short():
    assert len(short(np.arange(10_000.0))) < 120
    assert len(short("x" * 10)) == 10
    assert len(short(["x" * 1000])) <= 200
