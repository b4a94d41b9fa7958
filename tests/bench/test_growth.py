import json
import os
import signal
import subprocess
import sys

import matplotlib.image
import pytest

from tinydist.bench import cli, growth
from tinydist.bench.growth import GrowthRow, Variation, as_json, bench_growth, exponent, variations
from tinydist.bench.growth_figure import growth_figure
from tinydist.bench.measure import Timing
from tinydist.bench.processes import Job, Measured, ProcessError

JOB = Job("tinydist", "ReLU", train_size=1000, threads=2)
LIBRARIES = ["tinydist", "numpy", "torch"]


def measured(milliseconds, memory=100.0):
    return Measured(Timing(milliseconds, 0.9 * milliseconds, 1.2 * milliseconds), memory)


def row(value, times, against="images", left_out=None, copies=1):
    job = Job("tinydist", "ReLU", train_size=value // copies, threads=2, copies=copies)
    return GrowthRow(against, value, job, {name: measured(time) for name, time in times.items()}, left_out or {})


@pytest.fixture
def asked(monkeypatch):
    """Answers in place of processes: time in proportion to images and hidden units; gives the jobs that were asked."""
    jobs = []

    def answer(running, repetitions):
        jobs.append((dict(running), repetitions))
        return {name: measured(1e-4 * job.train_size * job.copies * job.hidden) for name, job in running.items()}

    monkeypatch.setattr(growth, "take_turns", answer)
    monkeypatch.setattr(growth, "available_memory", lambda: 1e9)
    return jobs


# --- what is measured ------------------------------------------------------------------------------------------------


def test_the_sweeps_vary_one_thing_each():
    images, hidden, threads = variations("Abs", 60_000, threads=6)
    assert list(images.jobs) == [1_000, 3_000, 10_000, 30_000, 60_000, 600_000]
    assert [job.train_size * job.copies for job in images.jobs.values()] == list(images.jobs)
    assert [job.copies for job in images.jobs.values()] == [1, 1, 1, 1, 1, 10]
    assert {(job.hidden, job.threads) for job in images.jobs.values()} == {(128, 6)}
    assert [job.hidden for job in hidden.jobs.values()] == list(hidden.jobs) == [32, 64, 128, 256, 512, 1024]
    assert [job.threads for job in threads.jobs.values()] == list(threads.jobs) == [1, 2, 4, 6]
    for variation in (hidden, threads):
        assert {(job.train_size, job.copies) for job in variation.jobs.values()} == {(60_000, 1)}
    assert {job.model for variation in (images, hidden, threads) for job in variation.jobs.values()} == {"Abs"}


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8])])
def test_threads_double_up_to_all_of_them(cores, counts):
    assert list(variations("ReLU", 60_000, cores)[2].jobs) == counts


def test_a_small_training_set_is_the_largest_real_one():
    assert list(variations("ReLU", 3_000, 1)[0].jobs) == [1_000, 3_000, 30_000]


def test_a_job_that_several_sweeps_have_is_measured_once(asked):
    rows = bench_growth(variations("ReLU", 3_000, threads=2), LIBRARIES, repetitions=7)
    assert [row.value for row in rows] == [1_000, 3_000, 30_000, 32, 64, 128, 256, 512, 1024, 1, 2]
    assert len(asked) == 3 + 5 + 1
    assert all(repetitions == 7 and list(running) == LIBRARIES for running, repetitions in asked)
    assert all(name == job.library for running, _ in asked for name, job in running.items())
    assert len({row.measured["numpy"] for row in rows if row.value in (2, 128, 3_000)}) == 1


# --- what is left out, and why ---------------------------------------------------------------------------------------


def test_dense_images_that_need_half_of_the_free_memory_are_left_out_and_the_table_says_so(asked, monkeypatch, capsys):
    monkeypatch.setattr(growth, "available_memory", lambda: 13_000.0)
    (images, *_) = variations("ReLU", 60_000, threads=1)
    *real, synthetic = bench_growth([images], LIBRARIES, repetitions=1)
    assert all(list(row.measured) == LIBRARIES and not row.left_out for row in real)
    assert list(synthetic.measured) == ["tinydist"]
    assert [list(running) for running, _ in asked] == [LIBRARIES] * 5 + [["tinydist"]]
    shown = capsys.readouterr().out
    assert "600,000 synthetic" in shown
    assert shown.count("left out") == 3
    # two libraries, 600,000 rows of 784 pixels and five times 128 activations, four bytes each, in units of 2**20
    assert (
        "NumPy and PyTorch left out: dense images and activations would need about 6,519 MB of the 13,000 MB" in shown
    )


def test_a_library_whose_process_dies_is_left_out_and_the_others_start_again(asked, monkeypatch, capsys):
    answer = growth.take_turns

    def torch_dies(running, repetitions):
        if "torch" in running:
            raise ProcessError("torch", "the process that measures torch ended with status -9")
        return answer(running, repetitions)

    monkeypatch.setattr(growth, "take_turns", torch_dies)
    (result,) = bench_growth([Variation("images", {1000: JOB})], LIBRARIES, repetitions=1)
    assert list(result.measured) == ["tinydist", "numpy"]
    assert len(asked) == 1
    assert "PyTorch left out: the process that measures torch ended with status -9" in capsys.readouterr().out


def test_when_all_processes_die_the_row_is_empty(monkeypatch, capsys):
    def all_die(running, _):
        name = next(iter(running))
        raise ProcessError(name, f"{name} died")

    monkeypatch.setattr(growth, "take_turns", all_die)
    (result,) = bench_growth([Variation("images", {1000: JOB})], LIBRARIES, repetitions=1)
    assert result.measured == {}
    assert "tinydist left out: tinydist died" in capsys.readouterr().out
    assert growth_figure([result], "a label").axes


# --- how it grows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [-1, 0, 0.5, 1, 2])
def test_the_exponent_of_a_power_law_is_found(k):
    rows = [row(n, {"numpy": 3 * n**k}) for n in (10, 20, 50, 1000)]
    assert exponent(rows, "numpy") == pytest.approx(k, abs=1e-12)


def test_no_exponent_without_two_points():
    rows = [row(10, {"numpy": 1.0, "tinydist": 2.0}), row(20, {"numpy": 1.0})]
    assert exponent(rows, "tinydist") is None
    assert exponent(rows, "torch") is None
    assert exponent(rows, "numpy") == pytest.approx(0)


@pytest.mark.usefixtures("asked")
def test_the_table_shows_growth_from_line_to_line_and_over_all(capsys):
    bench_growth(variations("ReLU", 3_000, threads=2), LIBRARIES[:2], repetitions=1)
    tables = capsys.readouterr().out.strip().split("\n\n")
    assert [table.split()[0] for table in tables] == ["images", "hidden", "threads"]
    head, first, second, third, fit = tables[0].splitlines()
    assert head.split() == ["images", "tinydist", "k", "MB", "NumPy", "k", "MB", "PyTorch", "k", "MB"]
    assert first.split() == ["1,000", *["12.8", "[11.5–15.4]", "100"] * 2, "not", "installed"]
    assert second.split()[:5] == ["3,000", "38.4", "[34.6–46.1]", "1.00", "100"]
    assert third.split()[:2] == ["30,000", "synthetic"]
    assert "1.00 (tinydist), 1.00 (NumPy)" in fit
    assert "PyTorch" not in fit
    assert max(map(len, head.splitlines())) <= 130


def test_json_has_an_entry_for_each_row_and_library():
    rows = [
        row(1000, {"tinydist": 2.0, "numpy": 4.0}),
        row(5000, {"tinydist": 3.0}, left_out={"numpy": "too large"}, copies=5),
    ]
    entries = json.loads(json.dumps(as_json(rows)))
    assert [(e["images"], e["library"], e["synthetic"]) for e in entries] == [
        (1000, "tinydist", False),
        (1000, "numpy", False),
        (5000, "tinydist", True),
        (5000, "numpy", True),
    ]
    assert entries[0]["time_ms"] == {"median": 2.0, "low": 1.8, "high": 2.4}
    assert entries[3]["time_ms"] is entries[3]["peak_rss_mb"] is None
    assert entries[3]["left_out"] == "too large"


def test_the_figure_has_medians_quartiles_and_memory_of_each_sweep():
    rows = [
        row(1000, {"tinydist": 2.0, "numpy": 4.0}),
        row(3000, {"tinydist": 6.0, "numpy": 13.0}),
        row(30_000, {"tinydist": 70.0}, left_out={"numpy": "too large"}, copies=10),
        row(1, {"tinydist": 9.0, "numpy": 11.0}, against="threads"),
        row(2, {"tinydist": 6.0, "numpy": 8.0}, against="threads"),
    ]
    figure = growth_figure(rows, "a label")
    time, by_threads, memory, _ = figure.axes
    medians = {container.get_label(): container.lines[0].get_xydata().tolist() for container in time.containers}
    assert medians == {"tinydist": [[1000, 2], [3000, 6], [30_000, 70]], "NumPy": [[1000, 4], [3000, 13]]}
    (bars,) = by_threads.containers[0].lines[2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        pytest.approx([8.1, 10.8]),
        pytest.approx([5.4, 7.2]),
    ]
    assert (time.get_xscale(), time.get_yscale()) == ("log", "log")
    assert memory.get_xlabel() == "images (hollow: synthetic)"
    assert [label.get_text() for label in memory.get_xticklabels()] == ["1k", "3k", "30k"]
    assert "ms" in time.get_ylabel()
    assert "MB" in memory.get_ylabel()
    assert "NumPy left out at 30,000 images" in figure.get_suptitle()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_saves_a_figure_and_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "WIDTHS", (8,))
    monkeypatch.setattr(cli, "installed_libraries", lambda: ["tinydist", "numpy"])
    figure, numbers = tmp_path / "growth.png", tmp_path / "growth.json"
    flags = ["growth", "--models", "Abs2", "--train-size", "100", "--threads", "1", "--repetitions", "1"]
    assert cli.main([*flags, "--figure", str(figure), "--json", str(numbers)]) == 0
    shown = capsys.readouterr().out
    assert "Abs2; where not varied: 100 images, 128 hidden units, 1 thread" in shown
    assert "1,000 synthetic" in shown
    entries = json.loads(numbers.read_text())
    assert [e["value"] for e in entries if e["library"] == "tinydist"] == [100, 1000, 8, 1]
    assert all(e["time_ms"]["median"] > 0 and e["peak_rss_mb"] > 30 and e["left_out"] is None for e in entries)
    assert matplotlib.image.imread(figure).shape[0] > 600


def test_growth_takes_one_model(capsys):
    assert cli.main(["growth", "--models", "ReLU,Abs"]) == 2
    assert "growth takes one model at a time, got 2: ReLU, Abs" in capsys.readouterr().err


def heed_ctrl_c():
    """A test run in the background of a shell ignores SIGINT, and so would the programs it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process group")
def test_ctrl_c_stops_it_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "tinydist.bench", "growth", "--figure", str(tmp_path / "growth.png")]
    running = subprocess.Popen(
        command,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "tinydist" not in running.stdout.readline():  # the head of the first table
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGINT)
    _, shown = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "no file was written" in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.iterdir())
