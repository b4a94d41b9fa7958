"""Plans: every option of a request reaches the runs, and every setting has a folder of its own."""

from dataclasses import fields

import pytest

from tinydist import reproduce
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


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,x,kind\n" + "".join(f"{n},{n},{'ab'[n % 2]}\n" for n in range(30)) + "30,NA,a\n")
    return path


def test_options_of_a_table_become_part_of_the_name_of_its_data_and_the_reading_is_kept(table, tmp_path):
    given = {"dataset": f"{table}:kind", "drop": "id", "missing": "drop", "models": "ReLU", "epochs": 1, "runs": 1}
    plan = make_plan(Request(**given))
    assert {config.dataset for config in plan.configs} == {f"{table}:kind?drop=id&missing=drop"}
    assert "Left out: id (as asked)" in plan.heading
    assert "1 of 31 rows left out" in plan.heading
    reproduce.run(**given, report=False, jobs=1, out=tmp_path / "out")
    (kept,) = (tmp_path / "out").glob("data-mine.csv-kind-*.txt")
    assert kept.read_text(encoding="utf-8").strip() in plan.heading


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"missing": "drop"}, "--missing: for a table of your own; give --dataset"),
        ({"dataset": "mnist", "missing": "drop"}, "mnist is not of the form FILE.csv:COLUMN or FILE.arff:COLUMN"),
        ({"dataset": "a.csv:b", "missing": "zero"}, "--missing: expected one of refuse, drop, mean, got 'zero'"),
    ],
)
def test_options_of_a_table_that_do_not_go_together(request_, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_plan(Request(**SMALL | request_))


@pytest.mark.parametrize(
    ("request_", "input", "lr", "said"),
    [
        ({"dataset": "wine"}, "normalized", 0.1, True),
        ({"dataset": "gun-point"}, "normalized", 0.1, True),
        ({"dataset": "wine", "input": "raw"}, "raw", 0.001, False),
        ({"dataset": "wine", "lr": 0.5}, "normalized", 0.5, True),
        ({"dataset": "wine", "input": "unit"}, "unit", 0.1, True),
        ({"dataset": "wine", "input": "raw", "lr": 0.5}, "raw", 0.5, False),
        ({}, "raw", 0.001, False),
    ],
)
def test_tables_and_series_are_learnt_by_default(request_, input, lr, said):
    plan = make_plan(Request(models=["ReLU"], epochs=2, runs=1, **request_))
    assert {(config.input, config.lr) for config in plan.configs} == {(input, lr)}
    assert ("little is learnt of data that are no images" in " ".join(plan.heading.split())) == said
