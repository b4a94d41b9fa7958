"""Answers that would harm the process that judges them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinydist.exercises.apart import judge_apart
from tinydist.exercises.table import find

RIGHT = "return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


@pytest.fixture
def judged(workspace, answer):
    def write_and_judge(body, seconds=10.0):
        return judge_apart(answer("mul", body), workspace.path(find("mul")), seconds)

    return write_and_judge


def test_a_right_answer_passes_and_a_wrong_one_does_not(judged):
    assert judged(RIGHT).passed
    assert "is not right yet" in judged(RIGHT.replace("g * b", "g * a")).message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os\nos._exit(0)", "ended Python itself, with exit status 0"),
        ("import os\nos._exit(3)", "ended Python itself, with exit status 3"),
        ("exit()", "SystemExit"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt, which ends Python"),
        ("return mul(a, b)", "RecursionError"),
        ("input('a? ')\n" + RIGHT, "nobody can answer input() during a check"),
        ("for _ in range(10**9):\n    print('flood')", "printed more than 100,000 lines"),
        pytest.param(
            "x = np.ones(10**11)\n" + RIGHT,
            "MemoryError: Unable to allocate",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits it"),
        ),
        pytest.param("import ctypes\nctypes.string_at(0)", "crashed Python (SIGSEGV)", marks=POSIX),
        pytest.param("import os\nos.kill(os.getpid(), 9)", "crashed Python (SIGKILL)", marks=POSIX),
    ],
)
def test_the_end_of_an_answer_is_told_in_words(judged, body, words):
    judgement = judged(body)
    assert judgement.status == "wrong"
    assert words in judgement.message
    assert "mul in " in judgement.message
    assert judged(RIGHT).passed, "and the next one is judged"


def test_an_answer_without_end_is_stopped_and_its_line_is_told(judged):
    start = time.monotonic()
    judgement = judged("b = a\nwhile True:\n    b = b + 1", seconds=0.5)
    assert time.monotonic() - start < 30
    assert "after 0.5 seconds it had not come to an end" in judgement.message
    assert "It was at 02_mul.py, line " in judgement.message


def test_a_printed_line_without_end_costs_no_more_than_others(judged):
    judgement = judged("for _ in range(20_000):\n    print('.', end='')\n" + RIGHT)
    assert judgement.passed
    assert len(judgement.message) < 3000


def test_what_a_judge_could_stumble_over_is_the_answers_fault(judged):
    for body, words in [
        ("return np.emath.sqrt(a + 0j), (lambda g: g, lambda g: g)", "complex numbers, not real ones"),
        ("return np.array(['a', 'b']), (lambda g: g, lambda g: g)", "not numbers"),
        ("return np.array([None, 1]), (lambda g: g, lambda g: g)", "not numbers"),
        ("raise ValueError('x' * 10**7)", "ValueError: xxx"),
        ("class Odd(Exception):\n    def __str__(self):\n        raise KeyError\nraise Odd", "Odd"),
    ]:
        message = judged(body).message
        assert words in message
        assert "fault of tinydist" not in message
        assert len(message) < 3000


def test_a_file_that_runs_its_own_test_is_judged_all_the_same(workspace, answer):
    path = workspace.path(answer("mul", RIGHT))
    path.write_text(path.read_text(encoding="utf-8") + "\n\ntest_mul()\nprint('done')\n", encoding="utf-8")
    assert judge_apart(find("mul"), path).passed
    for command, program in (([str(path)], None), (["-"], f"import runpy\nrunpy.run_path({str(path)!r})")):
        ended = subprocess.run(
            [sys.executable, *command], input=program, capture_output=True, text=True, check=False, timeout=60
        )
        assert (ended.stdout, ended.returncode) == ("done\n", 0), ended.stderr


@POSIX
def test_an_answer_ends_with_the_process_that_waits_for_it(workspace, answer, tmp_path):
    note = tmp_path / "pid"
    answer("mul", f"import os\nopen({str(note)!r}, 'w').write(str(os.getpid()))\nwhile True:\n    pass")
    command = [sys.executable, "-m", "tinydist.exercises", "check", "mul"]
    process = subprocess.Popen(command, cwd=workspace.folder)
    while not (note.exists() and note.read_text(encoding="utf-8")):
        time.sleep(0.05)
        assert process.poll() is None
    process.terminate()
    process.wait()
    _wait_for_the_end_of(int(note.read_text(encoding="utf-8")))


@POSIX
def test_what_an_answer_has_started_ends_with_it(judged, tmp_path):
    note = tmp_path / "pid"
    body = f"import subprocess\np = subprocess.Popen(['sleep', '60'])\nopen({str(note)!r}, 'w').write(str(p.pid))\n"
    assert judged(body + RIGHT).passed
    _wait_for_the_end_of(int(note.read_text(encoding="utf-8")))


def _wait_for_the_end_of(pid):
    end = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform != "linux":
        return True
    with Path(f"/proc/{pid}/stat").open(encoding="ascii") as stat:  # a zombie has ended as well
        return stat.read().split(")")[1].split()[0] != "Z"


def test_a_right_answer_that_prints_or_sets_a_limit_passes_and_is_told(judged):
    judgement = judged("print('shape', a.shape)\n" + RIGHT)
    assert judgement.passed
    assert "mul printed:\n    shape ()" in judgement.message
    judgement = judged("import sys\nsys.setrecursionlimit(5000)\n" + RIGHT)
    assert judgement.passed
    assert "has set Python's recursion limit to 5,000" in judgement.message


def test_answers_do_not_see_each_other(judged):
    assert not judged("import builtins\nbuiltins.mine = RIGHT = 1\nreturn 1").passed
    assert judged("import builtins\nassert not hasattr(builtins, 'mine')\n" + RIGHT).passed
    assert not judged("np.multiply = np.add = None\nreturn 1").passed
    assert judged(RIGHT).passed


def test_a_helper_beside_the_file_can_be_imported(workspace, judged):
    helper = "from tinydist.ops import unbroadcast\n\n"
    helper += "def rule(other, shape):\n    return lambda g: unbroadcast(g * other, shape)\n"
    (workspace.folder / "helpers.py").write_text(helper, encoding="utf-8")
    assert judged("from helpers import rule\nreturn a * b, (rule(b, a.shape), rule(a, b.shape))").passed


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax"])
def test_another_framework_is_refused(judged, framework):
    message = judged(f"import {framework}\n{RIGHT}").message
    assert f"{framework} would work out the gradients for you" in message
