import numpy as np
import pytest

from tinydist import datasets
from tinydist.errors import DataError
from tinydist.reproduce.runs.pool import LocalPool
from tinydist.reproduce.runs.sweep import sweep
from tinydist.reproduce.runs.trained import trained_model, trained_models
from tinydist.training import accuracy


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def records(config, out):
    """Runs of three models with two seeds, done once for this module."""
    return sweep(
        [config(model, seed) for seed in (1, 0) for model in ("ReLU", "Abs2-Neg", "Abs-L2")], out, LocalPool(1)
    )


def test_a_model_comes_back_with_the_accuracy_that_was_recorded(records, out):
    data = datasets.load("mnist", "raw", 50)
    for record in records:
        model = trained_model(record.config.folder(out))
        logits = model(data.x_test).data
        assert accuracy(logits, data.y_test) == pytest.approx(record.final.test_accuracy)


def test_the_first_runs_of_each_model_by_seed(records, record, out):
    failed = record("ReLU-Neg", 0, status="diverged")
    models = trained_models([*records, failed], out, runs=1)
    assert list(models) == ["ReLU", "Abs2-Neg", "Abs-L2"]
    own = np.load(records[3].config.folder(out) / "model.npz")["linear0.weight"]  # ReLU, seed 0
    assert np.array_equal(models["ReLU"][0].linear0.weight.data, own)
    assert [len(runs) for runs in trained_models(records, out, runs=5).values()] == [2, 2, 2]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "model.npz is missing: only a run that finished well leaves its weights there"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "is damaged, or not of Abs-L2 raw seed 1"),
        (lambda path: path.write_bytes(b""), "is damaged, or not of Abs-L2 raw seed 1"),
        (lambda path: np.savez(path, a=np.zeros(3)), r"is damaged, or not of Abs-L2 raw seed 1 \(result.json holds"),
        (
            lambda path: np.savez(path, a=np.array([{}])),
            "is damaged, or not of Abs-L2 raw seed 1.* delete the folder Abs-L2-raw-seed1",
        ),
    ],
    ids=["removed", "cut", "emptied", "of something else", "pickled"],
)
def test_missing_and_damaged_weights_are_named(records, out, damage, words):
    folder = records[2].config.folder(out)
    path = folder / "model.npz"
    contents = path.read_bytes()
    try:
        damage(path)
        with pytest.raises(DataError, match=words):
            trained_model(folder)
    finally:
        path.write_bytes(contents)


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(DataError, match=r"config.json is missing"):
        trained_model(tmp_path)
