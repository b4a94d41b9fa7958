import pytest

from tinydist.models import PAPER_MODELS, model_names
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS, published


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
    ],
)
def test_a_number_carries_its_own_protocol(model, epochs, text):
    assert str(published(model, epochs)) == text


def test_no_number_for_a_model_the_paper_does_not_have():
    assert published("ReLU-Neg", 5_000) is None
