"""Loading of an answer from a learner's file, always from the text that it has at the moment."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

from tinydist.exercises.exercise import Exercise, ExerciseError, command, python_function, shown


class UnusableFile(ExerciseError):
    """A learner's file from which no answer can be taken."""


def load(exercise: Exercise, path: Path) -> Any:
    """Return the learner's function, from the text that the file has at this moment.

    The text is compiled here instead of being imported, so that nothing is cached between two checks.

    Args:
        exercise: whose function to look for.
        path: the learner's file.

    Raises:
        UnusableFile: if the file is missing or does not run, or the function in it is missing or not its own.
    """
    source = _read(exercise, path)
    module = ModuleType(f"answer_{exercise.name}")
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except SyntaxError as problem:
        place = f"{shown(path)}, line {problem.lineno}"
        raise UnusableFile(f"{place}: {problem.msg}\n    {(problem.text or '').strip()}") from None
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - a learner's file may raise anything
        raise UnusableFile(f"{shown(path)} cannot be run.\n{describe(problem, path)}") from None
    function = vars(module).get(exercise.name)
    _check_origin(exercise, path, module, function)
    if isinstance(function, Dispatcher):
        function._cache = NullCache()  # type: ignore[attr-defined]  # numba's own cache goes by time and size of the file, which may stay the same
    return function


def _read(exercise: Exercise, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UnusableFile(
            f"{shown(path)} is missing. For a fresh one: {command('reset', exercise.name, path.parent)}"
        ) from None
    except UnicodeDecodeError:
        raise UnusableFile(f"{shown(path)} is not text in UTF-8; save it as UTF-8 in your editor") from None
    except OSError as problem:
        raise UnusableFile(f"{shown(path)} cannot be read: {problem.strerror}") from None


def _check_origin(exercise: Exercise, path: Path, module: ModuleType, function: Any) -> None:
    """Raise if the function is missing or was not written in this file."""
    name = exercise.name
    borrowed = [key for key, value in vars(module).items() if value is exercise.library]
    if borrowed:
        raise UnusableFile(
            f"{shown(path)} imports tinydist's own function ({', '.join(borrowed)}), which is the answer to this "
            f"exercise. Take the import out and write {name} in this file"
        )
    if function is None:
        raise UnusableFile(
            f"the function {name} is missing in {shown(path)}. Write 'def {name}(...)', or get a fresh file: "
            f"{command('reset', name, path.parent)}"
        )
    plain = python_function(function)
    if not isinstance(plain, FunctionType):
        kind = type(function).__name__
        raise UnusableFile(f"{name} in {shown(path)} is of type {kind}; define it with 'def {name}(...)'")
    if plain.__code__.co_filename != str(path):
        raise UnusableFile(
            f"{name} in {shown(path)} was not written there but in {plain.__code__.co_filename}; "
            f"only what is in {path.name} counts"
        )


def describe(problem: BaseException, path: Path) -> str:
    """Return an exception in two or three lines: its message, and the line of the learner's file it came from."""
    message = str(problem).strip()
    place = _place_by_numba(message, path)
    lines = [line for line in message.splitlines() if line.strip()]
    if place is not None:  # numba's message is a page long
        lines = [line.strip() for line in lines if not line.startswith(("Failed in", "\x1b"))][:2]
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == str(path)]
    if frames and place is None:
        place = frames[-1].lineno
    text = f"{type(problem).__name__}: " + "\n  ".join(lines)
    return text if place is None else f"{text}\n    {path.name}, line {place}: {_line(path, place)}"


def _place_by_numba(message: str, path: Path) -> int | None:
    """Return the line of the file that numba's compiler names in its message; None if it names none."""
    match = re.search(re.escape(path.name) + r'"?, line (\d+)', message)
    return int(match[1]) if match else None


def _line(path: Path, number: int) -> str:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
