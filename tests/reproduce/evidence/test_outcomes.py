from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tinydist.errors import DataError
from tinydist.reproduce.evidence.outcomes import (
    Outcome,
    by_setting,
    outcomes,
    overlap,
    read_csv,
    rounding,
    rows_counted,
)
from tinydist.reproduce.runs.settings import Setting

HEADER = (
    "model,seed,dataset,input,train_size,epochs,lr,test_accuracy,dead_outputs,dead_hidden,"
    "outputs_below_1_percent,outputs_below_5_percent,status\n"
)


def test_no_runs_have_no_outcomes():
    assert outcomes([]) == {}


def test_failed_runs_are_left_out(record):
    failed = record("Abs", 0, status="diverged")
    runs = [record("ReLU", 0, 90.0), failed, record("ReLU", 1, 80.0, dead=3, dead_hidden=7)]
    found = replace(outcomes(runs)["ReLU"], rounding=0.0)
    assert found == Outcome((90.0, 80.0), (0, 3), (0, 1), (0, 7), (1, 4), (2, 5))
    assert outcomes(runs)["ReLU"].dead_nodes == (0, 10)


def test_inputs_sizes_and_rates_are_kept_apart(record):
    base = record("ReLU", 0, 90.0)
    others = [{"input": "normalized"}, {"train_size": 51}, {"epochs": 5}, {"lr": 0.01}, {"dataset": "fashion-mnist"}]
    others += [{"optimizer": "adam"}, {"batch_size": 10}]
    runs = [base, *(replace(base, config=replace(base.config, **change)) for change in others)]
    grouped = by_setting(runs)
    assert len(grouped) == len(runs)
    found = [replace(results["ReLU"], rounding=0.0) for results in grouped.values()]
    assert found == [Outcome((90.0,), (0,), (0,), (0,), (1,), (2,))] * len(runs)


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
        record("ReLU", 2, status="diverged"),
        record("Abs", 0, 70.0, input="normalized"),
        record("Abs", 0, 70.0, dataset="wine"),
        record("Abs", 0, 75.0, optimizer="adam", batch_size=10),
    ]
    rows = [record.row() for record in runs]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [rows[0], *(row.values() for row in rows)]))
    assert read_csv(path) == by_setting(runs)
    assert next(iter(read_csv(path).values()))["ReLU"].failed == 1


def test_a_run_that_is_there_twice_is_refused(record, tmp_path):
    """Held in another way it is still the same run, to the rounding: no second piece of evidence."""
    twice = [record("ReLU", 0, 90.0), record("ReLU", 1, 91.0), record("ReLU", 0, 90.0, layout="sparse")]
    with pytest.raises(DataError, match=r"ReLU has 2 runs of seed 0 .* expected one of each seed"):
        outcomes(twice)
    rows = [run.row() for run in twice]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [rows[0], *(row.values() for row in rows)]))
    with pytest.raises(DataError, match=r"results.csv: ReLU has 2 runs of seed 0"):
        read_csv(path)


@pytest.mark.parametrize("rows", [12, 54, 150, 10_000])
def test_rows_are_counted_from_accuracies(rows):
    right = np.random.default_rng(rows).integers(rows // 2, rows + 1, 30)
    assert rows_counted(100 * k / rows for k in right.tolist()) == rows
    assert rounding(rows) == pytest.approx(100 / rows * stats.uniform.std())


def test_accuracies_that_are_all_alike_say_of_no_more_than_their_own_rows():
    assert rows_counted([100.0, 100.0]) == 1
    assert rows_counted([50.0, 75.0]) == 4
    assert rows_counted([10 * np.pi, 30 * np.e]) == 0  # of no number of rows
    assert rows_counted([100 / 1_000_000]) == 1_000_000
    assert rows_counted([100 / 999_999, 50.0]) == 0  # 1,999,998 are more than accuracies are taken to be counted on
    assert rounding(0) == 0


@pytest.mark.parametrize(
    ("dataset", "train_size", "expected"),
    [
        ("mnist", 60, 0),
        ("gun-point", 50, 0),
        ("wine", 124, 54 / 124),
        ("wine", 60, 0.9),
        ("missing.csv:kind", 124, 54 / 124),
    ],
)
def test_rows_that_are_split_anew_for_each_seed_overlap(dataset, train_size, expected):
    assert overlap(54, Setting(dataset, "raw", train_size, 5, 0.1)) == pytest.approx(expected)
    assert overlap(0, Setting(dataset, "raw", train_size, 5, 0.1)) == (pytest.approx(3 / 7) if expected else 0)


def test_the_quick_run_that_comes_with_the_project_can_be_read():
    path = Path(__file__).parents[3] / "data/results/quick/results.csv"
    ((setting, results),) = read_csv(path).items()
    assert setting == Setting("mnist", "raw", 1_000, 350, 0.001)
    assert {len(outcome.accuracies) for outcome in results.values()} == {8}


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
        (HEADER + "ReLU,0,mnist,raw,50,4,0.001,90,0\n", "line 2 .* other cells than the first line has columns"),
        (HEADER + "ReLU,0,mnist,raw,50,4,0.001,90,0,0,0,0,ok,0\n", "line 2 .* other cells"),
        (HEADER + '\nReLU,0,mnist,raw,50,4,0.001,,,,,,"loss\nnan"\nReLU\n', "line 5 is not"),
    ],
)
def test_a_file_that_is_not_results_is_refused_with_the_line(tmp_path, text, problem):
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        read_csv(path)


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ("nan,0,0,0,0", "a test_accuracy of nan is not between 0 and 100 percent"),
        ("inf,0,0,0,0", "a test_accuracy of inf"),
        ("100.01,0,0,0,0", "a test_accuracy of 100.01"),
        ("-0.01,0,0,0,0", "a test_accuracy of -0.01"),
        *((f"90,{counts}", "fewer than 0 units") for counts in ("-1,0,0,0", "0,-1,0,0", "0,0,-1,0", "0,0,0,-1")),
        *((f"90,{counts}", "more than its 10 outputs") for counts in ("11,0,0,0", "0,0,11,0", "0,0,0,11")),
    ],
)
def test_numbers_that_no_run_can_have_are_refused_with_the_line(tmp_path, numbers, problem):
    path = tmp_path / "results.csv"
    possible = "100,10,128,10,10", "0,0,0,0,0"
    rows = [f"ReLU,{seed},mnist,raw,50,4,0.001,{row},ok\n" for seed, row in enumerate([*possible, numbers])]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    with pytest.raises(DataError, match=rf"results.csv, line 4 is not a run \(ValueError: .*{problem}"):
        read_csv(path)


def test_accuracies_in_the_order_of_seeds(runs):
    assert replace(runs(0, 0, 3), accuracies=(1.0, 2.0, 3.0), seeds=(5, 4, 6)).by_seed == (2.0, 1.0, 3.0)


def test_what_is_known_of_the_test_rows_and_of_the_outputs_reaches_every_outcome(record):
    """Accuracies of 90 and 92.5 percent are whole shares of 40 rows; wine is split anew for each seed."""
    runs = [record("ReLU", seed, accuracy, dataset="wine", train_size=120) for seed, accuracy in ((0, 90.0), (1, 92.5))]
    of_three = [replace(run, curve=(replace(run.final, output_activity=(1.0,) * 3),)) for run in runs]
    found = outcomes(of_three)["ReLU"]
    assert found.rounding == pytest.approx(100 / 40 / np.sqrt(12))
    assert found.overlap == pytest.approx(0.3 / 0.7)
    assert found.outputs == 3


def test_every_failed_run_of_results_csv_is_counted(tmp_path):
    path = tmp_path / "results.csv"
    lines = [f"ReLU,{seed},mnist,raw,60,5,0.001,90.0,0,0,0,0,ok" for seed in range(2)]
    lines += [f"ReLU,{seed},mnist,raw,60,5,0.001,,,,,,diverged" for seed in range(2, 5)]
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    (results,) = read_csv(path).values()
    assert (results["ReLU"].failed, results["ReLU"].outputs) == (3, 10)
