"""Learner's files made out of the library's source: signature and docstring stay, and the body is the learner's."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher

from tinydist.exercises.exercise import WIDTH, Exercise, command, paragraphs, python_function, shown

TEMPLATE = '''\
"""{number:02} {name}: {title}.

{task}

Lesson: lessons/{lesson}.py
Check:  {check}
Hint:   {hint}
"""

{imports}


{decorator}def {name}{signature}:
{docstring}    raise NotWrittenYet(__file__)


def test_{name}():
    check({name})
'''

PLAIN_ANNOTATIONS = (
    (r"\bNDArray\[[\w.]+\]|\bArray(Like)?\b", "np.ndarray"),
    (r"\bResult\b", "tuple"),
    (r"\bAxis\b", "int | tuple[int, ...] | None"),
)
"""Replacements for the library's own names for types, so that a learner need not look them up."""


def stub(exercise: Exercise) -> str:
    """Return the text of the file in which a learner writes the function."""
    source, node = library_source(exercise)
    ours = {"from tinydist.exercises import NotWrittenYet", "from tinydist.exercises import check"}
    return TEMPLATE.format(
        number=exercise.number,
        name=exercise.name,
        title=exercise.title,
        task=paragraphs(exercise.task),
        lesson=exercise.lesson,
        check=command("check", exercise.name),
        hint=command("hint", exercise.name),
        imports=arranged(_imports(exercise, node) | ours),
        decorator=_decorator(exercise),
        signature=_signature(exercise, node),
        docstring=_docstring(exercise, source, node),
    )


def solution(exercise: Exercise) -> str:
    """Return a right answer, with the imports that it needs: a learner may put it in the place of the stub."""
    _, node = library_source(exercise)
    lines = inspect.getsource(python_function(exercise.rubric.solution)).splitlines()
    first = ast.parse("\n".join(lines)).body[0]
    assert isinstance(first, ast.FunctionDef)
    body = _plain("\n".join(lines[first.body[0].lineno - 1 :]))
    head = f"{_decorator(exercise)}def {exercise.name}{_signature(exercise, node)}:"
    library = python_function(exercise.rubric.library)
    path, line = shown(Path(inspect.getsourcefile(library) or "")), inspect.getsourcelines(library)[1]
    note = f"# A right answer. Compare it with {path}, line {line}."
    return f"{note}\n\n{arranged(_imports(exercise, node))}\n\n\n{head}\n{body}"


def _imports(exercise: Exercise, node: ast.FunctionDef) -> set[str]:
    signature = _signature(exercise, node)
    names = {n.id for n in ast.walk(ast.parse(f"def f{signature}: pass")) if isinstance(n, ast.Name)}
    rubric = exercise.rubric
    needed = {"np", *names, *rubric.gives}
    library, own = (python_function(function).__globals__ for function in (rubric.library, rubric.solution))
    compiled = {"from numba import njit", "from numba import prange"} if _decorator(exercise) else set()
    return import_lines(needed, library) | import_lines(needed - set(library), own) | compiled


def _decorator(exercise: Exercise) -> str:
    return "@njit(parallel=True)\n" if isinstance(exercise.rubric.library, Dispatcher) else ""


def library_source(exercise: Exercise) -> tuple[str, ast.FunctionDef]:
    """Return the source of the library's function, at the left margin, and its syntax tree."""
    source = textwrap.dedent(inspect.getsource(python_function(exercise.rubric.library)))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    return source, node


def import_lines(names: Iterable[str], namespace: Mapping[str, Any]) -> set[str]:
    """Return the imports that bring these global names of a module into another one; built-in names need none.

    Args:
        names: the names.
        namespace: globals of the module.
    """
    return {_import_line(name, namespace[name], namespace["__name__"]) for name in names if name in namespace}


def _import_line(name: str, value: Any, module: str) -> str:
    if isinstance(value, ModuleType):
        package, _, own = value.__name__.rpartition(".")
        if own == name:
            return f"from {package} import {own}" if package else f"import {own}"
        return f"import {value.__name__} as {name}"
    home = getattr(value, "__module__", module)
    if vars(sys.modules.get(home, sys)).get(name) is not value:
        home = module
    return f"from {home} import {name}"


def arranged(imports: Iterable[str]) -> str:
    """Return import lines in the usual three groups, the names from one module in one line."""
    modules: dict[str, set[str]] = {}
    for line in imports:
        source, _, name = line.removeprefix("from ").partition(" import ")
        modules.setdefault(source, set()).update({name} - {""})
    groups: list[list[str]] = [[], [], []]
    for source, names in sorted(modules.items()):
        root = source.removeprefix("import ").partition(".")[0].partition(" ")[0]
        group = 0 if root in sys.stdlib_module_names else 2 if root == "tinydist" else 1
        groups[group].append(f"from {source} import {', '.join(sorted(names))}" if names else source)
    return "\n\n".join("\n".join(group) for group in groups if group)


def _signature(exercise: Exercise, node: ast.FunctionDef) -> str:
    owner = (
        exercise.rubric.library.__qualname__.rpartition(".")[0]
        if not isinstance(exercise.rubric.library, Dispatcher)
        else ""
    )
    arguments = [argument for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg == "self"]
    for argument in arguments:
        argument.annotation = ast.Name(owner)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    inside, returns = _plain(ast.unparse(node.args)), _plain(returns)
    inside = re.sub(r"=(?=\S)", " = ", inside) if ":" in inside else inside
    if len(f"def {exercise.name}({inside}){returns}:") <= WIDTH:
        return f"({inside}){returns}"
    lines = "".join(f"    {argument},\n" for argument in _split(inside))
    return f"(\n{lines}){returns}"


def _plain(code: str) -> str:
    """Return code in which types have the names that a learner knows."""
    for pattern, plain in PLAIN_ANNOTATIONS:
        code = re.sub(pattern, plain, code)
    return code


def _split(arguments: str) -> list[str]:
    """Return the arguments one by one, split at the commas that are in no brackets."""
    parts, depth = [""], 0
    for character in arguments:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _docstring(exercise: Exercise, source: str, node: ast.FunctionDef) -> str:
    """Return the lines of the docstring as they stand in the source, but for errors that the task does not ask for."""
    if ast.get_docstring(node) is None:
        return ""
    first = node.body[0]
    text = "\n".join(source.splitlines()[first.lineno - 1 : first.end_lineno]) + "\n"
    head, heading, errors = text.partition("\n\n    Raises:\n")
    entries = re.findall(r"^        \S.*\n(?:         .*\n)*", errors, flags=re.M)
    asked = [entry for entry in entries if entry.strip().partition(":")[0] in exercise.task]
    return head + (heading + "".join(asked) if asked else "\n") + errors[sum(map(len, entries)) :]
