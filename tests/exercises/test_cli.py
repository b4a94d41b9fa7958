"""The commands, as a learner types them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinydist.exercises import apart, cli
from tinydist.exercises import workspace as workspace_module
from tinydist.exercises.cli import main
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.table import EXERCISES, find

RIGHT_SLOPE = "d = step * direction\nreturn (function(x + d) - function(x - d)) / (2 * step)"


@pytest.fixture
def run(workspace, monkeypatch, capsys):
    """Run a command in the folder above ./exercises; returns its status, output and errors."""
    monkeypatch.chdir(workspace.folder.parent)

    def run_command(*words):
        status = main(words)
        return status, *capsys.readouterr()

    return run_command


def test_a_learners_first_steps(run, answer):
    status, output, _ = run("next")
    assert (status, output.splitlines()[0]) == (0, "01 slope: measure a slope with two evaluations")
    rows = dict(line.split(maxsplit=1) for line in output.splitlines() if line.startswith(("  file", "  lesson")))
    assert Path(rows["file"]) == Path("exercises/01_slope.py")
    assert Path(rows["lesson"]).samefile(Path(__file__).parents[2] / "lessons" / "01_a_gradient.py")
    assert "check   python -m tinydist.exercises check slope" in output

    answer("slope", "return (function(x + step * direction) - function(x)) / step")
    status, output, _ = run("check", "1")
    assert status == 1
    assert "one-sided difference" in output
    status, output, _ = run("next")
    assert "There is an answer already, but it does not pass" in output
    answer("slope", "return function(x)")
    assert "has not been checked since it was changed" in run("next")[1]

    hints = find("slope").hints
    for count in (1, 2, 3, 3):
        status, output, _ = run("hint", "slope")
        assert status == 0
        words = " ".join(output.split())
        assert [" ".join(hint.split()) in words for hint in hints] == [True] * count + [False] * (3 - count)
    assert "python -m tinydist.exercises solution slope" in output

    answer("slope", RIGHT_SLOPE)
    status, output, _ = run("check", "slope")
    assert status == 0
    assert "01 slope passes." in output
    assert "Next: 02 mul" in output
    assert run("next")[1].startswith("02 mul: ")


def test_check_of_all_counts_and_points_on(run, answer):
    answer("slope", RIGHT_SLOPE)
    answer("sum", "return nonsense")
    status, output, _ = run("check")
    assert status == 1
    rows = {line.split()[1]: " ".join(line.split()[2:]) for line in output.splitlines()[: len(EXERCISES)]}
    assert rows.pop("slope") == "passed"
    assert rows.pop("sum") == "wrong"
    assert set(rows.values()) == {"not written"}
    assert f"1 of {len(EXERCISES)} pass." in output
    assert "What keeps sum from passing: python -m tinydist.exercises check sum" in output


def test_check_takes_several_names_and_next_means_the_first_that_is_open(run, answer):
    answer("slope", RIGHT_SLOPE)
    answer("relu", "return np.maximum(x, 0), (lambda g: g * (x > 0),)")
    status, output, _ = run("check", "relu", "1", "relu")
    assert status == 0
    assert [line for line in output.splitlines() if "passes." in line] == ["10 relu passes.", "01 slope passes."]
    assert "Next: 02 mul" in output
    status, output, _ = run("check", "relu", "mul")
    assert status == 1
    assert "10 relu passes." in output
    assert "mul is not written yet" in output
    assert run("check", "--mine", "mul")[0] == 2


def test_inside_the_folder_no_dir_is_needed(run, answer, workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder)
    answer("slope", RIGHT_SLOPE)
    status, output, _ = run("check", "slope")
    assert (status, "--dir" in output) == (0, False)
    assert run("next")[1].startswith("02 mul: ")
    assert "complete already" in run("start")[1]
    status, _, errors = run("start", "exercises")
    assert status == 2
    assert "which is a folder of exercises already" in errors


def test_dir_may_stand_before_the_command_as_well(run, workspace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path.parent)
    words = ("--dir", str(workspace.folder))
    before, after = run(*words, "next"), run("next", *words)
    assert before == after
    assert before[0] == 0


def test_what_cannot_be_stored_is_said_after_the_answer(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workspace_module, "write_atomically", full)
    status, output, errors = run("hint", "slope")
    assert (status, output.startswith("1. ")) == (0, True)
    assert "Next time it begins again: cannot write in exercises: No space left on device" in errors
    status, output, errors = run("check", "slope")
    assert status == 1
    assert "slope is not written yet" in output
    assert "The result is not remembered: cannot write in exercises" in errors


def test_a_file_with_the_name_of_a_module_of_python_hides_nothing(workspace):
    for name in ("random.py", "numpy.py"):
        (workspace.folder / name).write_text("raise ValueError('not this one')\n", encoding="utf-8")
    command = [sys.executable, "-m", "tinydist.exercises", "check", "slope"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace.folder)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "slope is not written yet" in ended.stdout


def test_watch_judges_what_is_saved(run, answer, monkeypatch):
    def save_two_files(*_):
        answer("slope", "return 1")
        yield find("slope")
        answer("slope", RIGHT_SLOPE)
        yield find("slope")

    monkeypatch.setattr(cli, "changed", save_two_files)
    status, output, _ = run("watch")
    assert status == 0
    opening, wrong, right = output.split("-" * 60)
    assert "01 slope: measure a slope" in opening
    assert "Watching exercises: save a file, and it is checked. Ctrl-C ends this." in opening
    assert "slope in exercises/01_slope.py is not right yet" in wrong.replace("\\", "/")
    assert "01 slope passes." in right
    assert "Next: 02 mul" in right


def test_progress_shows_a_bar_for_each_lesson(run, answer):
    answer("slope", RIGHT_SLOPE)
    assert "slope (unchecked)" in run("progress")[1]
    assert run("check", "slope")[0] == 0
    status, output, _ = run("progress")
    assert status == 0
    bars = {line.split()[0]: line.split()[1] for line in output.splitlines() if line[:2].isdecimal() and "_" in line}
    assert bars["01_a_gradient"] == "#."
    assert bars["03_broadcasting"] == "..."
    assert sum(map(len, bars.values())) == len(EXERCISES)


def test_at_the_end_of_all_exercises_there_is_something_left_to_do(run, monkeypatch):
    monkeypatch.setattr(apart, "judge_apart", lambda exercise, _path: Judgement(exercise, "passed"))
    for words in (["check"], ["next"], ["progress"], ["check", "catch_the_bug"]):
        status, output, _ = run(*words)
        assert status == 0
        assert "Every exercise passes" in output
        assert "python -m tinydist.exercises check --mine" in output


def test_list_names_every_exercise(run):
    _, output, _ = run("list")
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [
        [f"{number:02}", exercise.name] for number, exercise in enumerate(EXERCISES, 1)
    ]


def test_reset_and_solution(run, workspace, answer):
    answer("mul", "return 'mine'")
    status, output, _ = run("reset", "2")
    assert status == 0
    assert "Your version is kept as exercises/02_mul.py.1" in output.replace("\\", "/")
    assert "return 'mine'" in (workspace.folder / "02_mul.py.1").read_text(encoding="utf-8")
    status, output, _ = run("solution", "relu")
    assert "def relu(x: np.ndarray) -> tuple:" in output
    first = output.splitlines()[0].replace("\\", "/")
    assert first.startswith("# A right answer. Compare it with ")
    assert "tinydist/ops/elementwise.py, line " in first


def test_start_says_what_it_did(run, workspace, tmp_path):
    assert "complete already" in run("start")[1]
    (workspace.folder / "02_mul.py").unlink()
    assert "Added to exercises: 02_mul.py." in run("start")[1]
    status, output, _ = run("start", str(tmp_path / "other place"))
    assert status == 0
    assert 'python -m tinydist.exercises next --dir "other place"' in output
    assert run("next", "--dir", "other place")[1].count('--dir "other place"') == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "mull"), "unknown exercise 'mull'. Did you mean 'mul'?"),
        (("hint", "99"), f"unknown exercise 99: they are numbered from 1 to {len(EXERCISES)}"),
        (("solution", "0"), "numbered from 1"),
        (
            ("check", "--dir", "nowhere"),
            "the folder nowhere is missing. Yours is exercises: python -m tinydist.exercises next",
        ),
        (("next", "--dir", "."), "is not a folder of exercises"),
        (("next", "--dir", "other.txt"), "other.txt is a file, not a folder. Yours is exercises"),
        (("start", "other.txt"), "other.txt is a file. Choose another name: python -m tinydist.exercises start mine"),
        (("check", "qqq"), "unknown exercise 'qqq'. 'list' shows them all"),
        (("start", "."), "holds other files"),
    ],
)
def test_wrong_use_is_explained(run, tmp_path, words, message):
    (tmp_path / "other.txt").write_text("x", encoding="utf-8")
    status, _, errors = run(*words)
    assert status == 2
    assert errors.startswith("error: ")
    assert message in errors


def test_ctrl_c_ends_quietly(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(apart, "judge_apart", interrupted)
    assert run("check", "slope") == (130, "", "\nStopped.\n")


def test_pytest_in_the_folder_says_the_same_without_our_internals(workspace, answer):
    answer("slope", RIGHT_SLOPE)
    answer("mul", "return a * b, (lambda g: g * b, lambda g: g * a)")
    command = [sys.executable, "-m", "pytest", str(workspace.folder), "-p", "no:xdist"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace.folder.parent)
    assert ended.returncode == 1, ended.stderr
    assert "1 passed" in ended.stdout
    assert f"{len(EXERCISES) - 1} failed" in ended.stdout
    words = " ".join(ended.stdout.replace("\nE ", " ").split())
    assert " ".join(find("mul").rubric.mistakes[3].says.split()) in words
    assert "unbroadcast is not written yet" in words
    assert "judge.py" not in ended.stdout
    assert "entry.py" not in ended.stdout


def test_the_commands_that_a_learner_waits_for_import_neither_numpy_nor_numba(workspace):
    """Start-up is most of what they take."""
    code = "import sys; from tinydist.exercises.cli import main; main(sys.argv[1:]); "
    code += "sys.exit(', '.join({'numpy', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)) or 0)"
    for words in (["next"], ["hint", "mul"], ["progress"], ["list"]):
        command = [sys.executable, "-c", code, *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace.folder)
        assert (ended.returncode, ended.stderr) == (0, "")


def test_the_command_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "tinydist.exercises", "list"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=os.environ)
    assert "catch_the_bug" in ended.stdout


def test_without_a_command_the_help_is_shown(run):
    status, output, _ = run()
    assert status == 2
    assert "make the folder ./exercises" in output
