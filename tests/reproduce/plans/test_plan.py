"""Plans: every option of a request reaches the runs, and every setting has a folder of its own."""

from dataclasses import fields

import pytest

from tinydist.reproduce.plans.plan import make_plan
from tinydist.reproduce.plans.request import Request
from tinydist.reproduce.runs.settings import RunConfig, Setting

GIVEN = {
    **{"dataset": "wine", "input": "unit", "train_size": 50, "epochs": 7, "lr": 0.5, "optimizer": "adam"},
    **{"batch_size": 5, "seed": 3, "layout": "dense", "chunk_size": 4},
}
"""A value for every option that is a field of a run, none of them the default."""
SMALL = {"models": ["ReLU"], "train_size": 60, "epochs": 2, "runs": 1}


@pytest.mark.parametrize("name", sorted({f.name for f in fields(Request)} & {f.name for f in fields(RunConfig)}))
def test_an_option_that_is_a_field_of_a_run_reaches_every_run(name):
    """Add a value to GIVEN for a new one."""
    plan = make_plan(Request(**SMALL | {name: GIVEN[name]}))
    assert {getattr(config, name) for config in plan.configs} == {GIVEN[name]}


@pytest.mark.parametrize("name", sorted({f.name for f in fields(Request)} & {f.name for f in fields(Setting)}))
def test_settings_that_differ_have_folders_that_differ(name):
    assert make_plan(Request(**SMALL | {name: GIVEN[name]})).out != make_plan(Request(**SMALL)).out


@pytest.mark.parametrize(
    ("request_", "folder"),
    [
        ({}, "mnist-raw-sparse-60-images-2-epochs-lr0.001"),
        ({"optimizer": "adam", "batch_size": 1_000}, "mnist-raw-dense-60-images-2-epochs-lr0.001-adam-batches-of-1000"),
        ({"chunk_size": 16}, "mnist-raw-dense-60-images-2-epochs-lr0.001-chunks-of-16"),
        ({"input": ["raw", "normalized"], "lr": 0.5}, "mnist-raw+normalized-sparse-60-images-2-epochs-lr0.5"),
        ({"study": "dying", "models": None}, "dying-mnist-raw-sparse-60-images-2-epochs-lr0.001"),
    ],
    ids=str,
)
def test_the_names_of_folders_are_those_of_earlier_versions(request_, folder):
    assert make_plan(Request(**SMALL | request_)).out.name == folder
