"""Whose a folder is, what may be written into it, and what of it cannot be read."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from tinydist import datasets
from tinydist.errors import DataError
from tinydist.reproduce import cli
from tinydist.reproduce.plans import budget
from tinydist.reproduce.report import exhibits, page
from tinydist.reproduce.report.exhibits import Exhibit
from tinydist.reproduce.runs import run
from tinydist.reproduce.runs.export import export
from tinydist.reproduce.runs.records import load_configs

EVIDENCE = Path(__file__).parents[2] / "data" / "results"
TINY = ["--models", "ReLU", "--train-size", "60", "--epochs", "2", "--runs", "1", "--jobs", "1", "--no-report"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path, capsys):
    """A results folder with a finished run."""
    assert cli.main([*TINY, "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    return tmp_path / "out"


@pytest.fixture
def no_exhibits(monkeypatch, pixel):
    """Reports with one small figure, since many take seconds."""
    figure = Exhibit("one", "One figure", "a text", "a table", pixel)
    monkeypatch.setattr(exhibits, "from_records", lambda *_: [lambda: figure])
    monkeypatch.setattr(exhibits, "first_look", lambda _: [])


@pytest.mark.parametrize("name", ["quick", "activations", "datasets"])
def test_committed_evidence_is_not_replaced(name, tmp_path, refusal):
    shutil.copytree(EVIDENCE / name, tmp_path / "evidence")
    before = contents(tmp_path / "evidence")
    for flags in (TINY, ["--budget", "1h"]):
        assert "but no runs that they were made from" in (said := refusal(*flags, "--out", str(tmp_path / "evidence")))
        assert "Choose another folder with --out, or move them away" in said
    assert contents(tmp_path / "evidence") == before


@pytest.mark.parametrize("name", ["results.csv", "report.html", "figures/mine.png", "study/mine.txt"])
@pytest.mark.parametrize("beside", [None, "runs/mine/notes.txt"])
def test_files_of_somebody_else_are_not_replaced(name, beside, tmp_path, refusal):
    for mine in filter(None, (name, beside)):
        (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mine).write_text("mine")
    assert f"holds {name.partition('/')[0]}, but no runs" in refusal(*TINY, "--out", str(tmp_path))
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "runs" / "ReLU-raw-seed0").exists()


def test_rows_of_runs_that_are_not_there_are_not_lost(out, refusal):
    path = out / "results.csv"
    rows = (EVIDENCE / "quick" / "results.csv").read_text()
    path.write_text(rows)
    assert f"{path} holds {len(rows.splitlines()) - 1} rows that are not of the runs in" in refusal(
        *TINY, "--out", str(out)
    )
    assert path.read_text() == rows


def test_a_run_that_was_deleted_as_an_error_advised_is_repeated(out):
    both = [*TINY, "--runs", "2", "--out", str(out)]
    assert cli.main(both) == 0
    before = (out / "results.csv").read_text()
    shutil.rmtree(out / "runs" / "ReLU-raw-seed0")
    assert cli.main(both) == 0
    tables = [list(csv.DictReader(text.splitlines())) for text in (before, (out / "results.csv").read_text())]
    assert [row | {"seconds": ""} for row in tables[0]] == [row | {"seconds": ""} for row in tables[1]]


def test_a_folder_with_other_things_and_an_empty_table_is_taken(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "results.csv").touch()
    assert cli.main([*TINY, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "link to nowhere", "loop", "in a file"])
def test_what_is_no_folder_is_refused_before_any_work(kind, tmp_path, refusal):
    path = tmp_path / "out"
    match kind:
        case "file" | "in a file":
            path.write_text("mine")
        case "link to nowhere":
            path.symlink_to(tmp_path / "nowhere")
        case "loop":
            path.symlink_to(path)
    given = path / "deeper" if kind == "in a file" else path
    assert f"{path} is a file, or a link that leads nowhere" in refusal(*TINY, "--out", str(given))


FOREIGN = [".DS_Store", "Thumbs.db", "notes.txt", ".ipynb_checkpoints/config-checkpoint.json", "old/backup.zip"]


@pytest.mark.usefixtures("no_exhibits")
def test_what_is_not_a_run_is_left_alone(out):
    """In the results folder, in runs/ and in the folder of a half-done run."""
    folder = out / "runs" / "ReLU-raw-seed0"
    (folder / "result.json").unlink()
    places = [place / name for place in (out, out / "runs", folder) for name in FOREIGN]
    for path in places:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (out / "runs" / ".trash" / "ReLU-raw-seed0").mkdir(parents=True)
    (out / "runs" / ".trash" / "config.json").write_text("{}")
    assert cli.main([*TINY, "--out", str(out)]) == 0
    for command in (["status"], ["report"], ["export", "--to", "tensorboard"]):
        assert cli.main([command[0], str(out), *command[1:]]) == 0
    assert {path.read_text() for path in places} == {"mine"}
    assert len(load_configs(out)) == 1


@pytest.fixture
def forbidden(monkeypatch):
    """Take away the permission to read a file or list a folder; even root has none then."""

    def forbid(hidden):
        def guarded(method):
            original = getattr(Path, method)

            def refuse(path, *arguments, **options):
                if path == hidden or (hidden in path.parents and hidden.is_dir()):
                    raise PermissionError(13, "Permission denied", str(path))
                return original(path, *arguments, **options)

            monkeypatch.setattr(Path, method, refuse)

        for method in ("iterdir", "read_bytes", "read_text", "open"):
            guarded(method)

    return forbid


@pytest.mark.parametrize("name", ["", "config.json", "result.json"])
def test_a_lack_of_permission_is_called_one(name, out, forbidden, refusal):
    table = (out / "results.csv").read_text()
    forbidden(hidden := out / "runs" / "ReLU-raw-seed0" / name)
    for command in ([*TINY, "--out", str(out)], ["status", str(out)], ["report", str(out)]):
        said = refusal(*command)
        assert f"{hidden} cannot be read: permission denied" in said
        assert "chmod" in said
        assert "delete" not in said
    assert (out / "results.csv").read_text() == table


def test_an_unreadable_checkpoint_is_not_removed(config, tmp_path, forbidden):
    from tests.reproduce.runs.test_damage import stop
    from tinydist.reproduce.runs.pool import LocalPool
    from tinydist.reproduce.runs.sweep import sweep

    stop(config(), tmp_path)
    path = config().folder(tmp_path) / "checkpoint.npz"
    forbidden(path)
    with pytest.raises(PermissionError, match="permission denied"):
        sweep([config()], tmp_path, LocalPool(1))
    assert path.is_file()


def test_a_folder_that_may_not_be_written_is_refused_before_any_work(tmp_path, monkeypatch, refusal):
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    assert f"{tmp_path} cannot be written: permission denied" in refusal(*TINY, "--out", str(tmp_path / "new" / "one"))


def test_a_report_that_may_not_be_written_is_refused_before_its_figures(out, monkeypatch, refusal):
    monkeypatch.setattr(os, "access", lambda path, _: path != out)
    monkeypatch.setattr(page, "_section", lambda *_: pytest.fail("figures were drawn"))
    assert f"{out} cannot be written: permission denied" in refusal("report", str(out))


def test_a_second_command_on_a_folder_at_work_is_refused(out, monkeypatch, refusal):
    pytest.importorskip("fcntl")
    monkeypatch.setattr(run, "PATIENCE", 0.1)
    before = contents(out)
    with run.held(out):
        assert f"another process is at work on {out}" in refusal(*TINY, "--runs", "3", "--out", str(out))
    assert contents(out) == before


def table(path, rows=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"{n},{n % 7},{'ab'[n % 2]}" for n in range(rows))
    path.write_text(f"x,y,class\n{lines}\n")
    return f"{path}:class"


FLAGS = [*TINY[:2], *TINY[4:-1], "--input", "normalized"]


@pytest.mark.usefixtures("no_exhibits")
def test_all_files_of_two_tables_of_one_name_are_in_the_folder(tmp_path):
    for model, place in (("ReLU", "a"), ("Abs", "b/..")):
        name = table(tmp_path / "data" / place / "my.csv")
        flags = ["--models", model, *FLAGS[2:], "--dataset", name, "--out", str(tmp_path / "out")]
        assert cli.main([*flags, "--no-report"]) == 0
    assert cli.main(["report", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "data").rglob("*")} == {"a", "b", "my.csv"}
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {
        "my.csv-class-normalized",
        "my.csv-class-normalized-2",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("/a/b.csv:class", "../../b.csv:class", "C:\\data\\b.csv:class", "..", "/", "..\\..", "a/..", ".hidden", "-"),
        *("b.csv:../../class", "b.csv:a/b", "b.csv:a\0b", "b.csv:a?missing=drop&drop=x*y|z", "x" * 300, "\u00e4" * 300),
        *("con:", "", "a\nb", "b.csv:\u202eclass"),
    ],
)
def test_a_short_name_is_the_name_of_one_file_within_its_folder(name, tmp_path):
    short = datasets.short_name(name)
    assert short
    assert not short.startswith((".", "-"))
    assert not set('/\\:*?"<>|\0\n') & set(short)
    assert len(short.encode()) < 120
    path = tmp_path / short
    path.touch()
    assert list(tmp_path.iterdir()) == [path]


def test_names_of_settings_are_never_the_same(config):
    paths = ["/a/x.csv:c", "/b/x.csv:c", "/b/X.csv:c", "/x.csv:c-2", "/x.csv:c-2-", "y" * 200, "y" * 201]
    names = page.short_names([config(dataset=path, lr=lr).setting for path in paths for lr in (0.1, 0.2)]).values()
    assert len({name.casefold() for name in names}) == 2 * len(paths)


@pytest.mark.usefixtures("no_exhibits")
def test_a_path_is_kept_whole_and_holds_in_any_folder(tmp_path, monkeypatch, capsys):
    table(tmp_path / "here" / "my.csv")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main([*FLAGS, "--dataset", "my.csv:class", "--out", "../out"]) == 0
    assert {config.dataset for config in load_configs(tmp_path / "out")} == {f"{tmp_path / 'here' / 'my.csv'}:class"}
    monkeypatch.chdir(tmp_path / "there")
    for command in (["status"], ["report"], ["export", "--to", "tensorboard"]):
        assert cli.main([command[0], "../out", *command[1:]]) == 0
    shutil.move(tmp_path / "here" / "my.csv", tmp_path / "there" / "my.csv")
    for command in (["status"], ["export", "--to", "tensorboard"]):
        assert cli.main([command[0], "../out", *command[1:]]) == 0
    capsys.readouterr()
    assert cli.main(["report", "../out"]) == 2
    assert f"{tmp_path / 'here' / 'my.csv'} is missing" in capsys.readouterr().err
    table(tmp_path / "here" / "my.csv", rows=61)
    assert cli.main(["report", "../out"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"the data set {tmp_path / 'here' / 'my.csv'}:class had other contents when" in said
    assert "Put the data back as they were" in said
    assert cli.main(["status", "../out"]) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist", "mnist"),
        ("minst", "minst"),
        ("my.csv:class", "{}/my.csv:class"),
        ("a/../my.csv:class", "{}/my.csv:class"),
        ("my.csv:a?missing=drop&drop=b:c", "{0}/my.csv:a?drop=b%3Ac&missing=drop"),
        ("my.csv.gz:class?test=../b.csv", "{0}/my.csv.gz:class?test={1}/b.csv"),
        ("folder", "{}/folder"),
        ("/absent/my.csv:class", "/absent/my.csv:class"),
    ],
)
def test_the_file_part_of_a_name_alone_is_made_absolute(name, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    here = tmp_path.resolve()
    assert datasets.resolved(name) == expected.format(here, here.parent)


def test_data_that_change_between_two_calls_are_read_anew(tmp_path):
    """In one process, such as a notebook's, which keeps the last data set in memory."""
    name = table(tmp_path / "my.csv")
    assert run.load_data(name, "raw", None, "auto").x_train.shape == (42, 2)
    table(tmp_path / "my.csv", rows=70)
    assert run.load_data(name, "raw", None, "auto").x_train.shape == (49, 2)


def test_an_export_of_another_folder_is_not_replaced(out, tmp_path):
    assert cli.main([*TINY, "--lr", "0.5", "--out", str(tmp_path / "other")]) == 0
    (path,) = export(out, tmp_path / "logs")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"tinydist is of another run, and would be lost. Choose another folder"):
        export(tmp_path / "other", tmp_path / "logs")
    assert path.read_bytes() == before
    assert export(out, tmp_path / "logs") == [path]


def test_a_budget_without_its_seal_is_refused(tmp_path):
    (tmp_path / budget.CHOICE).write_text("{}")
    with pytest.raises(DataError, match=r"budget.json is damaged \(its checksum 'sha256' is missing"):
        budget.within(3600, ["ReLU"], ["raw"], 1, tmp_path, None)
