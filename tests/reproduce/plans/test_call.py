"""The experiment from Python: the same as from the command line, with its words as arguments."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from tinydist import reproduce
from tinydist.errors import DataError
from tinydist.reproduce import cli
from tinydist.reproduce.plans.request import Request

SIZES = {"train_size": 60, "epochs": 3, "runs": 2, "jobs": 1}
FLAGS = ["--train-size", "60", "--epochs", "3", "--runs", "2", "--jobs", "1"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("call")
    return reproduce.run(models=["ReLU", "ReLU2"], input=["raw", "normalized"], report=False, out=out, **SIZES)


def test_it_gives_the_records_and_what_was_decided(results):
    assert [(r.config.model, r.config.seed, r.config.input, r.status) for r in results.records] == [
        (model, seed, name, "ok") for seed in (0, 1) for name in ("raw", "normalized") for model in ("ReLU", "ReLU2")
    ]
    assert [setting.input for setting in results.verdicts] == ["raw", "normalized"]
    for judged in results.verdicts.values():
        assert len(judged) == 16
    assert results.failures == ""
    assert results.files == []


def test_what_is_shown_of_it_reads_well(results):
    shown = repr(results)
    assert shown.startswith(
        "Not the paper's protocol: mnist, 60 training images, 3 epochs, 2 runs a model,\nlr 0.001, "
    )
    assert "\nNOT ENOUGH EVIDENCE: 2 of 16 claims (normalized input, reduced protocol)\n  2a " in shown
    assert f"Results: {results.out}" in shown
    assert max(map(len, shown.splitlines())) <= 160


def test_it_gives_the_bits_of_the_command_line_and_goes_on_from_them(results, tmp_path, bits):
    flags = ["--models", "ReLU,ReLU2", "--input", "raw,normalized", "--no-report"]
    assert cli.main([*FLAGS, *flags, "--out", str(tmp_path)]) == 0
    configs = [record.config for record in results.records]
    assert bits(tmp_path, configs) == bits(results.out, configs)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")}
    again = reproduce.run(models=["ReLU", "ReLU2"], input=["raw", "normalized"], report=False, out=tmp_path, **SIZES)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")} == before
    assert repr(again).replace(str(tmp_path), "") == repr(results).replace(str(results.out), "")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_failed_runs_are_among_the_records_and_named(tmp_path):
    results = reproduce.run(models=["ReLU"], lr=1e30, report=False, out=tmp_path, **SIZES)
    assert "FAILED ReLU raw seed 0: diverged" in results.failures
    assert results.failures in repr(results)


def test_a_first_step_that_may_switch_outputs_off_is_told_after_the_runs(tmp_path, capsys):
    reproduce.run(models=["ReLU2", "ReLU"], out=tmp_path / "long", train_size=40, epochs=1, runs=1, jobs=1, lr=0.1)
    assert "The first step may have switched outputs off (κ above 0.7): ReLU2 " in capsys.readouterr().err
    reproduce.run(models=["ReLU2", "ReLU"], out=tmp_path / "short", train_size=40, epochs=1, runs=1, jobs=1, lr=1e-6)
    assert "switched outputs off" not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # Square overflows on raw pixels
def test_a_study_gives_its_own_text(tmp_path):
    results = reproduce.run(study="activations", out=tmp_path, train_size=40, epochs=1, runs=1, jobs=1)
    assert results.verdicts == {}
    assert repr(results) == results.text
    assert any(path.suffix == ".png" for path in results.files)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"models": ["Relu2"]}, "unknown model 'Relu2'. Did you mean 'ReLU2'"),
        ({"runs": 0}, "runs: expected a positive whole number, got 0"),
        ({"train_size": 2.5}, "train_size: expected a positive whole number, got 2.5"),
        ({"epochs": True}, "epochs: expected a positive whole number, got True"),
        ({"lr": -1}, "lr: expected a positive number, got -1"),
        ({"lr": float("nan")}, "lr: expected a positive number, got nan"),
        ({"seed": -1}, "seed: expected a whole number from 0, got -1"),
        ({"input": "normalised"}, "unknown input 'normalised'; expected some of raw, unit, normalized"),
        ({"optimizer": "sdg"}, "optimizer: expected one of sgd, momentum, adam, got 'sdg'"),
        ({"protocol": "fast"}, "protocol: expected one of quick, paper, extended, got 'fast'"),
        ({"study": "activation"}, "study: expected one of activations, dying, lead, overshoot, datasets, tabular, seq"),
        ({"study": ""}, "study: expected one of activations"),
        ({"models": []}, "models: expected at least one name, got []"),
        ({"input": ()}, "input: expected at least one name, got ()"),
        ({"budget": 0}, "budget: expected a time such as 90m"),
        ({"budget": True}, "budget: expected a time such as 90m"),
        ({"seed": 1.5}, "seed: expected a whole number from 0, got 1.5"),
        ({"seed": "1"}, "seed: expected a whole number from 0, got '1'"),
        ({"lr": "0.1"}, "lr: expected a positive number, got '0.1'"),
        ({"study": "dying", "report": False}, "leave out report=False"),
        ({"study": "dying", "models": ["ReLU"]}, "leave out models or study"),
        ({"budget": "soon"}, "budget: expected a time such as 90m"),
        ({"budget": "2h", "train_size": 9}, "leave out train_size or budget"),
        ({"batch_size": 9, "chunk_size": 9}, "batch_size 9 is not cut into chunks"),
        ({"jobs": 2, "scheduler": "tcp://host:1"}, "jobs is about this machine, scheduler about others"),
        ({"dataset": "nmist"}, "unknown data set 'nmist'. Did you mean 'mnist'?"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected a positive number, got 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused_before_any_work(request_, words, tmp_path):
    with pytest.raises(ValueError, match=r"expected|unknown|leave out|not cut") as caught:
        reproduce.run(out=tmp_path / "new", **request_)
    assert words in str(caught.value)
    assert "--" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_names_count_once_however_they_are_spelt(tmp_path):
    sizes = SIZES | {"runs": 1, "report": False, "out": tmp_path}
    for models in (["ReLU", " ReLU "], "ReLU,ReLU", ["ReLU"]):
        results = reproduce.run(models=models, **sizes)
        assert [(r.config.model, r.config.seed) for r in results.records] == [("ReLU", 0)]
    assert reproduce.run(models="Swish, SiLU", input="raw", **sizes).records[0].config.model == "SiLU"


def test_numbers_of_numpy_are_numbers(tmp_path):
    sizes = {"epochs": np.int64(2), "train_size": np.int32(60), "runs": np.uint8(1), "lr": np.float64(0.001), "jobs": 1}
    (record,) = reproduce.run(models=["ReLU"], batch_size=np.int64(20), report=False, out=tmp_path, **sizes).records
    assert type(record.config.epochs) is type(record.config.batch_size) is int
    assert type(record.config.lr) is float


def test_a_missing_file_is_named_as_it_was_given(tmp_path):
    path = tmp_path / "a--lr-b" / "x.csv"
    with pytest.raises(DataError, match="is missing") as caught:
        reproduce.run(dataset=f"{path}:kind")
    assert str(path) in str(caught.value)


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'model'"):
        reproduce.run(model="ReLU")


def test_help_shows_every_argument():
    assert inspect.signature(reproduce.run).parameters.keys() == inspect.signature(Request).parameters.keys()


def test_processes_that_do_runs_import_neither_figures_nor_reports():
    program = "import sys, tinydist.reproduce.runs.pool; print('matplotlib' in sys.modules, 'jinja2' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"]
