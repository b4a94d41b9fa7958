"""Real processes, killed in the middle of a sweep; the same command then has to end with the same bits."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tinydist.reproduce.runs.settings import RunConfig

resource = pytest.importorskip("resource", reason="these tests send signals and limit file sizes as POSIX systems do")

MODELS, SEEDS, IMAGES, EPOCHS = ("ReLU", "Abs-L2"), (0, 1), 500, 300
CONFIGS = [
    RunConfig("mnist", "raw", IMAGES, EPOCHS, 0.001, model=model, seed=seed, layout="sparse")
    for seed in SEEDS
    for model in MODELS
]
FLAGS = [
    "--models",
    ",".join(MODELS),
    "--runs",
    "2",
    "--train-size",
    str(IMAGES),
    "--epochs",
    str(EPOCHS),
    "--no-report",
]


def command(out, jobs):
    program = [sys.executable, "-m", "tinydist.reproduce", *FLAGS]
    return [*program, "--checkpoint-every", "0.1", "--jobs", str(jobs), "--out", str(out)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, bits):
    out = tmp_path_factory.mktemp("uninterrupted")
    finish(out, jobs=2)
    return bits(out, CONFIGS)


def heed_ctrl_c():
    """A test run in the background of a shell ignores SIGINT, and so would the programs it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment():
    """One thread a process: the tests share the cores, and threads that wait for each other are slow."""
    variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return os.environ | dict.fromkeys(variables, "1")


def started(out, jobs):
    return subprocess.Popen(
        command(out, jobs),
        env=environment(),
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(out, jobs):
    """Let the command run to its end."""
    subprocess.run(command(out, jobs), env=environment(), check=True, capture_output=True)


def checkpoints(out):
    return {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/checkpoint.npz")}


def results(out):
    return {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/result.json")}


def wait_for_a_new_checkpoint(out, process):
    before = checkpoints(out)
    while not checkpoints(out).items() - before.items():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def kill_at_a_new_checkpoint(out, jobs):
    """With the main process alone killed, its workers have to notice."""
    process = started(out, jobs)
    wait_for_a_new_checkpoint(out, process)
    process.kill()
    process.communicate(timeout=60)
    assert len(results(out)) < len(CONFIGS)


def was_continued(out):
    parts = [json.loads((config.folder(out) / "config.json").read_text())["parts"] for config in CONFIGS]
    return any(part["start"] > 0 for run in parts for part in run)


def test_kill_9_then_a_full_disk_then_kill_9_again(tmp_path, uninterrupted, bits):
    kill_at_a_new_checkpoint(tmp_path, jobs=1)
    before = {path: path.read_bytes() for path in checkpoints(tmp_path)}

    def allow_small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    limited = subprocess.run(
        command(tmp_path, 1), env=environment(), preexec_fn=allow_small_files, capture_output=True, text=True
    )
    assert limited.returncode == 2
    assert "File too large" in limited.stderr
    assert "0 of 4 runs are finished and 1 half done" in limited.stderr
    assert "the same command goes on from there" in limited.stderr
    assert {path: path.read_bytes() for path in checkpoints(tmp_path)} == before

    kill_at_a_new_checkpoint(tmp_path, jobs=2)
    finish(tmp_path, jobs=2)
    assert was_continued(tmp_path)
    assert bits(tmp_path, CONFIGS) == uninterrupted


@pytest.mark.parametrize(
    ("ending", "jobs"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGHUP, 1)]
)
def test_ctrl_c_and_other_signals_that_end_a_program(tmp_path, uninterrupted, bits, ending, jobs):
    before = signal.signal(ending, signal.default_int_handler if ending == signal.SIGINT else signal.SIG_DFL)
    process = started(tmp_path, jobs)  # which would ignore what nohup had this process ignore
    signal.signal(ending, before)
    wait_for_a_new_checkpoint(tmp_path, process)
    os.killpg(process.pid, ending)
    _, shown = process.communicate(timeout=60)
    finished, half_done = results(tmp_path), checkpoints(tmp_path)
    assert process.returncode == 128 + ending
    assert f"Stopped. {len(finished)} of 4 runs are finished and {len(half_done)} half done in {tmp_path}" in shown
    assert "the same command goes on from there." in shown
    assert "Traceback" not in shown
    finish(tmp_path, jobs)
    assert was_continued(tmp_path)
    assert bits(tmp_path, CONFIGS) == uninterrupted
    assert finished.items() <= results(tmp_path).items()
