"""A learner's folder, and what a learner may write into it."""

import re
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tinydist.exercises.exercise import Exercise
from tinydist.exercises.stubs import solution, stub
from tinydist.exercises.table import find
from tinydist.exercises.workspace import Workspace

UNWRITTEN = "    raise NotWrittenYet(__file__)\n"


@pytest.fixture(scope="session")
def fresh_folder(tmp_path_factory):
    return Workspace.start(tmp_path_factory.mktemp("fresh") / "exercises")[0].folder


@pytest.fixture
def workspace(tmp_path, fresh_folder):
    return Workspace(shutil.copytree(fresh_folder, tmp_path / "exercises"))


@pytest.fixture
def written() -> Callable[[Exercise, str], str]:
    """The text of a learner's file with this body for the function."""

    def fill_in(exercise, body):
        text = stub(exercise)
        assert text.count(UNWRITTEN) == 1
        return text.replace(UNWRITTEN, textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n")

    return fill_in


@pytest.fixture
def solved(workspace) -> Callable[[Exercise], Path]:
    """Paste the printed solution into the learner's file, and return the file."""

    def paste(exercise):
        path = workspace.path(exercise)
        text = stub(exercise)
        start = re.search(rf"^(@.*\n)?def {exercise.name}\(", text, flags=re.M).start()
        end = text.index(UNWRITTEN) + len(UNWRITTEN)
        path.write_text(f"{text[:start]}{solution(exercise)}\n{text[end:]}", encoding="utf-8")
        return path

    return paste


@pytest.fixture
def answer(workspace, written) -> Callable[[str, str], Exercise]:
    """Write a body into the learner's file of the exercise of this name."""

    def write(name, body):
        exercise = find(name)
        workspace.path(exercise).write_text(written(exercise, body), encoding="utf-8")
        return exercise

    return write
