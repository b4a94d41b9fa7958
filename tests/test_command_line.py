import argparse
import csv
import io
import math
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydist
from tinydist.__main__ import COMMANDS
from tinydist.__main__ import main as tinydist_main
from tinydist.command_line import (
    ENDINGS,
    add_commands,
    add_option,
    command_parser,
    exit_status,
    model_list,
    not_negative,
    positive,
    positive_real,
    program,
    time_span,
)
from tinydist.cores import available_cores
from tinydist.times import written_span


def test_models_are_split_trimmed_and_named_once():
    assert model_list("ReLU2-Neg, Abs,ReLU2-Neg") == ["ReLU2-Neg", "Abs"]


@pytest.mark.parametrize("text", ["", "ReLU,", "relu"])
def test_unknown_models_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="unknown model"):
        model_list(text)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [(positive, "1", 1), (positive, " 12 ", 12), (not_negative, "0", 0), (positive_real, "1e-3", 0.001)],
)
def test_numbers_are_read(parse, text, value):
    assert parse(text) == value
    assert isinstance(parse(text), type(value))


@pytest.mark.parametrize(
    ("parse", "texts", "expected"),
    [
        (positive, ["0", "-1", "1.5", "many", ""], "a positive whole number"),
        (not_negative, ["-1", "0.0", "1e3"], "a whole number from 0"),
        (positive_real, ["0", "-0.1", str(math.inf), str(math.nan), "fast"], "a positive number"),
    ],
)
def test_other_texts_are_refused_with_what_was_expected(parse, texts, expected):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=f"^expected {expected}, got '{text}'$"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("2h", 7200), ("1h30m", 5400), (" 2d ", 172_800), ("1d2h3m4s", 93_784), ("0h5m", 300)],
)
def test_times_are_read(text, seconds):
    assert time_span(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "0m", "-1h", "1.5h", "2 h", "30m1h", "1h1h", "2H", "2w", "²h", "9999999h"]
)
def test_other_times_are_refused_with_what_was_expected(text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        time_span(text)
    assert str(caught.value) == f"expected a time such as 90m, 2h, 1h30m, 45s or 2d, got {text!r}"


def test_times_are_written_in_their_largest_units():
    assert [written_span(seconds) for seconds in (5400, 7200, 86_400, 90)] == ["1h30m", "2h", "1d", "1m30s"]


@given(st.integers(1, 10**9))
def test_a_time_that_is_written_is_read_as_the_same(seconds):
    assert time_span(written_span(seconds)) == seconds


def test_at_least_the_core_this_runs_on_is_available():
    assert available_cores() >= 1


def test_all_errors_have_one_form(capsys):
    parser = command_parser("tinydist thing", "A thing.")
    add_option(parser, "seed", "of the weights")
    command = add_commands(parser)("part", lambda _: 0, "do a part")
    add_option(command, "epochs", "how many")
    for arguments, words in (
        (
            ["--seed", "x"],
            "error: argument --seed: expected a whole number from 0, got 'x'; see tinydist thing --help\n",
        ),
        (["part", "--epochs", "0"], "expected a positive whole number, got '0'; see tinydist thing part --help\n"),
    ):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(arguments)
        assert caught.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.endswith(words)
        assert said.count("\n") == 1


def test_the_end_of_a_command(capsys):
    def fail(problem):
        raise problem

    assert exit_status(lambda: 1, ()) == 1
    assert exit_status(lambda: fail(ValueError("so it is")), (ValueError,)) == 2
    assert capsys.readouterr().err == "error: so it is\n"
    assert exit_status(lambda: fail(KeyboardInterrupt()), (), lambda: "Kept.") == 130
    assert capsys.readouterr().err == "\nKept.\n"
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: fail(ZeroDivisionError()), (ValueError,))


# --- terminals -------------------------------------------------------------------------------------------------------

POSIX = pytest.mark.skipif(os.name != "posix", reason="streams are opened and closed as POSIX systems do")
WORDS = [
    *([name] for name in COMMANDS),
    *(["reproduce", name] for name in ("status", "report", "export")),
    *(["exercises", name] for name in ("start", "check", "watch", "hint")),
    *(["bench", name] for name in ("epoch", "kernels", "streaming", "growth")),
    [],
]


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("47.2 ± 0.1", b"47.2 +/- 0.1"),
        ("8 × 8 – 3²…", b"8 x 8 - 3^2..."),
        ("Δ, σ and Φ of W·xᵀ", b"Delta, sigma and Phi of W*x^T"),
        ("5 µs, 90°, ½, naïve", b"5 us, 90 deg, 1/2, naive"),
        ("漢 \N{GRINNING FACE} \ud83d", b"? ? ?"),
        (os.fsdecode(b"l\xfc"), b"l\xfc"),
    ],
)
def test_what_a_terminal_lacks_is_spelt_out(text, spelt):
    assert text.encode("ascii", "spelt") == spelt


def test_what_a_terminal_has_is_left_as_it_is():
    assert "± ² … é".encode("cp437", "spelt") == b"\xf1 \xfd ... \x82"
    assert "± ² … é 漢".encode("utf-8", "spelt") == "± ² … é 漢".encode()


def test_every_character_that_the_project_writes_has_a_spelling():
    texts = [path.read_text(encoding="utf-8") for path in Path(tinydist.__file__).parent.rglob("*.[pm][yd]")]
    characters = {char for text in texts for char in text if not char.isascii()}
    assert len(characters) > 10
    assert [char for char in characters if b"?" in char.encode("ascii", "spelt")] == []


def printed(monkeypatch, encoding, words):
    """What a command prints with --help on a terminal of this encoding."""
    contents = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(contents, encoding, write_through=True))
        with pytest.raises(SystemExit) as caught:
            tinydist_main([*words, "--help"])
        assert caught.value.code == 0
        return contents.getvalue()


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_each_command_explains_itself_on_any_terminal(monkeypatch, words):
    whole = printed(monkeypatch, "utf-8", words).decode("utf-8")
    assert "usage: " in whole
    for encoding in ("ascii", "cp437", "cp850", "latin-1"):
        there = printed(monkeypatch, encoding, words).decode(encoding)
        assert there.count("?") == whole.count("?")
        assert there.replace("...", "…") == whole.replace("...", "…")


SWEEP = [
    *("--dataset", "italy-power-demand", "--input", "normalized", "--lr", "0.1", "--no-report"),
    *("--models", "ReLU2", "--runs", "2", "--train-size", "60", "--epochs", "5"),
]


@POSIX
@pytest.mark.parametrize(
    ("jobs", "streams", "status"),
    [
        (2, ">&- 2>&- <&-", 0),
        (1, ">/dev/full", 2),
        (1, "2>&1 | head -1; exit ${PIPESTATUS[0]}", 141),
        (1, "2>/dev/full", 0),
    ],
)
def test_an_experiment_is_done_to_the_end_whatever_becomes_of_its_streams(tmp_path, jobs, streams, status):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full to write to")
    command = [sys.executable, "-m", "tinydist.reproduce", *SWEEP, "--jobs", str(jobs), "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        ["bash", "-c", f"{shlex.join(command)} {streams}"], env=environment, capture_output=True, check=False
    )
    assert ended.returncode == status, ended.stderr
    assert b"Traceback" not in ended.stdout + ended.stderr
    assert (b"error: standard output cannot be written to" in ended.stderr) == (status == 2)
    assert (b"+/-" in ended.stdout) == (streams == "2>/dev/full")
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "ok"]


def in_another_process(body, streams, **settings):
    """Run a program with this body, with its streams redirected by a shell."""
    program = (
        f"import os, sys\nfrom tinydist.command_line import program\n@program\ndef main(_):\n {body}\nsys.exit(main())"
    )
    command = f"{shlex.join([sys.executable, '-c', program])} {streams}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, **settings)


@POSIX
@pytest.mark.parametrize("body", ["print('word'); return 0", "print('word', flush=True); raise SystemExit(0)"])
def test_what_cannot_be_printed_is_said_and_shows_in_the_status(body):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full to write to")
    ended = in_another_process(body, ">/dev/full")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: standard output cannot be written to (No space left on device): part of ")
    assert ended.stderr.count("\n") == 1
    assert in_another_process(body.replace("0", "1"), ">/dev/full").returncode == 1


@POSIX
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    body = (
        f"file = open({str(tmp_path / 'file')!r}, 'w'); os.system('echo word; echo word >&2'); print('word'); return 3"
    )
    ended = in_another_process(body, ">&- 2>&- <&-")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    assert (tmp_path / "file").read_text() == ""


@POSIX
def test_a_reader_that_has_read_enough_is_no_error():
    body = "return [print('line', flush=True) for _ in range(100_000)] and 0"
    ended = in_another_process(body, "| head -1; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (141, "line\n", "")


@POSIX
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signal_that_ends_a_program_stops_it_as_ctrl_c_does_unless_it_is_ignored(ending, capsys):
    @program
    def main(_arguments):
        return exit_status(lambda: signal.raise_signal(ending) or 7, (), lambda: "Kept.")

    before = signal.signal(ending, signal.SIG_DFL)
    try:
        assert main() == 128 + ending
        assert capsys.readouterr().err == "\nKept.\n"
        assert signal.getsignal(ending) is signal.SIG_DFL
        signal.signal(ending, signal.SIG_IGN)  # as nohup does
        assert main() == 7
    finally:
        signal.signal(ending, before)


@POSIX
@pytest.mark.parametrize("name", COMMANDS)
def test_a_current_folder_that_was_deleted_is_named_as_the_cause(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert tinydist_main([name]) == 2
    assert capsys.readouterr().err == "error: the current folder is missing; change to one that is there\n"
