"""A learner's folder, and what a learner may write into it."""

import ast
import shutil
import textwrap
from collections.abc import Callable

import pytest

from tinydist.exercises.exercise import Exercise, python_function
from tinydist.exercises.stubs import import_lines, library_source, stub
from tinydist.exercises.table import find, number
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
        text = stub(exercise, number(exercise))
        assert text.count(UNWRITTEN) == 1
        return text.replace(UNWRITTEN, textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n")

    return fill_in


@pytest.fixture
def reference(written) -> Callable[[Exercise], str]:
    """The text of a learner's file with the library's own body, and the imports that this needs."""

    def extract(exercise):
        source, node = library_source(exercise)
        statements = node.body[1:] if ast.get_docstring(node) else node.body
        body = "\n".join(source.splitlines()[statements[0].lineno - 1 : statements[-1].end_lineno])
        library = python_function(exercise.library)
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {library.__name__}
        return "\n".join([*import_lines(names, library.__globals__), written(exercise, body)])

    return extract


@pytest.fixture
def answer(workspace, written) -> Callable[[str, str], Exercise]:
    """Write a body into the learner's file of the exercise of this name."""

    def write(name, body):
        exercise = find(name)
        workspace.path(exercise).write_text(written(exercise, body), encoding="utf-8")
        return exercise

    return write
