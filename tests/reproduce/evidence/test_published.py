import re

import pytest

from tinydist.models import PAPER_MODELS, model_names
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS, FIRST_TABLE, published

BY_MODEL = """
Abs         95.26 ± 0.19   95.23 ± 0.16   95.87 ± 0.22
ReLU        95.64 ± 0.19   95.69 ± 0.17   96.62 ± 0.17
Abs2        95.35 ± 0.17   95.38 ± 0.17   95.95 ± 0.17
Abs2-Neg    90.08 ± 2.56   90.53 ± 2.36   92.25 ± 2.07
ReLU2       47.20 ± 12.00  39.94 ± 18.84  56.31 ± 19.31
ReLU2-Neg   94.93 ± 0.15   94.92 ± 0.18   96.46 ± 0.17
"""
"""As printed: the Discussion, table 3 (with bias), and table 5, whose rows table 2 repeats."""
WITH_OFFSETS = """
ReLU-L2      97.33 ± 0.13
ReLU-L2-Neg  97.36 ± 0.14
Abs-L2       97.61 ± 0.07
Abs-L2-Neg   97.56 ± 0.09
"""


def test_every_number_is_the_printed_one():
    early, late, first = {}, {}, {}
    for model, *numbers in (re.split("  +", line) for line in BY_MODEL.strip().splitlines()):
        early[model], early[f"{model}-Bias"], late[model if model == "ReLU2-Neg" else f"{model}-Bias"] = numbers
        first[model] = numbers[2]
    late |= dict(re.split("  +", line) for line in WITH_OFFSETS.strip().splitlines())
    for table, printed in ((AFTER_5000_EPOCHS, early), (AFTER_50000_EPOCHS, late)):
        assert {model: f"{number.mean:.2f} ± {number.sd:.2f}" for model, number in table.items()} == printed
    assert {model: f"{mean:.2f} ± {sd:.2f}" for model, (mean, sd) in FIRST_TABLE.items()} == first


def test_every_paper_model_has_a_published_number_and_every_number_a_model():
    assert all(published(model, 5_000) for model in PAPER_MODELS)
    assert set(AFTER_5000_EPOCHS) | set(AFTER_50000_EPOCHS) <= set(model_names())


@pytest.mark.parametrize(
    ("model", "epochs", "text"),
    [
        ("ReLU2", 300, "47.20 ± 12.00 at 5,000 epochs"),
        ("ReLU2-Neg", 5_000, "94.93 ± 0.15 at 5,000 epochs"),
        ("ReLU2-Neg", 50_000, "96.46 ± 0.17 at 50,000 epochs"),
        ("Abs-L2", 300, "97.61 ± 0.07 at 50,000 epochs"),
        ("Abs2-Neg-Bias", 5_000, "90.53 ± 2.36 at 5,000 epochs"),
        ("ReLU-Bias", 15_000, "95.69 ± 0.17 at 5,000 epochs"),
        ("ReLU-Bias", 15_001, "96.62 ± 0.17 at 50,000 epochs"),
        ("ReLU", 50_000, "96.62 ± 0.17 at 50,000 epochs"),
        ("ReLU2-Neg-Bias", 50_000, "94.92 ± 0.18 at 5,000 epochs"),
    ],
)
def test_a_number_carries_its_own_protocol(model, epochs, text):
    assert str(published(model, epochs)) == text


def test_no_number_for_a_model_the_paper_does_not_have():
    assert published("ReLU-Neg", 5_000) is None
