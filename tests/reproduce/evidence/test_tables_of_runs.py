from pathlib import Path

import pytest

from tinydist.errors import DataError
from tinydist.reproduce.evidence.outcomes import grouped, outcomes
from tinydist.reproduce.evidence.tables_of_runs import read_csv
from tinydist.reproduce.runs.settings import Setting

HEADER = (
    "model,seed,dataset,input,train_size,epochs,lr,test_accuracy,dead_outputs,dead_hidden,"
    "outputs_below_1_percent,outputs_below_5_percent,status\n"
)


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
    assert read_csv(path) == {setting: outcomes(group) for setting, group in grouped(runs).items()}
    assert next(iter(read_csv(path).values()))["ReLU"].failed == 1


def test_a_run_that_is_there_twice_is_refused(record, tmp_path):
    """Held in another way it is still the same run, to the rounding: no second piece of evidence."""
    twice = [record("ReLU", 0, 90.0), record("ReLU", 1, 91.0), record("ReLU", 0, 90.0, layout="sparse")]
    with pytest.raises(DataError, match=r"ReLU has 2 runs of seed 0 .* expected one of each seed"):
        outcomes(twice)
    rows = [run.row() for run in twice]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [rows[0], *(row.values() for row in rows)]))
    with pytest.raises(DataError, match=r"results.csv, line 4 .*ReLU has a run of seed 0"):
        read_csv(path)


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
        (
            "name,accuracy\nReLU,90\n",
            "no column model, seed, input, .* got 'name', 'accuracy' .is 'accuracy' test_accuracy.",
        ),
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
        ("nan,0,0,0,0", "test_accuracy nan is not between 0 and 100 percent"),
        ("inf,0,0,0,0", "test_accuracy inf"),
        ("100.01,0,0,0,0", "test_accuracy 100.01"),
        ("-0.01,0,0,0,0", "test_accuracy -0.01"),
        *((f"90,{counts}", "fewer than 0 units") for counts in ("-1,0,0,0", "0,-1,0,0", "0,0,-1,0", "0,0,0,-1")),
        *((f"90,{counts}", "more than its 10 outputs") for counts in ("11,0,0,0", "0,0,11,0", "0,0,0,11")),
    ],
)
def test_numbers_that_no_run_can_have_are_refused_with_the_line(tmp_path, numbers, problem):
    path = tmp_path / "results.csv"
    possible = "100,10,128,10,10", "0,0,0,0,0"
    rows = [f"ReLU,{seed},mnist,raw,50,4,0.001,{row},ok\n" for seed, row in enumerate([*possible, numbers])]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    with pytest.raises(DataError, match=rf"results.csv, line 4 is not a run: .*{problem}"):
        read_csv(path)


def test_every_failed_run_of_results_csv_is_counted(tmp_path):
    path = tmp_path / "results.csv"
    lines = [f"ReLU,{seed},mnist,raw,60,5,0.001,90.0,0,0,0,0,ok" for seed in range(2)]
    lines += [f"ReLU,{seed},mnist,raw,60,5,0.001,,,,,,diverged" for seed in range(2, 5)]
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    (results,) = read_csv(path).values()
    assert (results["ReLU"].failed, results["ReLU"].outputs) == (3, 10)
