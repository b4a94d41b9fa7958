"""Settings: one definition, from which pooling, labels and columns follow; and what older versions left on disk."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pytest

from tinydist.reproduce.evidence.outcomes import grouped
from tinydist.reproduce.evidence.tables_of_runs import read_csv
from tinydist.reproduce.runs.checkpoints import find_checkpoint
from tinydist.reproduce.runs.records import identity, load_config, load_record
from tinydist.reproduce.runs.seals import sealed
from tinydist.reproduce.runs.settings import LR, RunConfig, Setting

RESULTS = Path(__file__).parents[3] / "data/results"
OTHER = {
    **{"dataset": "wine", "input": "unit", "train_size": 7, "epochs": 9, "lr": 0.5, "optimizer": "adam"},
    **{"batch_size": 5, "hidden": 3, "initialization": "he", "first_init": 0.5, "first_step": 0.25},
    **{"last_init": 2.0, "last_step": 4.0},
}
"""For every field a value that is not the paper's."""

every_field = pytest.mark.parametrize("name", [f.name for f in fields(Setting)])


def test_runs_of_one_setting_differ_in_these_alone():
    """A field of RunConfig alone would be pooled into one verdict: a new hyperparameter belongs in Setting."""
    own = {f.name for f in fields(RunConfig)} - {f.name for f in fields(Setting)}
    assert own == {"model", "seed", "layout", "chunk_size", "arm"}


@every_field
def test_a_field_that_differs_is_never_pooled_and_never_silent(name, record):
    base = record("ReLU", 0)
    other = replace(base, config=replace(base.config, **{name: OTHER[name]}))
    assert len(grouped([base, other])) == 2
    assert str(other.config.setting) != str(base.config.setting)
    assert not other.config.setting.as_in_the_paper or name in ("train_size", "epochs")
    assert other.row()[name] == OTHER[name]
    assert Setting.from_row({key: str(value) for key, value in other.row().items()}) == other.config.setting


def test_a_hyperparameter_that_is_added_takes_part_everywhere() -> None:
    @dataclass(frozen=True)
    class WithDecay(Setting):
        weight_decay: float = field(default=0.0, metadata={"words": "weight decay {:g}"})

    plain = ("mnist", "raw", 60_000, 5_000, LR)
    assert WithDecay(*plain) != WithDecay(*plain, weight_decay=0.1)
    assert WithDecay(*plain).changes == ""
    assert WithDecay(*plain, weight_decay=0.1).changes == ", weight decay 0.1"
    assert not WithDecay(*plain, weight_decay=0.1).as_in_the_paper
    row = {"dataset": "mnist", "input": "raw", "train_size": "60000", "epochs": "5000", "lr": "0.001"}
    assert WithDecay.from_row(row | {"weight_decay": "0.1"}).weight_decay == 0.1
    assert WithDecay.from_row(row) == WithDecay(*plain)


def test_every_field_beyond_the_sizes_has_the_papers_value_and_words_for_others():
    for f in fields(Setting)[5:]:
        assert "{" in f.metadata["words"]
    assert Setting("mnist", "raw", 60_000, 5_000, LR).as_in_the_paper


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/results*.csv")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_results_that_come_with_the_project_still_load(path):
    found = read_csv(path)
    assert found
    assert all(results for results in found.values())


OLD = {
    **{"model": "ReLU", "seed": 0, "dataset": "mnist", "input": "raw", "layout": "sparse", "train_size": 60},
    **{"epochs": 3, "lr": 0.001, "optimizer": "sgd", "batch_size": None, "chunk_size": None, "hidden": 128},
    **{"initialization": "uniform", "first_init": 1.0, "first_step": 1.0, "arm": ""},
}
"""The settings of config.json in the order in which version 0.1.0 wrote them."""


def test_a_run_that_an_earlier_version_left_still_loads(tmp_path, record):
    made = record("ReLU", 0, layout="sparse", train_size=60, epochs=3)
    folder = made.config.folder(tmp_path)
    folder.mkdir(parents=True)
    contents = {"settings": OLD, "data": made.config.checksums(), "parts": []}
    (folder / "config.json").write_text(json.dumps(sealed(contents)))
    made.save(tmp_path)
    assert load_config(folder) == (made.config, [])
    assert load_record(folder) == made


def test_a_checkpoint_that_an_earlier_version_left_still_loads(tmp_path, config):
    made = config("ReLU", 0, layout="sparse", train_size=60, epochs=3)
    path = made.folder(tmp_path) / "checkpoint.npz"
    path.parent.mkdir(parents=True)
    contents = {"settings": OLD, "data": made.checksums(), "parts": []}
    path.with_name("config.json").write_text(json.dumps(sealed(contents)))
    about = {"run": identity(path.parent), "arrays": ["weights.w"], "settings": OLD, "epoch": 2, "seconds": 1.5}
    np.savez(path, about=np.array(json.dumps(sealed({**about, "curve": []}))), **{"weights.w": np.ones(3)})
    checkpoint = find_checkpoint(made, tmp_path)
    assert checkpoint is not None
    assert (checkpoint.config, checkpoint.epoch) == (made, 2)
