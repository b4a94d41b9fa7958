import json

import numba
import pytest

from tinydist.bench import cli
from tinydist.bench.processes import ProcessError


@pytest.fixture(autouse=True)
def all_threads():
    """Let the bench have all threads, also where tests run beside others."""
    before = numba.get_num_threads()
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    yield
    numba.set_num_threads(before)


TINY = ["epoch", "--models", "ReLU,Abs-L2", "--train-size", "200", "--threads", "1", "--repetitions", "3"]


def test_table_and_json(tmp_path, capsys):
    path = tmp_path / "epoch.json"
    assert cli.main([*TINY, "--json", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "200 images with 1 thread and" in shown
    results = json.loads(path.read_text())
    assert list(results) == ["ReLU", "Abs-L2"]
    for entry in results.values():
        assert entry["tinydist_ms"] > 0
        assert entry["numpy_ms"] > 0
        assert entry["threads"] == 1
        assert 50 < entry["peak_rss_mb"] < 2000
        if entry["torch_ms"] is None:
            assert entry["ratio"] is None
        else:
            assert entry["ratio"] == pytest.approx(entry["tinydist_ms"] / entry["torch_ms"])


def test_without_pytorch_its_columns_are_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "installed_libraries", lambda: ["tinydist", "numpy"])
    path = tmp_path / "epoch.json"
    assert cli.main([*TINY[:2], "ReLU", *TINY[3:], "--json", str(path)]) == 0
    entry = json.loads(path.read_text())["ReLU"]
    assert entry["torch_ms"] is entry["ratio"] is entry["torch_peak_rss_mb"] is None


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--threads", "1000"], "which is what this process can use; got 1000"),
        (["--train-size", "70000"], "60000 training rows: expected 1 to 60000, got 70000"),
        (["--json", "/"], "/ is a folder; name a file in it"),
        (["--json", "/dev/null/epoch.json"], "/dev/null is a file, so /dev/null/epoch.json cannot be in it"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(flags, complaint, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for what in ("epoch", "growth"):
        assert cli.main([what, *flags]) == 2
        assert complaint in capsys.readouterr().err


def test_unknown_models_and_benchmarks_are_refused(capsys):
    for flags in (["epoch", "--models", "Relu"], ["speed"]):
        with pytest.raises(SystemExit):
            cli.main(flags)
    assert "Did you mean 'ReLU'" in capsys.readouterr().err


def test_ctrl_c_says_that_nothing_was_written(tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "bench_epochs", interrupt)
    assert cli.main(["epoch", "--json", str(tmp_path / "epoch.json")]) == 130
    assert "no file was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_damaged_data_are_refused_by_name(tmp_path, capsys, monkeypatch):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08")
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for what in ("epoch", "growth"):
        assert cli.main([what]) == 2
        assert "train-images-idx3-ubyte.gz is damaged: it ends too early" in capsys.readouterr().err


def test_a_process_that_fails_ends_the_comparison_with_its_reason(monkeypatch, capsys):
    def fail(*_):
        raise ProcessError("torch", "the process that measures torch ended with status -9: perhaps for lack of memory")

    monkeypatch.setattr(cli, "take_turns", fail)
    assert cli.main(TINY) == 2
    assert "error: the process that measures torch ended with status -9" in capsys.readouterr().err


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for word in ("what to time:", "roofline", "growth", "--train-size", "default: 11"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 120
    with pytest.raises(SystemExit):
        cli.main(["growth", "--help"])
    shown = capsys.readouterr().out
    assert "results/growth.png" in shown
    assert "default: 5" in shown


def test_options_may_stand_before_the_command_and_the_command_may_be_left_out():
    for flags in (["kernels", "--threads", "1"], ["--threads", "1", "kernels"]):
        options = cli._options(flags)
        assert (options.what, options.threads, options.train_size, str(options.figure)) == (
            "kernels",
            1,
            60_000,
            "results/roofline.png",
        )
    assert cli._options(["--models", "Abs"]).models == ["Abs"]
    assert cli._options([]).what == "epoch"


def test_an_option_that_a_command_does_not_have_is_refused_wherever_it_stands(capsys):
    for flags in (
        ["--models", "ReLU", "kernels"],
        ["kernels", "--models", "ReLU"],
        ["--repetitions", "3", "streaming"],
    ):
        with pytest.raises(SystemExit):
            cli.main(flags)
    assert "streaming does not take --repetitions; leave it out" in capsys.readouterr().err


def test_models_without_peers_are_refused(capsys):
    assert cli.main(["epoch", "--models", "ReLU,GELU2"]) == 2
    assert "are timed on ReLU and Abs without Conv-; leave out GELU2" in capsys.readouterr().err


def test_files_of_somebody_else_are_not_replaced(tmp_path, capsys):
    for flag, name in (("--json", "numbers.json"), ("--figure", "figure.png")):
        path = tmp_path / name
        path.write_text("mine")
        assert cli.main(["kernels", "--train-size", "200", flag, str(path)]) == 2
        assert f"{path} exists already, and would be lost" in capsys.readouterr().err
        assert path.read_text() == "mine"
