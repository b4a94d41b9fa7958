"""The shared parts of the command lines: types of arguments, options of several commands, streams, the exit status."""

from __future__ import annotations

import argparse
import codecs
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from tinydist.cores import available_cores
from tinydist.errors import ModelNameError
from tinydist.times import read_span

T = TypeVar("T", int, float)

BY_SIGNAL, PIPE_CLOSED = 128, 141
"""Exit statuses as a shell gives them: this plus the number of a signal, and that of a pipe without a reader."""

ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that end a program as Ctrl-C does: of ``kill``, and of a terminal that is closed."""


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


# --- streams ---------------------------------------------------------------------------------------------------------

SPELT = {
    **{"±": "+/-", "×": "x", "·": "*", "√": "sqrt", "≠": "!=", "≈": "~", "∝": "~", "½": "1/2", "°": " deg", "µ": "u"},
    **{"∇": "grad ", "’": "'", "€": "EUR", "£": "GBP", "¥": "JPY"},
    **{"–": "-", "─": "-", "│": "|", "└": "+", "┘": "+", "✓": "ok", "✗": "x"},
}
"""How characters are written where the terminal lacks them; :func:`_spelt` knows what follows from Unicode itself."""


def _spelt(char: str) -> str:
    """Return a character in ASCII: é as e, ² as ^2, Δ as Delta, "?" if there is nothing like it."""
    if char in SPELT:
        return SPELT[char]
    name = unicodedata.name(char, "").split()
    if name[:1] == ["GREEK"]:
        return name[3].capitalize() if name[1] == "CAPITAL" else name[3].lower()
    raised = "^" if unicodedata.decomposition(char).startswith("<super>") else ""
    return raised + unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode() or "?"


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace the first of the characters that cannot be encoded, for :func:`codecs.register_error`."""
    assert isinstance(error, UnicodeEncodeError)
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":  # a byte of the name of a file, which is not text in the system's encoding
        return char.encode("ascii", "surrogateescape"), error.start + 1
    return _spelt(char), error.start + 1


codecs.register_error("spelt", _spell)


class _Output:
    """A stream that lets the work go on whatever becomes of it: after an error, all that is written is thrown away.

    Args:
        stream: where to write. Characters that its encoding lacks are spelt out.

    Attributes:
        problem: the error; None if there was none.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem: OSError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="spelt")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._attempt(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[..., object], *arguments: str) -> None:
        if self.problem is not None:
            return
        try:
            act(*arguments)
        except OSError as problem:
            self.problem = problem
            with suppress(OSError), Path(os.devnull).open("wb") as nowhere:  # also for what is still to be flushed
                os.dup2(nowhere.fileno(), self._stream.fileno())


@contextmanager
def streams() -> Iterator[_Output]:
    """Let printing within this block never fail, whatever the streams are; yield standard output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened would take its place, and be printed into
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    with ExitStack() as stack:
        output, messages = (
            _Output(stream or stack.enter_context(Path(os.devnull).open("w", encoding="utf-8")))
            for stream in (sys.stdout, sys.stderr)
        )
        stack.enter_context(redirect_stdout(output))
        stack.enter_context(redirect_stderr(messages))
        stack.callback(messages.flush)
        yield output


def is_read() -> bool:
    """Return whether what a program prints still gets anywhere."""
    return getattr(sys.stdout, "problem", None) is None


# --- the end of a command ------------------------------------------------------------------------------------------


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let the signals of ENDINGS stop this block as Ctrl-C does; not those that are ignored, as nohup has it."""

    def stop(number: int, _frame: object) -> None:
        for ending in changed:
            signal.signal(ending, signal.SIG_DFL)  # a second one ends the program at once
        raise KeyboardInterrupt(number)

    in_main = threading.current_thread() is threading.main_thread()  # no other may set them
    changed = [number for number in ENDINGS if in_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def start(name: str, arguments: Sequence[str] | None = None) -> int:
    """Import a command, run it, and return its exit status; NAME is ``main`` of ``tinydist.NAME.cli``."""

    @program
    def main(arguments: Sequence[str] | None) -> int:
        # imported as part of the work, since it takes a while, in which Ctrl-C may come
        return exit_status(lambda: int(import_module(f"tinydist.{name}.cli").main(arguments)), ())

    return main(arguments)


def program(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Make the main function of a command work on any terminal, or none.

    It can print whatever the encoding is, and does all its work even if nobody reads what it prints: because standard
    output is closed, is a pipe whose reader has ended (then the exit status is 141) or cannot be written to (then it is
    2). SIGTERM and SIGHUP stop it as Ctrl-C does.
    """

    @wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        if isinstance(sys.stdout, _Output):  # one program called by another
            return main(arguments)
        with streams() as output, _stopped_by_signals():
            try:
                Path.cwd()
            except FileNotFoundError:
                print("error: the current folder is missing; change to one that is there", file=sys.stderr)
                return 2
            try:
                status = main(arguments)
            except SystemExit as end:  # after --help, --version and bad use
                output.flush()
                if end.code or output.problem is None:
                    raise
                status = 0
            output.flush()
            if status or output.problem is None:
                return status
            if isinstance(output.problem, BrokenPipeError):  # whoever read the output, such as head, has read enough
                return PIPE_CLOSED
            print(
                f"error: standard output cannot be written to ({output.problem.strerror}): part of what was printed is "
                "lost, no file is",
                file=sys.stderr,
            )
            return 2

    return run


def exit_status(
    body: Callable[[], int], expected: tuple[type[Exception], ...], stopped: Callable[[], str] = lambda: "Stopped."
) -> int:
    """Run the body of a command and return its exit status: its own, 2 for bad input, 130 after Ctrl-C.

    Args:
        body: does the work.
        expected: errors whose message says what a user can correct; others are faults of the program.
        stopped: what to say after Ctrl-C, or another signal that ends it.
    """
    try:
        return body()
    except KeyboardInterrupt as end:
        print(f"\n{stopped()}", file=sys.stderr)
        return BY_SIGNAL + next((number for number in end.args if number in ENDINGS), signal.SIGINT)
    except expected as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
