import pytest

from tinydist.reproduce import cli
from tinydist.reproduce.runs import run
from tinydist.reproduce.runs.checkpoints import Checkpoint
from tinydist.reproduce.runs.records import write_config
from tinydist.reproduce.runs.status import RunStatus, finish_time, pace, status_lines, time_left
from tinydist.times import duration


@pytest.fixture
def folder(record, config, tmp_path):
    """Two finished runs of ReLU, one failed and one half-done run of Abs, and one of Abs that is not begun."""
    part = {"start": 0, "began": "2026-01-01T00:00:00+00:00", "jobs": 1, "command": "first command"}
    later = part | {"began": "2026-01-02T00:00:00+00:00", "jobs": 2, "command": "last command"}
    for model, seed, parts in [
        ("ReLU", 0, [part]),
        ("ReLU", 1, [later]),
        ("Abs", 0, []),
        ("Abs", 1, []),
        ("Abs", 2, []),
    ]:
        write_config(config(model, seed, epochs=1000), tmp_path, parts)
    for seed in (0, 1):
        record("ReLU", seed, epochs=1000).save(tmp_path)  # 1.25 s each
    record("Abs", 0, status="diverged: loss nan", epochs=1000).save(tmp_path)
    Checkpoint(config("Abs", 1, epochs=1000), 200, 4.0, (), {}, {}).save(tmp_path)
    return tmp_path


def test_the_table_says_what_is_done_and_what_is_left(folder, capsys):
    assert cli.main(["status", str(folder)]) == 0
    shown = capsys.readouterr().out
    rows = {
        line.split()[0]: line.split() for line in shown.splitlines() if line.startswith(("model", "Abs", "ReLU", "all"))
    }
    assert rows["Abs"][1:] == ["1", "1", "1", "40", "%", "20.0", "200"]  # failed: 1,000 of 3,000; and 200
    assert rows["ReLU"][1:] == ["2", "100", "%", "1.2"]
    assert rows["all"][1:6] == ["2", "1", "1", "1", "64"]
    assert "5 runs: 2 finished, 1 half done, 1 not begun, 1 failed." in shown
    assert "FAILED Abs raw seed 0: diverged: loss nan" in shown
    assert "About 20 s left at the speed so far, 2 runs at a time." in shown  # the longer of 800 and 1,000 times 20 ms
    assert "To go on: last command" in shown
    assert "mnist, 50 training images, 1,000 epochs, lr 0.001, input raw, dense" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_runs_that_a_process_is_at_work_on_are_running(folder, config, capsys):
    with run.held(config("Abs", 1).folder(folder)), run.held(config("Abs", 2).folder(folder)):
        assert cli.main(["status", str(folder)]) == 0
        shown = capsys.readouterr().out
        assert "5 runs: 2 finished, 2 running, 1 failed." in shown
        assert "0, 200" in shown or "200, 0" in shown  # epochs in their last checkpoints
        assert "About 20 s left" in shown
        assert "To go on" not in shown
    cli.main(["status", str(folder)])
    assert "running" not in capsys.readouterr().out.split("5 runs: ")[1].splitlines()[0]


def test_looking_changes_nothing(folder, capsys):
    (folder / "runs" / "Abs-raw-seed1" / "checkpoint.npz").write_bytes(b"half a checkp")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert cli.main(["status", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "2 not begun" in shown
    assert "checkpoint.npz is damaged" in shown
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(("where", "words"), [("absent", "absent is missing"), (".", "holds no runs")])
def test_a_folder_without_runs(tmp_path, capsys, where, words):
    assert cli.main(["status", str(tmp_path / where)]) == 2
    assert f"{words}; give a folder that python -m tinydist.reproduce named" in capsys.readouterr().err


def test_status_takes_a_folder_and_nothing_else(capsys):
    for flags in (["status"], ["status", "results", "--epochs", "3"], ["--epochs", "3", "status", "results"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(flags)
        assert caught.value.code == 2
    capsys.readouterr()


def test_after_the_last_run_nothing_is_left_to_tell(config):
    text = "\n".join(status_lines([RunStatus(config(epochs=10), "finished", 10, 0.5)], 2, "a command"))
    assert "1 run: 1 finished." in text
    assert "left" not in text
    assert "a command" not in text


def test_before_the_first_checkpoint_no_time_is_guessed(config):
    text = "\n".join(status_lines([RunStatus(config(epochs=10), "not begun", 0)], 2, ""))
    assert "known after the first checkpoint" in text


def test_runs_of_other_settings_have_a_table_of_their_own(config):
    runs = [RunStatus(config("ReLU", epochs=epochs), "not begun", 0) for epochs in (10, 70)]
    lines = list(status_lines(runs, 1, ""))
    assert sum("training images" in line for line in lines) == 2


def test_pace_weighs_by_epochs(config):
    runs = [RunStatus(config(), "half done", 100, 1.0), RunStatus(config(), "half done", 300, 2.0)]
    assert pace(runs) == pytest.approx((100 * 1 + 300 * 2) / 400)
    assert pace([RunStatus(config(), "not begun", 0)]) is None


def test_time_left_shares_the_work_and_heeds_each_models_own_pace(config):
    slow = [RunStatus(config("Abs-L2", 0, epochs=100), "finished", 100, 3.0)]
    fast = [RunStatus(config("ReLU", 0, epochs=100), "half done", 50, 1.0)]
    left = [RunStatus(config(model, 1, epochs=100), "not begun", 0) for model in ("Abs-L2", "ReLU")]
    assert time_left([*slow, *fast, *left], 1) == pytest.approx(300 + 100 + 50)
    assert time_left([*slow, *fast, *left], 2) == pytest.approx(300)  # no run is split
    assert time_left(left, 1) is None


@pytest.mark.parametrize(
    ("lengths", "jobs", "end"),
    [
        ([], 3, 0),
        ([5, 5, 5], 1, 15),
        ([5, 5, 5], 2, 10),  # not 7.5: the third begins when one of the first two ends
        ([5, 5, 5], 9, 5),
        ([1, 9, 1, 1], 2, 9),
        ([1, 1, 1, 9], 2, 10),
    ],
)
def test_a_run_begins_as_soon_as_one_ends(lengths, jobs, end):
    assert finish_time(lengths, jobs) == end


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.2, "1 s"), (59, "59 s"), (59.7, "1 min"), (130, "2 min 10 s"), (480, "8 min"), (600, "10 min")),
        *((3599.8, "1 h"), (90 * 60, "1 h 30 min"), (36_000, "10 h"), (3600 * 24 * 3.5, "3 days 12 h")),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
