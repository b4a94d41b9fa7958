import numpy as np
import pytest

from tinydist import datasets
from tinydist.bench.epochs import numpy_epoch, tinydist_epoch, torch_epoch
from tinydist.models import PAPER_MODELS

MODELS = [*PAPER_MODELS, "ReLU-Bias", "Abs2-Neg-Bias"]


@pytest.fixture(scope="module")
def data():
    """Real digits, in both layouts; on the unit scale, on which no model rounds itself into chaos."""
    return {layout: datasets.load("mnist", "unit", train_size=300, layout=layout) for layout in ("dense", "sparse")}


def assert_same_gradients(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        np.testing.assert_allclose(ours[name], gradient, rtol=1e-3, atol=2e-5 * np.abs(gradient).max(), err_msg=name)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("model", MODELS)
def test_numpy_by_hand_has_the_same_gradients(model, layout, data):
    ours = tinydist_epoch(model, data[layout].x_train, data[layout].y_train)
    by_hand = numpy_epoch(model, data["dense"].x_train, data["dense"].y_train)
    for _ in range(3):
        assert_same_gradients(ours(), by_hand())


@pytest.mark.parametrize("model", MODELS)
def test_pytorch_has_the_same_gradients(model, data):
    pytest.importorskip("torch")
    ours = tinydist_epoch(model, data["sparse"].x_train, data["sparse"].y_train)
    theirs = torch_epoch(model, data["dense"].x_train, data["dense"].y_train, threads=1)
    for _ in range(3):
        assert_same_gradients(ours(), {name: gradient.copy() for name, gradient in theirs().items()})
