"""Learner's files made out of the library's source: the signature and the docstring stay, the body goes."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher

from tinydist.exercises.exercise import WIDTH, Exercise, command, paragraphs, python_function

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


def stub(exercise: Exercise, number: int) -> str:
    """Return the text of the file in which a learner writes the function."""
    function = python_function(exercise.library)
    source, node = library_source(exercise)
    signature = _signature(exercise, node)
    names = {n.id for n in ast.walk(ast.parse(f"def f{signature}: pass")) if isinstance(n, ast.Name)}
    imports = {"from tinydist.exercises import NotWrittenYet", "from tinydist.exercises import check"}
    imports |= import_lines({"np", *names, *exercise.gives}, function.__globals__)
    if isinstance(exercise.library, Dispatcher):
        imports |= {"from numba import njit", "from numba import prange"}
    return TEMPLATE.format(
        number=number,
        name=exercise.name,
        title=exercise.title,
        task=paragraphs(exercise.task),
        lesson=exercise.lesson,
        check=command("check", exercise.name),
        hint=command("hint", exercise.name),
        imports=arranged(imports),
        decorator="@njit(parallel=True)\n" if isinstance(exercise.library, Dispatcher) else "",
        signature=signature,
        docstring=_docstring(source, node),
    )


def library_source(exercise: Exercise) -> tuple[str, ast.FunctionDef]:
    """Return the source of the library's function, at the left margin, and its syntax tree."""
    source = textwrap.dedent(inspect.getsource(python_function(exercise.library)))
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
    owner = exercise.library.__qualname__.rpartition(".")[0] if not isinstance(exercise.library, Dispatcher) else ""
    arguments = [argument for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg == "self"]
    for argument in arguments:
        argument.annotation = ast.Name(owner)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    inside = ast.unparse(node.args)
    for pattern, plain in PLAIN_ANNOTATIONS:
        inside, returns = re.sub(pattern, plain, inside), re.sub(pattern, plain, returns)
    inside = re.sub(r"=(?=\S)", " = ", inside) if ":" in inside else inside
    if len(f"def {exercise.name}({inside}){returns}:") <= WIDTH:
        return f"({inside}){returns}"
    lines = "".join(f"    {argument},\n" for argument in _split(inside))
    return f"(\n{lines}){returns}"


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


def _docstring(source: str, node: ast.FunctionDef) -> str:
    """Return the lines of the docstring as they stand in the source."""
    if ast.get_docstring(node) is None:
        return ""
    first = node.body[0]
    return "\n".join(source.splitlines()[first.lineno - 1 : first.end_lineno]) + "\n"
