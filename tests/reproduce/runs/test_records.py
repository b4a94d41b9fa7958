import csv
import json
from dataclasses import replace

import pytest

from tinydist.errors import DataError
from tinydist.reproduce.runs.records import (
    all_finished,
    load_config,
    load_configs,
    load_finished,
    load_record,
    long_first_steps,
    write_config,
    write_csv,
)
from tinydist.reproduce.runs.seals import opened, sealed

COLUMNS = {
    *("model", "seed", "dataset", "input", "train_size", "epochs", "lr", "test_accuracy", "train_accuracy"),
    *("train_loss", "dead_outputs", "dead_hidden", "outputs_below_1_percent", "outputs_below_5_percent", "seconds"),
}


@pytest.fixture
def saved(record, tmp_path):
    """Make a record and save it with its config."""

    def save(*arguments, **settings):
        run = record(*arguments, **settings)
        write_config(run.config, tmp_path, parts=[])
        run.save(tmp_path)
        return run

    return save


def test_a_record_comes_back_as_it_was_saved(saved, tmp_path):
    original = saved("Abs2-Neg", 3, accuracy=71.234567890123)
    assert load_record(original.config.folder(tmp_path)) == original


def test_csv_has_a_row_for_each_run_whatever_its_fate(saved, config, tmp_path):
    for run in [("ReLU", 1), ("ReLU", 0, 80.0, 2), ("ReLU", 10), ("Abs", 0, 90.0, 0, "diverged: loss nan")]:
        saved(*run)
    write_config(config("Abs", 1), tmp_path, parts=[])  # not finished
    with write_csv(tmp_path, all_finished(tmp_path)).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= COLUMNS
    assert [(row["model"], row["seed"], row["test_accuracy"]) for row in rows] == [
        ("Abs", "0", ""),
        ("ReLU", "0", "80.0"),
        ("ReLU", "1", "90.0"),
        ("ReLU", "10", "90.0"),
    ]
    assert rows[0]["status"] == "diverged: loss nan"
    assert [rows[1][name] for name in ("dead_outputs", "dead_hidden")] == ["2", "0"]
    assert [rows[1][f"outputs_below_{percent}_percent"] for percent in (1, 5)] == ["3", "4"]


def test_only_finished_runs_are_found(saved, config, tmp_path):
    finished = saved("ReLU", 0)
    write_config(config("ReLU", 1), tmp_path, parts=[])
    configs = [config("ReLU", seed) for seed in range(3)]
    assert load_finished(configs, tmp_path) == {finished.config: finished}


def test_runs_with_other_settings_are_not_mistaken_for_these(config, tmp_path):
    """Whether they are finished or not."""
    write_config(config("ReLU", 0, lr=0.01, epochs=7), tmp_path, parts=[])
    with pytest.raises(DataError, match=r"epochs 7 \(now 4\), lr 0.01 \(now 0.001\).*--out"):
        load_finished([config("ReLU", 0)], tmp_path)


@pytest.mark.parametrize(
    "contents",
    ["", '{"status": "ok"', "[]", '{"status": "ok", "seconds": 1}', '{"status": "ok", "seconds": 1, "curve": []}'],
)
def test_a_damaged_result_is_named(saved, config, tmp_path, contents):
    saved("ReLU", 0)
    (config("ReLU", 0).folder(tmp_path) / "result.json").write_text(contents)
    with pytest.raises(DataError, match=r"result.json is damaged .*delete the folder ReLU-raw-seed0"):
        load_finished([config("ReLU", 0)], tmp_path)


@pytest.mark.parametrize("contents", ["", "[]", json.dumps(sealed({"settings": {"model": "ReLU"}}))])
def test_a_damaged_config_is_named(saved, config, tmp_path, contents):
    saved("ReLU", 0)
    (config("ReLU", 0).folder(tmp_path) / "config.json").write_text(contents)
    with pytest.raises(
        DataError, match=r"config.json is damaged, or not the config of this run.*delete the folder ReLU-raw-seed0"
    ):
        load_finished([config("ReLU", 0)], tmp_path)


def test_a_result_without_its_config_is_not_believed(saved, config, tmp_path):
    (saved("ReLU", 0).config.folder(tmp_path) / "config.json").unlink()
    with pytest.raises(DataError, match=r"config.json is missing; delete the folder ReLU-raw-seed0"):
        load_finished([config("ReLU", 0)], tmp_path)


def test_a_folder_under_another_runs_name_is_refused(saved, config, tmp_path):
    saved("ReLU", 0)
    config("ReLU", 0).folder(tmp_path).rename(config("ReLU", 1).folder(tmp_path))
    with pytest.raises(DataError, match="it is of another run, ReLU raw seed 0"):
        load_finished([config("ReLU", 1)], tmp_path)


def test_runs_on_other_data_are_refused(saved, config, tmp_path):
    saved("ReLU", 0)
    path = config("ReLU", 0).folder(tmp_path) / "config.json"
    contents = opened(path.read_text())
    contents["data"]["train-labels-idx1-ubyte"] = "0" * 64
    path.write_text(json.dumps(sealed(contents)))
    with pytest.raises(DataError, match="data set mnist had other contents"):
        load_finished([config("ReLU", 0)], tmp_path)


def test_versions_and_machine_are_for_information_only(saved, config, tmp_path):
    finished = saved("ReLU", 0)
    parts = [{"start": 0, "versions": {"numpy": "1.0"}, "machine": {"processor": "abacus"}}]
    write_config(finished.config, tmp_path, parts)
    assert load_config(finished.config.folder(tmp_path)) == (finished.config, parts)
    assert load_finished([config("ReLU", 0)], tmp_path) == {finished.config: finished}


def test_records_of_the_older_form_are_not_mixed_with_new_ones(config, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "ReLU-seed0.json").write_text("{}")
    with pytest.raises(DataError, match=r"older version recorded them \(runs/ReLU-seed0.json\).*--out"):
        load_finished([config("ReLU", 0)], tmp_path)


def test_a_folder_that_was_just_being_made_when_the_process_was_killed_is_no_run(config, tmp_path):
    folder = config("ReLU", 0).folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / ".config.123.json").write_text("{")
    assert load_finished([config("ReLU", 0)], tmp_path) == {}


def test_pandas_reads_the_csv(saved, tmp_path):
    pandas = pytest.importorskip("pandas")
    for run in [("ReLU", 0, 80.0, 2), ("ReLU", 1), ("Abs", 0, 90.0, 0, "diverged: loss, nan")]:
        saved(*run)
    table = pandas.read_csv(write_csv(tmp_path, all_finished(tmp_path)))
    good = table[table.status == "ok"]
    assert good.groupby("model").test_accuracy.mean().to_dict() == {"ReLU": 85.0}
    assert table[["seed", "epochs", "train_size"]].dtypes.unique().tolist() == ["int64"]
    assert table.status.tolist() == ["diverged: loss, nan", "ok", "ok"]


def test_arms_of_a_study_have_folders_of_their_own(config, tmp_path):
    arms = [config("ReLU", 0, lr=lr, arm=f"lr{lr:g}") for lr in (0.1, 0.01)]
    for arm in arms:
        write_config(arm, tmp_path, parts=[])
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["ReLU-raw-lr0.01-seed0", "ReLU-raw-lr0.1-seed0"]
    assert set(load_configs(tmp_path)) == set(arms)
    assert str(arms[0]) == "ReLU raw lr0.1 seed 0"


def test_models_whose_first_step_may_switch_outputs_off_are_named_with_their_largest_overshoot(record):
    def run(model, overshoot):
        return replace(record(model), overshoot=overshoot)

    safe = [run("ReLU", 9.0), run("Abs2", 9.0), run("ELU2-Neg", 9.0), run("ReLU-L2", 9.0), run("ReLU2", 0.7)]
    assert long_first_steps([*safe, run("SiLU2", None)]) == ""
    long = [run("ReLU2", 0.9), run("ReLU2", 1.53), run("GELU2-Neg", 0.71)]
    assert long_first_steps([*safe, *long]) == (
        "The first step may have switched outputs off (κ above 0.7): ReLU2 1.5, GELU2-Neg 0.71"
    )
