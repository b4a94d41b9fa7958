import csv

import pytest

from tinydist.errors import DataError
from tinydist.reproduce.records import load_finished, load_record, write_csv

COLUMNS = {
    *("model", "seed", "dataset", "input", "train_size", "epochs", "lr", "test_accuracy", "train_accuracy"),
    *("train_loss", "dead_outputs", "seconds"),
}


def test_a_record_comes_back_as_it_was_saved(record, tmp_path):
    original = record("Abs2-Neg", 3, accuracy=71.234567890123)
    original.save(tmp_path)
    assert load_record(original.config.path(tmp_path)) == original


def test_csv_has_a_row_for_each_run_whatever_its_fate(record, tmp_path):
    runs = [record("ReLU", 1), record("ReLU", 0, 80.0, dead=2), record("Abs", 0, status="diverged: loss nan")]
    for run in runs:
        run.save(tmp_path)
    with write_csv(tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= COLUMNS
    assert [(row["model"], row["seed"], row["test_accuracy"]) for row in rows] == [
        ("Abs", "0", ""),
        ("ReLU", "0", "80.0"),
        ("ReLU", "1", "90.0"),
    ]
    assert rows[0]["status"] == "diverged: loss nan"
    assert rows[1]["dead_outputs"] == "2"


def test_only_finished_runs_are_found(record, config, tmp_path):
    finished = record("ReLU", 0)
    finished.save(tmp_path)
    assert load_finished([config("ReLU", 0), config("ReLU", 1)], tmp_path) == {finished.config: finished}


def test_runs_with_other_settings_are_not_mistaken_for_these(record, config, tmp_path):
    record("ReLU", 0, lr=0.01, epochs=7).save(tmp_path)
    with pytest.raises(DataError, match=r"epochs 7 \(now 4\), lr 0.01 \(now 0.001\).*--out"):
        load_finished([config("ReLU", 0)], tmp_path)


@pytest.mark.parametrize("contents", ["", '{"status": "ok"', "[]", '{"status": "ok", "seconds": 1, "curve": []}'])
def test_a_damaged_record_is_named(config, tmp_path, contents):
    path = config("ReLU", 0).path(tmp_path)
    path.parent.mkdir()
    path.write_text(contents)
    with pytest.raises(DataError, match=r"ReLU-seed0.json is not the record of a run.*delete it"):
        load_finished([config("ReLU", 0)], tmp_path)
