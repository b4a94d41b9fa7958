"""The learner's folder: a file for each exercise. Nothing that a learner wrote is ever overwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tinydist import __version__
from tinydist.exercises.exercise import STATE, Exercise, ExerciseError, command, default_folder, shown
from tinydist.exercises.judgement import Judgement, Status
from tinydist.exercises.table import EXERCISES, file_name
from tinydist.files import write_atomically

UNWRITTEN = "raise NotWrittenYet(__file__)"
"""The line that a learner replaces."""

Helpers = Sequence[bytes | None]
"""What is in each of the learner's own modules; None for one that cannot be read."""

PYTEST_INI = """\
[pytest]
python_files = [0-9][0-9]_*.py
addopts = --tb=short -p no:cacheprovider
"""

README = """\
# tinydist exercises

Each file asks for one function of tinydist: replace the line that raises NotWrittenYet. They are best done in order,
beside the lessons, but any order works: each is judged by itself, with the library's other functions.

    python -m tinydist.exercises next            what to do now
    python -m tinydist.exercises watch           judge each file as you save it
    python -m tinydist.exercises check mul sum   judge these answers (without a name: all)
    python -m tinydist.exercises hint mul        a hint, and one more each time
    python -m tinydist.exercises progress        how far you are
    python -m tinydist.exercises check --mine    compare and train models with your functions

These work in this folder and, if it is called exercises, in the one above; elsewhere add --dir and its path. `pytest`
here judges all answers as well. `reset` gives a fresh file and keeps yours beside it; `solution` shows a right answer.

Each answer runs in a process of its own. It may use NumPy, SciPy, numba and files of your own beside it, such as
helpers.py, but neither tinydist's own function of that name nor another framework that works out gradients.
"""


@dataclass(frozen=True)
class Workspace:
    """A learner's folder."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """Return the learner's folder that was made by :meth:`start` before.

        Raises:
            ExerciseError: if there is none, or it is some other folder.
        """
        if folder.exists() and not folder.is_dir():
            raise ExerciseError(f"{shown(folder)} is a file, not a folder. {_where_yours_is(folder)}")
        if not folder.is_dir():
            raise ExerciseError(f"the folder {shown(folder)} is missing. {_where_yours_is(folder)}")
        if not _is_a_learners(folder):
            raise ExerciseError(f"{shown(folder)} is not a folder of exercises. {_where_yours_is(folder)}")
        return cls(folder)

    @classmethod
    def start(cls, folder: Path) -> tuple[Workspace, list[str]]:
        """Make the folder, or add to it whatever is missing.

        Returns:
            The learner's folder, and the names of the files that were written.

        Raises:
            ExerciseError: if the folder holds other things, or cannot be written.
        """
        outer = next((above for above in folder.resolve().parents if _is_a_learners(above)), None)
        if outer is not None:
            raise ExerciseError(
                f"{shown(folder)} would lie within {shown(outer)}, which is a folder of exercises already. Go on "
                f"there: {command('next', folder=outer)}"
            )
        if folder.exists() and not folder.is_dir():
            raise ExerciseError(
                f"{shown(folder)} is a file. Choose another name: {start_command(folder.parent / 'mine')}"
            )
        if folder.is_dir() and any(folder.iterdir()) and not _is_a_learners(folder):
            raise ExerciseError(
                f"{shown(folder)} holds other files. Choose a new folder: {start_command(folder / 'exercises')}"
            )
        from tinydist.exercises.stubs import stub  # reads the library's source, which the other commands need not

        files = {file_name(e): stub(e) for e in EXERCISES}
        files |= {"README.md": README, "pytest.ini": PYTEST_INI, STATE: json.dumps({part: {} for part in KINDS})}
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                if not (folder / name).exists():
                    write_atomically(folder / name, text)
                    written.append(name)
        except OSError as problem:
            raise _cannot_write(folder, problem) from None
        return cls(folder), written

    def path(self, exercise: Exercise) -> Path:
        """Return the path of the learner's file."""
        return self.folder / file_name(exercise)

    def reset(self, exercise: Exercise) -> Path | None:
        """Put a fresh file in place, and return where the learner's version is kept; None if there was none.

        Raises:
            ExerciseError: if the folder cannot be written.
        """
        from tinydist.exercises.stubs import stub

        path, backup = self.path(exercise), None
        try:
            if path.exists() and path.read_text(encoding="utf-8", errors="replace") != stub(exercise):
                taken = (path.with_name(f"{path.name}.{n}") for n in range(1, 10**6))
                backup = next(candidate for candidate in taken if not candidate.exists())
                path.rename(backup)
            write_atomically(path, stub(exercise))
        except OSError as problem:
            raise _cannot_write(self.folder, problem) from None
        return backup

    def next_hint(self, exercise: Exercise) -> int:
        """Return how many hints to show now, one more than last time if there are more."""
        return min(self._state("hints").get(exercise.name, 0) + 1, len(exercise.hints))

    def remember_hints(self, exercise: Exercise, count: int) -> None:
        """Store how many hints have been shown.

        Raises:
            ExerciseError: if the folder cannot be written.
        """
        self._store("hints", exercise, count)

    def standings(self, exercises: Sequence[Exercise] = EXERCISES) -> list[Judgement]:
        """Return how exercises stand by their last check, without another one; see :attr:`Judgement.status`."""
        judged, helpers = self._state("judged"), list(map(_bytes, self.helpers()))
        return [self._standing(exercise, judged.get(exercise.name), helpers) for exercise in exercises]

    def _standing(self, exercise: Exercise, last: tuple[str, Status] | None, helpers: Helpers) -> Judgement:
        answer = _bytes(self.path(exercise))
        if answer is None:
            return Judgement(exercise, "unusable")
        if last is not None and last[0] == _digest(exercise, answer, helpers):
            return Judgement(exercise, last[1])
        return Judgement(exercise, "not written" if UNWRITTEN.encode() in answer else "unchecked")

    def remember(self, judgement: Judgement, digest: str | None) -> None:
        """Store the result of a check, for as long as the learner's files stay as they were.

        Args:
            judgement: the result.
            digest: of what was checked, taken before; None if the file could not be read.

        Raises:
            ExerciseError: if the folder cannot be written.
        """
        if digest is not None:
            self._store("judged", judgement.exercise, [digest, judgement.status])

    def helpers(self) -> list[Path]:
        """Return the learner's own modules, which the answers may import."""
        ours = {self.path(exercise) for exercise in EXERCISES}
        return sorted(path for path in self.folder.rglob("[!.]*.py") if path not in ours and path.is_file())

    def digest(self, exercise: Exercise) -> str | None:
        """Return a digest of an answer, of the helpers it may import, and of what judges it; None without an answer."""
        answer = _bytes(self.path(exercise))
        return None if answer is None else _digest(exercise, answer, list(map(_bytes, self.helpers())))

    def _state(self, part: str) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))[part]
            return {str(name): KINDS[part](value) for name, value in state.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}  # lost or spoiled: hints start again from the first, and nothing counts as checked

    def _store(self, part: str, exercise: Exercise, value: Any) -> None:
        state = {name: self._state(name) for name in KINDS}
        state[part][exercise.name] = value
        try:
            write_atomically(self.folder / STATE, json.dumps(state))
        except OSError as problem:
            raise _cannot_write(self.folder, problem) from None


def _bytes(path: Path) -> bytes | None:
    """Return what is in a file; None if it cannot be read, such as one that an editor is about to replace."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(exercise: Exercise, answer: bytes, helpers: Helpers) -> str:
    rubric = Path(__file__).parent / "catalogue" / f"{exercise.name}.py"
    parts = [answer, *helpers, _bytes(rubric), __version__.encode()]
    return hashlib.sha256(b"\0".join(part or b"" for part in parts)).hexdigest()[:16]


def _digest_and_status(value: Any) -> tuple[str, Status]:
    digest, status = value
    if status not in get_args(Status):
        raise ValueError(status)
    return str(digest), status


KINDS: dict[str, Callable[[Any], Any]] = {"hints": int, "judged": _digest_and_status}
"""The parts of the stored state, and what reads a value of each."""


def start_command(folder: Path) -> str:
    """Return the command that makes this folder."""
    return command("start", folder=folder).replace(" --dir ", " ")


def _is_a_learners(folder: Path) -> bool:
    return (folder / STATE).exists() or any((folder / file_name(e)).exists() for e in EXERCISES)


def _where_yours_is(folder: Path) -> str:
    """Return the command that a learner may have meant who named a wrong folder."""
    near = (default_folder(), folder / "exercises", *folder.resolve().parents)
    yours = next((path for path in near if path.is_dir() and _is_a_learners(path)), None)
    if yours is not None:
        return f"Yours is {shown(yours)}: {command('next', folder=yours)}"
    return f"Make one: {start_command(folder if not folder.exists() else Path('exercises'))}"


def _cannot_write(folder: Path, problem: OSError) -> ExerciseError:
    return ExerciseError(
        f"cannot write in {shown(folder)}: {problem.strerror}. Choose another folder, or mend its permissions"
    )
