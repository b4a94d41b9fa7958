"""The shared parts of the command lines: types of arguments, options of several commands, and the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

from tinydist.cores import available_cores
from tinydist.errors import ModelNameError
from tinydist.times import read_span

T = TypeVar("T", int, float)

STOPPED, PIPE_CLOSED = 130, 141
"""Exit statuses after Ctrl-C, and where the reader of a pipe has closed it, as a shell gives them."""


# --- types of arguments: each turns a text into a value, or says what it expected ----------------------------------


def model_name(text: str) -> str:
    """Return the name of a model, as the grammar spells it."""
    from tinydist.models import parse_model_name  # here, because NumPy would slow down commands that only print

    try:
        return str(parse_model_name(text.strip()))
    except ModelNameError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def model_list(text: str) -> list[str]:
    """Return the names of models in a comma-separated text, each once."""
    return list(dict.fromkeys(map(model_name, text.split(","))))


def input_list(text: str) -> list[str]:
    """Return the names of inputs in a comma-separated text, each once; see :data:`tinydist.datasets.INPUTS`."""
    from tinydist.datasets import INPUTS  # here for the same reason

    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in INPUTS:
            raise argparse.ArgumentTypeError(f"unknown input {name!r}; expected some of {', '.join(INPUTS)}")
    return list(dict.fromkeys(names))


def _number(kind: Callable[[str], T], accepts: Callable[[T], bool], expected: str) -> Callable[[str], T]:
    def parse(text: str) -> T:
        try:
            value = kind(text)
            if accepts(value):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


positive = _number(int, lambda n: n > 0, "a positive whole number")
not_negative = _number(int, lambda n: n >= 0, "a whole number from 0")
positive_real = _number(float, lambda r: 0 < r < float("inf"), "a positive number")


def time_span(text: str) -> int:
    """Read a time such as 90m, 2h, 1h30m, 45s or 2d, and return it in seconds."""
    try:
        return read_span(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


# --- parsers and options -------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "models": {"type": model_list, "metavar": "A,B,…"},
    "input": {"type": input_list, "metavar": "I,J,…"},
    "train-size": {"type": positive, "metavar": "N"},
    "epochs": {"type": positive, "metavar": "N"},
    "lr": {"type": positive_real, "metavar": "R"},
    "seed": {"type": not_negative, "default": 0, "metavar": "N"},
    "jobs": {"type": positive, "metavar": "N"},
    "threads": {"type": positive, "default": available_cores(), "metavar": "N"},
}
"""The options that several commands have, with what is the same in all of them."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors have the form of all errors of a command: one line, and where to read more."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def command_parser(prog: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser with the settings of all commands: texts keep their line breaks, options have no short forms."""
    return CommandParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=110),
        allow_abbrev=False,
    )


def add_commands(parser: argparse.ArgumentParser, title: str = "commands") -> Callable[..., argparse.ArgumentParser]:
    """Prepare a parser for sub-commands.

    Returns:
        A function that adds one, given its name, what runs it (from the parsed options to an exit status) and what it
        does, in words; further arguments are those of :class:`argparse.ArgumentParser`.
    """
    commands = parser.add_subparsers(title=title, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str, **changes: Any) -> argparse.ArgumentParser:
        description = f"{words[0].upper()}{words[1:]}."
        settings: dict[str, Any] = {"description": description, "formatter_class": parser.formatter_class, **changes}
        command = commands.add_parser(name, help=words, allow_abbrev=False, **settings)
        command.set_defaults(run=run)
        return command

    return add


def add_option(parser: argparse._ActionsContainer, name: str, help: str, **changes: Any) -> None:
    """Add an option that several commands have, such as ``--seed``, with its meaning in this one."""
    parser.add_argument(f"--{name}", help=help, **(OPTIONS[name] | changes))


# --- the end of a command ------------------------------------------------------------------------------------------


def exit_status(
    body: Callable[[], int], expected: tuple[type[Exception], ...], stopped: Callable[[], str] = lambda: "Stopped."
) -> int:
    """Run the body of a command and return its exit status: its own, 2 for bad input, 130 after Ctrl-C.

    Args:
        body: does the work.
        expected: errors whose message says what a user can correct; others are faults of the program.
        stopped: what to say after Ctrl-C.
    """
    try:
        return body()
    except KeyboardInterrupt:
        print(f"\n{stopped()}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read the output, such as head, has read enough
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the end
        return PIPE_CLOSED
    except expected as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
