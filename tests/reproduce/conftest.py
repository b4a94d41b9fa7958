import base64
import csv
import json

import numpy as np
import pytest
from scipy import stats

from tinydist.reproduce import cli
from tinydist.reproduce.evidence.outcomes import Outcome
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS
from tinydist.reproduce.runs.records import RunRecord, write_config
from tinydist.reproduce.runs.settings import RunConfig
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

    def make(model="ReLU", seed=0, accuracy=90.0, dead=0, status="ok", dead_hidden=0, **changes):
        activity = (0.0,) * dead + (0.005, 0.03, 0.5, *[1.0] * 10)[: 10 - dead]
        exchanged = accuracy / 2 if "L2" in model else None
        curve = tuple(
            Measurement(
                *(epoch, 1 / (epoch + 1), accuracy, accuracy - 5 + epoch, dead, dead_hidden, activity),
                *(0.0, exchanged),
            )
            for epoch in (0, 1, 2, 5)
        )
        return RunRecord(config(model, seed, **changes), status, 1.25, curve if status == "ok" else ())

    return make


@pytest.fixture(scope="session")
def pixel():
    """The smallest PNG file."""
    return base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    )


@pytest.fixture
def refusal(capsys):
    """Run the command with arguments that it has to refuse, before any work; returns what it says, in one line."""

    def refuse(*arguments):
        try:
            status = cli.main(list(arguments))
        except SystemExit as caught:  # argparse
            status = caught.code
        assert status == 2
        return " ".join(capsys.readouterr().err.split())

    return refuse


@pytest.fixture(scope="session")
def bits():
    """Read all that a sweep found in a folder, without its times."""

    def read(out, configs):
        found = {}
        for config in configs:
            folder = config.folder(out)
            result = json.loads((folder / "result.json").read_text())
            with np.load(folder / "model.npz", allow_pickle=False) as weights:
                arrays = {name: array.tobytes() for name, array in weights.items()}
            found[config] = result["status"], result["curve"], (folder / "metrics.jsonl").read_bytes(), arrays
        with (out / "results.csv").open(newline="") as file:
            rows = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
        return found, rows

    return read


def _runs(mean, sd, n=20, dead=None, dead_hidden=None, loses=50):
    """`n` runs with exactly this mean and deviation: normal quantiles, shuffled; nothing dead unless said.

    With exchanged prototypes they lose so many points.
    """
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    standard = (quantiles - quantiles.mean()) / (quantiles.std(ddof=1) if n > 1 else 1)
    shuffled = np.random.default_rng([n, round(1000 * mean)]).permutation(standard)
    dead, dead_hidden = (tuple(counts if counts is not None else [0] * n) for counts in (dead, dead_hidden))
    accuracies = mean + sd * shuffled
    exchanged = tuple((accuracies - loses).tolist())
    return Outcome(tuple(accuracies.tolist()), dead, tuple(range(n)), dead_hidden, dead, dead, exchanged)


@pytest.fixture(scope="session")
def runs():
    """Make up the runs of a model from their mean, standard deviation, number and dead outputs."""
    return _runs


@pytest.fixture(scope="session")
def published():
    """The paper's own numbers as runs: 5,000 epochs for the linear models, 50,000 for OffsetL2."""

    def make(n=20):
        numbers = AFTER_50000_EPOCHS | AFTER_5000_EPOCHS
        results = {model: _runs(number.mean, number.sd, n) for model, number in numbers.items()}
        return results | {"ReLU2": _runs(47.20, 12.00, n, dead=[3] * n)}

    return make


@pytest.fixture(scope="session")
def page_of_a_sweep(tmp_path_factory):
    """The results folder of a tiny sweep of two inputs, with a run that failed, and its page."""
    out = tmp_path_factory.mktemp("page")
    sizes = ["--train-size", "60", "--epochs", "3", "--runs", "2", "--jobs", "1", "--no-report"]
    flags = ["--models", "ReLU2,Abs-L2", "--input", "raw,normalized", *sizes]
    assert cli.main([*flags, "--out", str(out)]) == 0
    settings = {"dataset": "mnist", "input": "raw", "layout": "sparse", "train_size": 60, "epochs": 3, "lr": 0.001}
    failed = RunRecord(RunConfig(model="Abs", seed=0, **settings), "diverged: <script>alert(1)</script>", 0.5, ())
    write_config(failed.config, out, parts=[])
    failed.save(out)
    assert cli.main(["report", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def sweep_without_weights(tmp_path_factory):
    """The results folder of a tiny sweep whose trained weights were lost."""
    out = tmp_path_factory.mktemp("without-weights")
    sizes = ["--train-size", "60", "--epochs", "3", "--runs", "2", "--jobs", "1", "--no-report"]
    assert cli.main(["--models", "ReLU", *sizes, "--out", str(out)]) == 0
    for path in out.glob("runs/*/model.npz"):
        path.unlink()
    return out
