import argparse
import math

import pytest

from tinydist.arguments import model_list, not_negative, positive, positive_real
from tinydist.cores import available_cores


def test_models_are_split_trimmed_and_named_once():
    assert model_list("ReLU2-Neg, Abs,ReLU2-Neg") == ["ReLU2-Neg", "Abs"]


@pytest.mark.parametrize("text", ["", "ReLU,", "relu"])
def test_unknown_models_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="unknown model"):
        model_list(text)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [(positive, "1", 1), (positive, " 12 ", 12), (not_negative, "0", 0), (positive_real, "1e-3", 0.001)],
)
def test_numbers_are_read(parse, text, value):
    assert parse(text) == value
    assert isinstance(parse(text), type(value))


@pytest.mark.parametrize(
    ("parse", "texts", "expected"),
    [
        (positive, ["0", "-1", "1.5", "many", ""], "a positive whole number"),
        (not_negative, ["-1", "0.0", "1e3"], "a whole number from 0"),
        (positive_real, ["0", "-0.1", str(math.inf), str(math.nan), "fast"], "a positive number"),
    ],
)
def test_other_texts_are_refused_with_what_was_expected(parse, texts, expected):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=f"^expected {expected}, got '{text}'$"):
            parse(text)


def test_at_least_the_core_this_runs_on_is_available():
    assert available_cores() >= 1
