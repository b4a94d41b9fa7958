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
    models, problems = trained_models([*records, failed], out, runs=1)
    assert list(models) == ["ReLU", "Abs2-Neg", "Abs-L2"]
    assert problems == []
    own = np.load(records[3].config.folder(out) / "model.npz")["linear0.weight"]  # ReLU, seed 0
    assert np.array_equal(models["ReLU"][0].linear0.weight.data, own)
    assert [list(of_seeds) for of_seeds in trained_models(records, out, runs=5)[0].values()] == [[0, 1]] * 3


def test_lost_weights_are_passed_over_for_those_of_the_next_seed(records, out):
    path = records[3].config.folder(out) / "model.npz"  # ReLU, seed 0
    contents = path.read_bytes()
    try:
        path.unlink()
        models, (problem,) = trained_models(records, out, runs=1)
    finally:
        path.write_bytes(contents)
    assert {model: list(of_seeds) for model, of_seeds in models.items()} == {
        "Abs2-Neg": [0],
        "Abs-L2": [0],
        "ReLU": [1],
    }
    assert "ReLU-raw-seed0/model.npz is missing" in problem


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
