import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest

from tinydist.bench import processes
from tinydist.bench.epochs import installed_libraries
from tinydist.bench.processes import Job, ProcessError, prepare, seconds_of, take_turns

TINY = Job("numpy", "ReLU", train_size=50, threads=1, hidden=8)


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            found.append(self)

    monkeypatch.setattr(processes.subprocess, "Popen", Recorded)
    return found


def test_times_and_memory_come_from_processes_of_their_own(started):
    jobs = {library: Job(library, "ReLU", train_size=50, threads=1, hidden=8) for library in installed_libraries()}
    measured = take_turns(jobs, repetitions=2)
    assert list(measured) == list(jobs)
    assert len({process.pid for process in started}) == len(jobs)
    for result in measured.values():
        assert 0 < result.time.low <= result.time.median <= result.time.high
        assert 30 < result.memory < 2000  # an interpreter with NumPy takes more than 30 MB
    assert all(process.returncode is not None for process in started)


def test_more_images_take_more_memory():
    few, many = Job("numpy", "ReLU", 10, 1, hidden=8), Job("numpy", "ReLU", 10_000, 1, hidden=8, copies=10)
    measured = take_turns({"few": few, "many": many}, repetitions=1)
    assert measured["many"].memory - measured["few"].memory > 4 * 784 * 100_000 / 2**20


def test_processes_take_turns_and_the_first_does_not_count(monkeypatch):
    order = []

    @contextlib.contextmanager
    def fake(name, _job):
        seconds = itertools.chain([9.0], itertools.repeat(0.25))
        memory = itertools.count(100)
        yield lambda: (order.append(name), (next(seconds), next(memory)))[1]

    monkeypatch.setattr(processes, "_process", fake)
    measured = take_turns({"a": TINY, "b": TINY}, repetitions=3)
    assert order == ["a", "b"] * 4
    assert [measured[name].time.high for name in "ab"] == [250, 250]
    assert [measured[name].memory for name in "ab"] == [103, 103]


def test_a_process_that_fails_is_named_with_its_last_words(started):
    with pytest.raises(
        ProcessError, match=r"that measures second ended with status 1: .*unknown model 'Relu'"
    ) as caught:
        take_turns({"first": TINY, "second": Job("numpy", "Relu", 50, 1)}, repetitions=1)
    assert caught.value.name == "second"
    assert all(process.returncode is not None for process in started)


@pytest.mark.skipif(shutil.which("false") is None, reason="needs a program that fails without a word")
def test_a_process_that_dies_without_a_word_may_have_lacked_memory(monkeypatch):
    monkeypatch.setattr(processes.sys, "executable", shutil.which("false"))
    with pytest.raises(ProcessError, match="ended with status 1: perhaps for lack of memory"):
        take_turns({"first": TINY}, repetitions=1)


def test_ctrl_c_leaves_no_process_behind(started, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        take_turns({"a": TINY, "b": TINY}, repetitions=1)
    assert [process.returncode is not None for process in started] == [True, True]


def test_a_process_ends_by_itself_when_nobody_asks_any_more():
    """As when the one that started it is killed, and cannot end it."""
    command = [sys.executable, "-m", "tinydist.bench.processes", json.dumps(asdict(TINY))]
    ended = subprocess.run(command, input="\n\n", capture_output=True, text=True, check=True, timeout=120)
    answers = [[float(number) for number in line.split()] for line in ended.stdout.splitlines()]
    assert [len(answer) for answer in answers] == [2, 2]


@pytest.mark.parametrize(("duration", "counted"), [(0.02, 3), (0.05, 1), (2.0, 1)])
def test_short_epochs_are_repeated_until_the_turn_is_over(duration, counted, monkeypatch):
    clock, waking = [0.0], 0.5
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    done = []

    def epoch():
        clock[0] += duration if done else duration + waking  # the first epoch wakes the threads
        done.append(1)

    assert seconds_of(epoch) == pytest.approx(duration)
    assert len(done) == 1 + counted


def test_all_libraries_are_given_the_same_job():
    gradients = {
        library: prepare(Job(library, "Abs-L2", train_size=30, threads=1, hidden=7, copies=2))()
        for library in installed_libraries()
    }
    assert gradients["tinydist"]["linear0.weight"].shape == (7, 784)
    for library in gradients:
        for name, gradient in gradients["numpy"].items():
            scale = np.abs(gradient).max()
            np.testing.assert_allclose(gradients[library][name], gradient, rtol=1e-3, atol=1e-4 * scale, err_msg=name)
