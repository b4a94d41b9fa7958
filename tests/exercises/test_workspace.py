import json

import pytest

from tinydist.exercises.exercise import STATE, ExerciseError
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.table import EXERCISES, file_name, find
from tinydist.exercises.workspace import Workspace


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
    with pytest.raises(ExerciseError, match=r"the folder .* is missing. Make one: python -m tinydist.exercises start"):
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


def test_reset_of_a_fresh_file_keeps_no_copy_of_it(workspace):
    assert workspace.reset(find("mul")) is None
    assert not (workspace.folder / "02_mul.py.1").exists()


def test_reset_of_a_deleted_file_writes_it_again(workspace):
    path = workspace.path(find("mul"))
    path.unlink()
    assert workspace.reset(find("mul")) is None
    assert path.exists()


def test_hints_come_one_by_one_and_are_remembered(workspace):
    exercise = find("mul")
    counts = []
    for _ in range(5):
        counts.append(Workspace.open(workspace.folder).next_hint(exercise))
        workspace.remember_hints(exercise, counts[-1])
    assert counts == [1, 2, 3, 3, 3]
    assert workspace.next_hint(find("sum")) == 1
    workspace.remember_hints(find("sum"), 1)
    assert json.loads((workspace.folder / STATE).read_text(encoding="utf-8"))["hints"] == {"mul": 3, "sum": 1}


@pytest.mark.parametrize(
    "spoiled", ["", "{", "[]", '{"hints": 3}', '{"hints": {"mul": "x"}}', '{"judged": {"mul": 1}}']
)
def test_a_spoiled_state_starts_the_hints_again(workspace, spoiled):
    (workspace.folder / STATE).write_text(spoiled, encoding="utf-8")
    assert workspace.next_hint(find("mul")) == 1
    assert workspace.standings([find("mul")])[0].status == "not written"


def remember(workspace, judgement):
    workspace.remember(judgement, workspace.digest(judgement.exercise))


def test_a_result_is_remembered_for_as_long_as_the_file_stays_as_it_is(workspace):
    exercise = find("mul")
    path = workspace.path(exercise)
    assert workspace.standings([exercise])[0].status == "not written"
    path.write_text("def mul(a, b): ...\n", encoding="utf-8")
    assert workspace.standings([exercise])[0].status == "unchecked"
    remember(workspace, Judgement(exercise, "wrong", "because"))
    remember(workspace, Judgement(find("sum"), "passed"))
    workspace.remember_hints(exercise, 1)
    again = Workspace.open(workspace.folder)
    assert (again.standings([exercise])[0].status, again.standings([find("sum")])[0].status) == ("wrong", "passed")
    path.write_text("def mul(a, b): pass\n", encoding="utf-8")
    assert again.standings([exercise])[0].status == "unchecked"
    path.unlink()
    assert again.standings([exercise])[0].status == "unusable"


def test_a_result_is_not_trusted_when_a_helper_has_changed(workspace):
    exercise = find("mul")
    (workspace.folder / "helpers.py").write_text("x = 1\n", encoding="utf-8")
    remember(workspace, Judgement(exercise, "passed"))
    assert workspace.standings([exercise])[0].passed
    (workspace.folder / "helpers.py").write_text("x = 2\n", encoding="utf-8")
    assert not workspace.standings([exercise])[0].passed


def test_no_folder_of_exercises_is_made_within_another(workspace, monkeypatch):
    for place in ("exercises", "a/b"):
        with pytest.raises(ExerciseError, match=r"would lie within .*, which is a folder of exercises already"):
            Workspace.start(workspace.folder / place)
    monkeypatch.chdir(workspace.folder)
    with pytest.raises(ExerciseError, match=r"Go on there: python -m tinydist.exercises next$"):
        Workspace.start(workspace.folder / "exercises")
    assert not (workspace.folder / "exercises").exists()


def test_a_wrong_folder_is_answered_with_the_right_one(workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder.parent)
    for wrong in (workspace.folder.parent, workspace.folder.parent / "nowhere", workspace.folder / "sub"):
        with pytest.raises(ExerciseError, match=r"Yours is exercises: python -m tinydist.exercises next$"):
            Workspace.open(wrong)


def test_a_result_is_of_what_the_file_was_when_the_check_began(workspace):
    exercise = find("mul")
    workspace.path(exercise).write_text("def mul(a, b): ...\n", encoding="utf-8")
    digest = workspace.digest(exercise)
    workspace.path(exercise).write_text("return 17\n", encoding="utf-8")
    workspace.remember(Judgement(exercise, "passed"), digest)
    assert workspace.standings([exercise])[0].status == "unchecked"


def test_packages_beside_the_answers_count_and_what_editors_leave_there_does_not(workspace):
    exercise = find("mul")
    package = workspace.folder / "help_me" / "__init__.py"
    package.parent.mkdir()
    package.write_text("x = 1\n", encoding="utf-8")
    (workspace.folder / ".#02_mul.py").symlink_to("nowhere")
    (workspace.folder / "folder.py").mkdir()
    remember(workspace, Judgement(exercise, "passed"))
    assert workspace.standings([exercise])[0].passed
    package.write_text("x = 2\n", encoding="utf-8")
    assert not workspace.standings([exercise])[0].passed
