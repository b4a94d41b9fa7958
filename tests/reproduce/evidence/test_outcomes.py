from dataclasses import replace
from pathlib import Path

import pytest

from tinydist.errors import DataError
from tinydist.reproduce.evidence.outcomes import Outcome, by_setting, outcomes, read_csv
from tinydist.reproduce.runs.settings import Setting

HEADER = (
    "model,seed,dataset,input,train_size,epochs,lr,test_accuracy,dead_outputs,dead_hidden,"
    "outputs_below_1_percent,outputs_below_5_percent,status\n"
)


def test_failed_runs_are_left_out(record):
    failed = record("Abs", 0, status="diverged")
    runs = [record("ReLU", 0, 90.0), failed, record("ReLU", 1, 80.0, dead=3, dead_hidden=7)]
    assert outcomes(runs) == {"ReLU": Outcome((90.0, 80.0), (0, 3), (0, 1), (0, 7), (1, 4), (2, 5))}
    assert outcomes(runs)["ReLU"].dead_nodes == (0, 10)


def test_inputs_sizes_and_rates_are_kept_apart(record):
    base = record("ReLU", 0, 90.0)
    others = [{"input": "normalized"}, {"train_size": 51}, {"epochs": 5}, {"lr": 0.01}, {"dataset": "fashion-mnist"}]
    others += [{"optimizer": "adam"}, {"batch_size": 10}]
    runs = [base, *(replace(base, config=replace(base.config, **change)) for change in others)]
    grouped = by_setting(runs)
    assert len(grouped) == len(runs)
    assert all(results == {"ReLU": Outcome((90.0,), (0,), (0,), (0,), (1,), (2,))} for results in grouped.values())


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, ""),
        ({"optimizer": "adam"}, ", adam"),
        ({"batch_size": 1_000, "optimizer": "momentum"}, ", momentum, batches of 1,000"),
        ({"chunk_size": 1_000}, ""),
    ],
)
def test_a_setting_says_how_its_steps_differ_from_the_papers(config, changes, steps):
    setting = config(**changes).setting
    assert setting.changes == steps
    assert str(setting).endswith(f"lr 0.001{steps}")


def test_settings_without_a_successful_run_stay_in_sight(record):
    assert list(by_setting([record("ReLU", 0, status="diverged")]).values()) == [{}]


def test_csv_gives_what_records_give(record, tmp_path):
    runs = [
        record("ReLU", 0, 90.5),
        record("ReLU", 1, 80.0, dead=3, dead_hidden=2),
        record("Abs", 0, status="diverged"),
        record("Abs", 0, 70.0, input="normalized"),
        record("Abs", 0, 75.0, optimizer="adam", batch_size=10),
    ]
    rows = [record.row() for record in runs]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [rows[0], *(row.values() for row in rows)]))
    assert read_csv(path) == by_setting(runs)


def test_the_quick_run_that_comes_with_the_project_can_be_read():
    path = Path(__file__).parents[3] / "data/results/quick/results.csv"
    ((setting, results),) = read_csv(path).items()
    assert setting == Setting("mnist", "raw", 3_000, 500, 0.001)
    assert {len(outcome.accuracies) for outcome in results.values()} == {3}


def test_the_evidence_that_comes_with_the_project_can_be_read():
    evidence = read_csv(Path(__file__).parents[3] / "data/results/evidence/results.csv")
    assert [setting.input for setting in evidence] == ["normalized", "raw"]
    assert {(setting.train_size, setting.epochs) for setting in evidence} == {(60_000, 1_000)}
    for results in evidence.values():
        assert {outcome.seeds for outcome in results.values()} == {(0, 1, 2, 3)}
        assert len(results) == 10


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,accuracy\nReLU,90\n", "line 2 is not a run"),
        (
            HEADER + "ReLU,0,mnist,raw,50,4,0.001,90,0,0,0,0,ok\nReLU,1,mnist,raw,50,4,0.001,ninety,0,0,0,0,ok\n",
            "line 3 is not",
        ),
        (HEADER + "ReLU,0,mnist\n", "results.csv, line 2"),
    ],
)
def test_a_file_that_is_not_results_is_refused_with_the_line(tmp_path, text, problem):
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        read_csv(path)


def test_accuracies_in_the_order_of_seeds(runs):
    assert replace(runs(0, 0, 3), accuracies=(1.0, 2.0, 3.0), seeds=(5, 4, 6)).by_seed == (2.0, 1.0, 3.0)
