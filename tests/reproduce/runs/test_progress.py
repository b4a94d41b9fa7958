import re
import sys
import threading

import numpy as np
import pytest

from tinydist.reproduce.runs import progress
from tinydist.reproduce.runs.progress import AbandonedError, Counter, Progress, Terminal


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have gone, to be set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def path(tmp_path):
    np.zeros(3, dtype="<i8").tofile(tmp_path / "epochs")
    return tmp_path / "epochs"


def noted(path):
    return np.fromfile(path, dtype="<i8").tolist()


def test_epochs_are_noted_at_once_then_twice_a_second_and_at_the_end(path, clock):
    counter = Counter(path, 1)
    found = []
    for epoch, clock[0] in enumerate([0, 0.1, 0.4, 0.6, 0.9, 1.2], start=2**40):
        counter(epoch)
        found.append(noted(path)[1] - 2**40)
    assert found == [0, 0, 0, 3, 3, 5]
    counter.write(7)
    assert noted(path) == [0, 7, 0]


def test_a_run_ends_when_the_file_is_gone(path, clock):
    counter = Counter(path, 0)
    counter(1)
    path.unlink()
    counter(2)  # not noted, so not noticed
    clock[0] = 1
    with pytest.raises(AbandonedError, match=r"epochs is missing: the sweep that this run belongs to was stopped"):
        counter(3)
    assert not path.exists()


def test_no_other_trouble_with_the_file_ends_a_run(path):
    path.unlink()
    path.mkdir()  # it cannot be opened
    Counter(path, 0).write(1)


def test_the_bar_shows_the_sum_of_what_was_done_before_and_of_what_is_noted(config, tmp_path, capsys):
    done = {config("ReLU", seed, epochs=100): 25 for seed in (0, 1)}
    with Progress(done, tmp_path / "epochs"):
        Counter(tmp_path / "epochs", 1).write(75)
    assert " 50% of 200 epochs, 0/2 runs" in capsys.readouterr().err


def test_on_a_terminal_each_model_has_a_bar_with_its_runs_and_their_mean_accuracy(
    record, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "_terminal", lambda: Terminal(file=sys.stderr, force_terminal=True, width=80))
    runs = [record("ReLU", 0, 90.0), record("ReLU", 1, 92.0), record("Abs", 0, 80.0)]
    runs += [record("Abs2", seed, input=name) for seed, name in enumerate(("raw", "normalized"))]
    done = dict.fromkeys((run.config for run in runs[1:]), 0)
    with Progress(done, tmp_path / "epochs", runs[:1]) as shown:
        for run in (runs[1], *runs[3:]):
            shown.finished(run)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert re.search(r"ReLU +\S+ +2/2 runs  91.00 ± 1.41", text)
    assert re.search(r"Abs +\S+ +0/1 runs +\n", text)
    assert re.search(r"Abs2 +\S+ +2/2 runs +\n", text)  # of two settings, which have no common mean
    assert re.search(r"all +━+ 4/5 runs, \d+ s", text)


def test_a_terminal_that_goes_away_costs_no_run(record, tmp_path, monkeypatch):
    def gone(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr(progress, "_terminal", lambda: Terminal(file=sys.stderr, force_terminal=True))
    monkeypatch.setattr(Terminal, "_write_buffer", gone)
    run = record("ReLU", 0)
    with Progress({run.config: 0}, tmp_path / "epochs") as shown:
        shown.finished(run)


def test_elsewhere_there_is_a_line_now_and_then_and_one_at_the_end(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.1)
    done = {config("ReLU", 0, epochs=100): 0}
    with Progress(done, tmp_path / "epochs"):
        Counter(tmp_path / "epochs", 0).write(25)
        threading.Event().wait(0.35)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(re.fullmatch(r" 25% of 100 epochs, 0/1 runs, \d+ s, about \d+ s left", line) for line in lines)


def test_a_sweep_with_nothing_to_do_shows_nothing(tmp_path, capsys):
    with Progress({}, tmp_path / "epochs"):
        pass
    assert capsys.readouterr().err == ""
