import numpy as np
import pytest

from tinydist.reproduce.runs import progress
from tinydist.reproduce.runs.progress import AbandonedError, Counter, Progress


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
    assert "100/200 epochs" in capsys.readouterr().err
