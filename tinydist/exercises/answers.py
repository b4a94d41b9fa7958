"""Loading of an answer from a learner's file, always from the text that it has at the moment."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

from tinydist.exercises.exercise import Exercise, ExerciseError, command, python_function, shown

FRAMEWORKS = ("autograd", "jax", "mxnet", "paddle", "pytensor", "tensorflow", "theano", "tinygrad", "torch")
"""Packages that would work out the gradients that a learner is here to write."""


MOST_LINES, MOST_OF_A_LINE = 8, 300
"""Lines and characters of the text of an exception that are shown."""


class UnusableFile(ExerciseError):
    """A learner's file from which no answer can be taken."""


class BorrowedFramework(ExerciseError, ImportError):
    """An answer that lets another framework work out its gradients."""


class _Refusal(MetaPathFinder):
    """A finder of modules that refuses the frameworks, and leaves all else to others.

    Args:
        folder: of the learner, who may have written a module of such a name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        name = fullname.partition(".")[0]
        if name not in FRAMEWORKS:
            return None
        if (self.folder / f"{name}.py").exists():
            return spec_from_file_location(name, self.folder / f"{name}.py")
        raise BorrowedFramework(f"{name} would work out the gradients for you. Write them yourself, with NumPy")


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """Let an answer import the learner's own files within this block, and no framework but this one.

    Args:
        folder: of the learner's files. It is searched last, so a file there hides no module of Python.
    """
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in FRAMEWORKS}
    refusal, place = _Refusal(folder.resolve()), str(folder.resolve())
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(0, refusal)
    sys.path.append(place)
    try:
        yield
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != place]
        sys.meta_path.remove(refusal)
        sys.modules.update(hidden)


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
    sys.modules[module.__name__] = module  # where dataclasses, for one, look for it
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except SyntaxError as problem:
        place = f"{shown(Path(problem.filename or path))}, line {problem.lineno}"
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
    borrowed = [key for key, value in vars(module).items() if value is exercise.rubric.library]
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
        kind = "a class" if isinstance(function, type) else f"of type {type(function).__name__}"
        raise UnusableFile(f"{name} in {shown(path)} is {kind}; define it with 'def {name}(...)'")
    if plain.__code__.co_filename != str(path):
        raise UnusableFile(
            f"{name} in {shown(path)} was not written there but in {plain.__code__.co_filename}; "
            f"only what is in {path.name} counts"
        )


def text_of(problem: BaseException) -> str:
    """Return the text of an exception; "" if that raises another one, as a learner's own might."""
    try:
        return str(problem).strip()
    except Exception:  # noqa: BLE001 - a learner's code may raise anything
        return ""


def describe(problem: BaseException, path: Path) -> str:
    """Return an exception in two or three lines: its message, and the line of the learner's that it came from.

    Args:
        problem: the exception.
        path: the learner's file; the line may also be one of a module beside it.
    """
    message = text_of(problem)
    lines = [line[:MOST_OF_A_LINE] for line in message.splitlines() if line.strip()][:MOST_LINES]
    number = _line_by_numba(message, path)
    place = None if number is None else (path, number)
    if place is not None:  # numba's message is a page long
        lines = [line.strip() for line in lines if not line.startswith(("Failed in", "\x1b"))][:2]
    else:
        folder = path.resolve().parent
        frames = [f for f in traceback.extract_tb(problem.__traceback__) if Path(f.filename).resolve().parent == folder]
        if frames and frames[-1].lineno is not None:
            place = Path(frames[-1].filename), frames[-1].lineno
    text = ": ".join(filter(None, (type(problem).__name__, "\n  ".join(lines))))
    return text if place is None else f"{text}\n    {place[0].name}, line {place[1]}: {_line(*place)}"


def _line_by_numba(message: str, path: Path) -> int | None:
    """Return the line of the file that numba's compiler names in its message; None if it names none."""
    match = re.search(re.escape(path.name) + r'"?, line (\d+)', message)
    return int(match[1]) if match else None


def _line(path: Path, number: int) -> str:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
