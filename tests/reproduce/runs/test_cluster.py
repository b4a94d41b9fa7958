"""A real dask scheduler and real workers on this machine; some are killed in the middle of a run."""

import builtins
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tinydist.cores import available_cores
from tinydist.errors import DataError
from tinydist.reproduce import cli
from tinydist.reproduce.runs import pool, run
from tinydist.reproduce.runs.records import load_config
from tinydist.reproduce.runs.settings import RunConfig

pytest.importorskip("resource", reason="these tests send signals as POSIX systems do")
distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
cluster = pytest.importorskip("tinydist.reproduce.runs.cluster")

PATIENCE = 60
CONFIGS = [
    RunConfig("mnist", "raw", 500, 300, 0.001, model=model, seed=seed, layout="sparse")
    for seed in (0, 1)
    for model in ("ReLU", "Abs-L2")
]
ENDLESS = [RunConfig("mnist", "raw", 500, 1_000_000, 0.001, model="ReLU", seed=0, layout="sparse")]


def eventually(condition):
    """Wait until something is true, or something."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return value


@pytest.fixture
def start(tmp_path):
    """Start a module of Python as a process, which is killed at the end of the test."""
    variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, "1") | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with contextlib.ExitStack() as stack:

        def make(*command):
            log = stack.enter_context((tmp_path / "log").open("a"))
            process = subprocess.Popen(
                [sys.executable, "-m", *map(str, command)],
                env=environment,
                cwd=None if "tinydist.reproduce" in command else tmp_path,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
                stdout=log,
                stderr=subprocess.PIPE if "tinydist.reproduce" in command else log,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield make


@pytest.fixture
def scheduler(start, tmp_path):
    """A scheduler: its process, its address, and a client that looks on. It gives up a run that killed two workers."""
    path = tmp_path / "scheduler.json"
    flags = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    process = start("distributed.cli.dask_scheduler", *flags, "--scheduler-file", path)

    def address():
        with contextlib.suppress(OSError, ValueError):  # not there yet, or half written
            return json.loads(path.read_text())["address"]

    process.address = eventually(address)
    process.client = distributed.Client(process.address, timeout=PATIENCE, set_as_default=False)
    yield process
    process.client.close(timeout=PATIENCE)


@pytest.fixture
def workers(start, scheduler, tmp_path):
    """Start some workers; their processes, by address."""

    def make(number=1, threads=1):
        before = set(scheduler.client.nthreads())
        flags = ["--no-nanny", "--no-dashboard", "--nthreads", threads, "--local-directory", tmp_path / "dask"]
        processes = [start("distributed.cli.dask_worker", scheduler.address, *flags) for _ in range(number)]
        addresses = eventually(lambda: len(new := set(scheduler.client.nthreads()) - before) == number and new)
        pids = scheduler.client.run(os.getpid, workers=list(addresses))
        return {address: next(p for p in processes if p.pid == pid) for address, pid in pids.items()}

    return make


@pytest.fixture
def reproduce(start, scheduler, tmp_path):
    """Start the command for these runs."""

    def make(configs, out=tmp_path / "out", where=("--scheduler", scheduler.address)):
        settings = {
            "--models": ",".join(dict.fromkeys(config.model for config in configs)),
            "--runs": len({config.seed for config in configs}),
            "--train-size": configs[0].train_size,
            "--epochs": configs[0].epochs,
            "--checkpoint-every": 0.1,
            "--out": out,
        }
        return start("tinydist.reproduce", *[word for pair in settings.items() for word in pair], "--no-report", *where)

    return make


def ended(process, status):
    """What a command said that has to end with this status, now or soon."""
    _, shown = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, shown
    assert "Traceback" not in shown
    assert "distributed" not in shown  # dask's own log
    return shown


def saved(config, out):
    """When the last checkpoint of the run was written; 0 if there is none."""
    path = config.folder(out) / "checkpoint.npz"
    return path.stat().st_mtime_ns if path.exists() else 0


def parts(config, out):
    return load_config(config.folder(out))[1]


def hidden(out):
    return list(out.glob(".*"))


def has_stopped(config, out):
    """Whether nobody is at work on the run, which is not finished."""
    with contextlib.suppress(DataError), run.held(config.folder(out)):
        return not (config.folder(out) / "result.json").exists()


def test_a_run_whose_worker_is_killed_goes_on_elsewhere_to_the_same_bits(scheduler, workers, reproduce, tmp_path, bits):
    out, processes = tmp_path / "out", workers(2)
    command = reproduce(CONFIGS, os.path.relpath(out))  # from a folder that is not the workers'

    def half_done():
        assert command.poll() is None, command.communicate()
        return {
            config: address
            for address, keys in scheduler.client.processing().items()
            for config in CONFIGS
            if any(str(config) in key for key in keys) and saved(config, out)
        }

    (killed, address), *_ = eventually(half_done).items()
    processes[address].kill()
    ended(command, 0)
    ended(reproduce(CONFIGS, tmp_path / "local", ("--jobs", 2)), 0)
    assert bits(out, CONFIGS) == bits(tmp_path / "local", CONFIGS)
    first, second = parts(killed, out)
    assert first["start"] == 0 < second["start"]
    assert second["jobs"] == 2
    assert "--scheduler" in second["command"]
    assert hidden(out) == []


def test_after_kill_9_the_same_command_goes_on_and_ctrl_c_ends_it(workers, reproduce, tmp_path):
    out, (config,) = tmp_path / "out", ENDLESS
    workers(2)
    killed = reproduce(ENDLESS)
    eventually(lambda: saved(config, out))
    killed.kill()
    killed.wait(PATIENCE)
    left_over = hidden(out)
    assert len(left_over) == 1
    again = reproduce(ENDLESS)
    eventually(lambda: len(parts(config, out)) == 2 or again.poll() is not None)
    assert again.poll() is None, again.communicate()
    assert set(left_over).isdisjoint(hidden(out))
    again.send_signal(signal.SIGINT)
    shown = ended(again, 130)
    assert f"Stopped. 0 of 1 runs are finished and 1 half done in {out}; the same command goes on from there." in shown
    assert hidden(out) == []
    assert has_stopped(config, out)


def test_a_run_that_kills_its_workers_is_given_up_and_a_scheduler_that_dies_is_told_of(
    scheduler, workers, reproduce, tmp_path
):
    out, (config,) = tmp_path / "out", ENDLESS
    command = reproduce(ENDLESS)
    for _ in range(2):
        before = saved(config, out)
        (process,) = workers(1).values()
        eventually(lambda before=before: saved(config, out) > before)
        process.kill()
        process.wait(PATIENCE)
    shown = ended(command, 2)
    assert "error: ReLU raw seed 0 killed 2 workers" in shown
    assert "0 of 1 runs are finished and 1 half done" in shown
    assert "the same command goes on from there." in shown

    workers(1)
    command = reproduce(ENDLESS)
    eventually(lambda: len(parts(config, out)) == 3)
    scheduler.kill()
    shown = ended(command, 2)
    assert (
        f"error: the dask scheduler at {scheduler.address} has ended. 0 of 1 runs are finished and 1 half done" in shown
    )
    assert hidden(out) == []
    assert has_stopped(config, out)


def test_workers_that_do_not_fit_are_refused(scheduler, workers, tmp_path, monkeypatch, capsys):
    flags = [
        "--models",
        "ReLU",
        "--train-size",
        "60",
        "--epochs",
        "3",
        "--runs",
        "1",
        "--no-report",
        "--out",
        str(tmp_path / "out"),
    ]
    reproduce = functools.partial(cli.main, [*flags, "--scheduler", scheduler.address])
    monkeypatch.setattr(cluster, "WORKER_PATIENCE", 0.2)
    assert reproduce() == 2
    expected = f"has had no worker for 0.2 s. Start some, on any machine, with: dask worker {scheduler.address} "
    assert expected in capsys.readouterr().err

    one, two = workers(2)
    monkeypatch.setattr(cluster, "WORKER_PATIENCE", PATIENCE)
    original = cluster._look

    def look(token, dask_worker):
        """As if one worker did not see the folder, and the other had another version."""
        seen, machine, versions = original(token if dask_worker.address == two else token / "elsewhere")
        return seen, machine, versions | {"numpy": "1.0"}

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "_look", look)
        assert reproduce() == 2
    shown = capsys.readouterr().err
    assert f"{two} on " in shown
    assert "has numpy 1.0 (here " in shown
    assert f"the results folder must be shared by all workers, at the same path {tmp_path / 'out'}" in shown
    assert f"not so for {one} (" in shown
    assert f"{two} (" not in shown
    assert hidden(tmp_path / "out") == []

    with monkeypatch.context() as patch:
        patch.setattr(pool, "environment", lambda: pytest.fail("config.json must tell of the worker"))
        assert reproduce() == 0

    (several,) = workers(1, threads=2)
    assert reproduce() == 2
    assert f"must have one thread, but {several} has 2. Start workers with: dask worker " in capsys.readouterr().err


@pytest.fixture
def silent_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "address", ["", "nonsense", "tcp://127.0.0.1:1", "abc://127.0.0.1:1", "tls://127.0.0.1:1", "silent"]
)
def test_an_address_without_a_scheduler_is_refused_before_any_work(
    address, silent_address, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cluster, "CONNECT_PATIENCE", 0.5)
    address = silent_address if address == "silent" else address
    assert cli.main(["--train-size", "60", "--out", str(tmp_path / "new"), "--scheduler", address]) == 2
    assert f"error: no dask scheduler answers at {address!r} (" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_dask_it_is_said_what_to_install(tmp_path, capsys, monkeypatch):
    original = builtins.__import__

    def without_dask(name, *rest):
        if name == "distributed":
            raise ModuleNotFoundError("No module named 'distributed'")
        return original(name, *rest)

    monkeypatch.delitem(sys.modules, "tinydist.reproduce.runs.cluster")
    monkeypatch.setattr(builtins, "__import__", without_dask)
    assert cli.main(["--train-size", "60", "--out", str(tmp_path / "new"), "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "pip install 'tinydist[cluster]'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_jobs_are_for_here(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--jobs", str(available_cores()), "--scheduler", "tcp://127.0.0.1:1"])
    assert "argument --scheduler: not allowed with argument --jobs" in capsys.readouterr().err


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate that is its own authority, in dask's settings of processes that the test starts; gives these."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=tinydist"
    subprocess.run([*make.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    settings = {"require-encryption": True, "tls.ca-file": str(cert)}
    for who in ("scheduler", "worker", "client"):
        settings |= {f"tls.{who}.cert": str(cert), f"tls.{who}.key": str(key)}
    settings = {f"distributed.comm.{name}": value for name, value in settings.items()}
    for name, value in settings.items():
        monkeypatch.setenv("DASK_" + name.upper().replace(".", "__").replace("-", "_"), str(value))
    return settings


def test_a_scheduler_with_tls_lets_nobody_in_without_the_certificate(certificate, start, tmp_path):
    path = tmp_path / "scheduler.json"
    flags = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    start("distributed.cli.dask_scheduler", "--protocol", "tls://", *flags, "--scheduler-file", path)
    address = eventually(lambda: path.exists() and path.read_text() and json.loads(path.read_text())["address"])
    assert address.startswith("tls://")
    start("distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "1")
    with dask.config.set(certificate):
        with cluster.connect(address) as workers:
            assert workers.jobs == 1
        with pytest.raises(DataError, match="encryption required"), cluster.connect(address.replace("tls", "tcp")):
            pass
    with pytest.raises(DataError, match="check your TLS configuration"), cluster.connect(address):
        pass
