"""The learner's folder: a file for each exercise. Nothing that a learner wrote is ever overwritten."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tinydist.exercises.exercise import Exercise, ExerciseError, command, shown
from tinydist.exercises.stubs import stub
from tinydist.exercises.table import EXERCISES, file_name, number
from tinydist.files import write_atomically

STATE = ".tinydist-exercises.json"
"""Name of the file that marks a learner's folder and holds how many hints have been shown."""

PYTEST_INI = """\
[pytest]
python_files = [0-9][0-9]_*.py
addopts = --tb=short -p no:cacheprovider
"""

README = """\
# tinydist exercises

Each file asks for one function of tinydist: replace the line that raises NotWrittenYet. They are best done in order,
beside the lessons, but any order works: each is judged by itself, with the library's other functions.

    python -m tinydist.exercises next           what to do now
    python -m tinydist.exercises check mul      judge one answer (without a name: all)
    python -m tinydist.exercises hint mul       a hint, and one more each time
    python -m tinydist.exercises progress       how far you are
    python -m tinydist.exercises check --mine   train the paper's models with your functions

`pytest` in this folder judges all of them as well. `reset` gives a fresh file and keeps yours beside it; `solution`
shows how the library does it. If this folder is not ./exercises, add --dir and its path to each command.
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
        if not folder.is_dir():
            raise ExerciseError(f"the folder {shown(folder)} is missing. Make it: {start_command(folder)}")
        if not _is_a_learners(folder):
            raise ExerciseError(
                f"{shown(folder)} is not a folder of exercises. Name yours with --dir, or make one: "
                f"{start_command(folder / 'exercises')}"
            )
        return cls(folder)

    @classmethod
    def start(cls, folder: Path) -> tuple[Workspace, list[str]]:
        """Make the folder, or add to it whatever is missing.

        Returns:
            The learner's folder, and the names of the files that were written.

        Raises:
            ExerciseError: if the folder holds other things, or cannot be written.
        """
        if folder.is_dir() and any(folder.iterdir()) and not _is_a_learners(folder):
            raise ExerciseError(
                f"{shown(folder)} holds other files. Choose a new folder: {start_command(folder / 'exercises')}"
            )
        files = {file_name(e): stub(e, number(e)) for e in EXERCISES}
        files |= {"README.md": README, "pytest.ini": PYTEST_INI, STATE: json.dumps({"hints": {}})}
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
        """Put a fresh file in place, and return where the learner's version is kept, None if there was none.

        Raises:
            ExerciseError: if the folder cannot be written.
        """
        path, backup = self.path(exercise), None
        try:
            if path.exists():
                taken = (path.with_name(f"{path.name}.{n}") for n in range(1, 10**6))
                backup = next(candidate for candidate in taken if not candidate.exists())
                path.rename(backup)
            write_atomically(path, stub(exercise, number(exercise)))
        except OSError as problem:
            raise _cannot_write(self.folder, problem) from None
        return backup

    def next_hint(self, exercise: Exercise) -> int:
        """Return how many hints to show now, one more than last time if there are more, and store the number.

        Raises:
            ExerciseError: if the folder cannot be written.
        """
        shown_before = self._hints().get(exercise.name, 0)
        count = min(shown_before + 1, len(exercise.hints))
        if count > shown_before:
            try:
                state = {"hints": self._hints() | {exercise.name: count}}
                write_atomically(self.folder / STATE, json.dumps(state))
            except OSError as problem:
                raise _cannot_write(self.folder, problem) from None
        return count

    def _hints(self) -> dict[str, int]:
        try:
            hints = json.loads((self.folder / STATE).read_text(encoding="utf-8"))["hints"]
            return {str(name): int(count) for name, count in hints.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}  # lost or spoiled: hints start again from the first


def start_command(folder: Path) -> str:
    """Return the command that makes this folder."""
    return command("start", folder=folder).replace(" --dir ", " ")


def _is_a_learners(folder: Path) -> bool:
    return (folder / STATE).exists() or any((folder / file_name(e)).exists() for e in EXERCISES)


def _cannot_write(folder: Path, problem: OSError) -> ExerciseError:
    return ExerciseError(
        f"cannot write in {shown(folder)}: {problem.strerror}. Choose another folder, or mend its permissions"
    )
