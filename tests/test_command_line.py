import argparse
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist.command_line import (
    add_commands,
    add_option,
    command_parser,
    exit_status,
    model_list,
    not_negative,
    positive,
    positive_real,
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


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ there")
def test_a_reader_that_has_read_enough_is_no_error():
    program = "import sys; from tinydist.command_line import exit_status\n"
    program += "sys.exit(exit_status(lambda: [print('line', flush=True) for _ in range(100_000)] and 0, (OSError,)))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141
