import pytest

from tinydist.reproduce.records import RunConfig, RunRecord
from tinydist.training import Measurement


@pytest.fixture
def config():
    def make(model="ReLU", seed=0, **changes):
        settings = {"dataset": "mnist", "input": "raw", "layout": "dense", "train_size": 50, "epochs": 4, "lr": 0.001}
        return RunConfig(model=model, seed=seed, **(settings | changes))

    return make


@pytest.fixture
def record(config):
    """Make the record of a run that reached a given test accuracy."""

    def make(model="ReLU", seed=0, accuracy=90.0, dead=0, status="ok", **changes):
        curve = [Measurement(epoch, 1 / (epoch + 1), accuracy, accuracy - 5 + epoch, dead) for epoch in (0, 1, 2, 5)]
        return RunRecord(config(model, seed, **changes), status, 1.25, tuple(curve) if status == "ok" else ())

    return make
