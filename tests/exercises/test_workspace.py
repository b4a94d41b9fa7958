import json

import pytest

from tinydist.exercises.exercise import ExerciseError
from tinydist.exercises.table import EXERCISES, file_name, find
from tinydist.exercises.workspace import STATE, Workspace


def contents(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_start_makes_a_file_for_each_exercise(tmp_path):
    _, written = Workspace.start(tmp_path / "a" / "b")
    files = contents(tmp_path / "a" / "b")
    assert set(files) == set(written) == {*map(file_name, EXERCISES), "README.md", "pytest.ini", STATE}
    for exercise in EXERCISES:
        compile(files[file_name(exercise)], file_name(exercise), "exec")


def test_start_on_an_existing_folder_adds_only_what_is_missing(workspace):
    (workspace.folder / "02_mul.py").write_text("mine", encoding="utf-8")
    (workspace.folder / "notes.txt").write_text("mine", encoding="utf-8")
    (workspace.folder / "README.md").write_text("mine", encoding="utf-8")
    (workspace.folder / "04_sum.py").unlink()
    before = contents(workspace.folder)
    _, written = Workspace.start(workspace.folder)
    assert written == ["04_sum.py"]
    after = contents(workspace.folder)
    assert {name: after[name] for name in before} == before
    assert Workspace.start(workspace.folder)[1] == []


def test_start_refuses_a_folder_with_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(ExerciseError, match=r"holds other files. Choose a new folder"):
        Workspace.start(tmp_path)
    assert contents(tmp_path) == {"thesis.tex": "x"}


def test_start_takes_an_empty_folder(tmp_path):
    Workspace.start(tmp_path)
    assert len(contents(tmp_path)) == len(EXERCISES) + 3


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ExerciseError, match=r"cannot write in .*file.*Choose another folder"):
        Workspace.start(tmp_path / "file" / "exercises")


def test_open_wants_a_folder_of_exercises(tmp_path):
    with pytest.raises(ExerciseError, match=r"the folder .* is missing. Make it: python -m tinydist.exercises start"):
        Workspace.open(tmp_path / "nowhere")
    with pytest.raises(ExerciseError, match="is not a folder of exercises"):
        Workspace.open(tmp_path)


def test_open_knows_the_folder_without_its_state(workspace):
    (workspace.folder / STATE).unlink()
    assert Workspace.open(workspace.folder) == workspace


def test_reset_keeps_every_version(workspace):
    exercise = find("mul")
    path = workspace.path(exercise)
    fresh = path.read_text(encoding="utf-8")
    kept = []
    for text in ("first", "second"):
        path.write_text(text, encoding="utf-8")
        kept.append(workspace.reset(exercise))
        assert path.read_text(encoding="utf-8") == fresh
    assert [backup.name for backup in kept] == ["02_mul.py.1", "02_mul.py.2"]
    assert [backup.read_text(encoding="utf-8") for backup in kept] == ["first", "second"]


def test_reset_of_a_deleted_file_writes_it_again(workspace):
    path = workspace.path(find("mul"))
    path.unlink()
    assert workspace.reset(find("mul")) is None
    assert path.exists()


def test_hints_come_one_by_one_and_are_remembered(workspace):
    exercise = find("mul")
    counts = [Workspace.open(workspace.folder).next_hint(exercise) for _ in range(5)]
    assert counts == [1, 2, 3, 3, 3]
    assert workspace.next_hint(find("sum")) == 1
    assert json.loads((workspace.folder / STATE).read_text(encoding="utf-8")) == {"hints": {"mul": 3, "sum": 1}}


@pytest.mark.parametrize("spoiled", ["", "{", "[]", '{"hints": 3}', '{"hints": {"mul": "x"}}'])
def test_a_spoiled_state_starts_the_hints_again(workspace, spoiled):
    (workspace.folder / STATE).write_text(spoiled, encoding="utf-8")
    assert workspace.next_hint(find("mul")) == 1
