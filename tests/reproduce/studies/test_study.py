"""A study of one's own, through the command line."""

from dataclasses import replace

import pytest

from tinydist.reproduce import cli
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.studies.study import Study

SIZES = Protocol(train_size=40, epochs=2, runs=1)


@pytest.fixture
def study(monkeypatch):
    """Make a study of ReLU known to the command; returns the list of the records that it is given."""

    def make(**attributes):
        given = []

        def write(records, out, _jobs):
            given.extend(records)
            return "what was found", [out / "found.txt"]

        monkeypatch.setitem(STUDIES, "mine", Study(models=("ReLU",), write=write, protocol=SIZES, **attributes))
        return given

    return make


def test_each_arm_is_a_run_of_its_own(study, tmp_path, capsys):
    given = study(
        arms=lambda config: [replace(config, lr=config.lr * factor, arm=f"x{factor}") for factor in (1, 2)], lr=0.01
    )
    assert cli.main(["--study", "mine", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert [(r.config.arm, r.config.lr, r.config.train_size, r.status) for r in given] == [
        ("x1", 0.01, 40, "ok"),
        ("x2", 0.02, 40, "ok"),
    ]
    assert given[0].final.train_loss != given[1].final.train_loss
    out = capsys.readouterr().out
    assert "what was found" in out
    assert f"Saved in {tmp_path}: found.txt, results.csv" in out


def test_what_writes_the_findings_may_use_as_many_processes_as_the_runs(monkeypatch, tmp_path):
    given = []

    def write(_records, _out, jobs):
        given.append(jobs)
        return "", []

    monkeypatch.setitem(STUDIES, "mine", Study(models=("ReLU",), write=write, protocol=SIZES))
    assert cli.main(["--study", "mine", "--jobs", "3", "--out", str(tmp_path)]) == 0
    assert given == [3]


def test_what_the_user_chooses_goes_before_what_the_study_does(study, tmp_path):
    given = study(inputs=("unit",), lr=0.5)
    flags = ["--study", "mine", "--jobs", "1", "--out", str(tmp_path)]
    assert cli.main([*flags, "--lr", "0.25", "--epochs", "3", "--input", "normalized"]) == 0
    (record,) = given
    assert (record.config.lr, record.config.epochs, record.config.input) == (0.25, 3, "normalized")
    assert record.config.train_size == SIZES.train_size


def test_a_budget_cannot_foresee_the_pace_of_several_arms(study, refusal):
    study(arms=lambda config: [config, replace(config, lr=1.0, arm="fast")])
    assert "--study mine has arms whose pace --budget cannot foresee" in refusal("--study", "mine", "--budget", "1h")
