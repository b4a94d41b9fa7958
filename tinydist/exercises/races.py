"""Search for data races in a learner's kernel, in a way that does not depend on luck.

Threads that get in each other's way give a wrong result only now and then. So Python runs the kernel here, the turns of
each loop one after the other, on arrays that tell which turn reads and writes which place in memory. Two turns at one
place, at least one of them writing, are a race, however the threads may run.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np

from tinydist.exercises.chances import Chance, element_of, order_matters, race, unwritten
from tinydist.exercises.watched import CREATORS, Array, Watch, Watched, places_of
from tinydist.kernels import jit

MOST_ACCESSES = 200_000
"""Number of reads and writes after which a run is given up; it takes some seconds to get there."""

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.If, ast.Try)

CONFLICTS = (("write", "write"), ("write", "add"), ("write", "read"), ("add", "read"))
"""What two turns must not do at one place; both may add, because numba gives each thread a copy to add to."""


class TooLong(Exception):
    """A run that was given up because it reads and writes too often."""


class _Enough(BaseException):
    """The end of a run that has found something; not an Exception, which the learner's code might catch."""


def find_race(source: str, path: Path, name: str, inputs: Sequence[Array]) -> Chance | None:
    """Run a kernel in Python and return what in it depends on luck; None if nothing does.

    Only the outermost prange loop of a function with ``parallel=True`` is shared out between threads, as by numba.
    What the kernel raises passes through.

    Args:
        source: text of the learner's file. Its definitions are executed once more, with stand-ins for numba.
        path: the learner's file.
        name: of the kernel, a function in it.
        inputs: small arrays, the kernel's arguments. They are copied.

    Raises:
        TooLong: if the kernel reads and writes more often than a search should take.
    """
    forwards = _Run(path)
    before = forwards.run(source, name, inputs)
    if forwards.chance:
        return forwards.chance
    for line in forwards.lines:
        backwards = _Run(path, reverse=line)
        after = backwards.run(source, name, inputs)
        chance = backwards.chance or order_matters(line, before, after)
        if chance:
            return chance
    return None


@dataclass(eq=False)
class _Loop:
    """One execution of a prange loop whose turns are shared out.

    Attributes:
        line: of the loop.
        frame: of the function that runs it.
        before: number of arrays made before it.
        turn: the loop variable's value at the moment.
        accesses: by kind and place: the turns in which it happened, and the line of each.
    """

    line: int
    frame: FrameType
    before: int
    turn: int = 0
    accesses: dict[str, dict[int, dict[int, int]]] = field(
        default_factory=lambda: {kind: {} for kind in ("read", "write", "add")}
    )


class _Run(Watch):
    """One run of a kernel.

    Args:
        path: the learner's file.
        reverse: line of a loop whose turns run in reverse order.
    """

    def __init__(self, path: Path, reverse: int | None = None) -> None:
        super().__init__()
        self.chance: Chance | None = None
        self.lines: dict[int, None] = {}  # of the loops that are shared out
        self._file = str(path)
        self._reverse = reverse
        self._parallel: set[CodeType] = set()
        self._loop: _Loop | None = None
        self._accesses = 0
        self._stand_ins = {
            numba: _stand_in(numba, njit=self._njit, jit=self._njit, prange=self._prange),
            jit: _stand_in(jit, kernel=self._njit),
            np: _stand_in(np, **{name: self.creator(name) for name in CREATORS}),
        }

    def run(self, source: str, name: str, inputs: Sequence[Array]) -> dict[str, Array]:
        """Run the kernel and return its arguments and results afterwards, by name."""
        arguments = [self.over(np.array(x)) for x in inputs]
        try:
            function = self._load(source)[name]
            result = function(*arguments)
        except _Enough:
            return {}
        results = {"result": result}
        if isinstance(result, tuple):
            results = {f"result[{position}]": part for position, part in enumerate(result)}
        outcome = {
            what: value
            for what, value in {**dict(zip(function.__code__.co_varnames, arguments, strict=False)), **results}.items()
            if isinstance(value, np.ndarray | np.generic | int | float)
        }
        for what, value in outcome.items():
            for index, place in np.ndenumerate(places_of(value)) if isinstance(value, Watched) else ():
                if place in self.unwritten:
                    self._found(unwritten(element_of(what, index), "returned", self.unwritten[place]))
        return {what: np.asarray(value) for what, value in outcome.items()}

    def note(self, kind: str, *places: Array) -> None:
        """Note that the turn at the moment reads, writes or adds to places."""
        frame: FrameType | None = sys._getframe(1)
        while frame and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        if frame is None:
            return
        self._accesses += 1
        if self._accesses > MOST_ACCESSES:
            raise TooLong(f"more than {MOST_ACCESSES} reads and writes")
        for place in (place for array in places for place in array.ravel().tolist()):
            if kind == "write":
                self.unwritten.pop(place, None)
            elif place in self.unwritten:
                use = f"read in line {frame.f_lineno}"
                self._found(unwritten(self._name(place, frame), use, self.unwritten[place]))
                raise _Enough
            if self._loop:
                self._loop.accesses[kind].setdefault(place, {}).setdefault(self._loop.turn, frame.f_lineno)

    def is_reduction(self, array: Watched, frame: FrameType) -> bool:
        """Return whether the array was there before the loop, and is not a part that one turn took out of another."""
        return self._loop is not None and frame is self._loop.frame and array.number < self._loop.before

    def _load(self, source: str) -> dict[str, Any]:
        """Execute the definitions in the learner's file and return them."""
        module = ModuleType("watched_answer")
        module.__file__ = self._file
        vars(module)["__builtins__"] = vars(builtins) | {"__import__": self._import}
        tree = ast.parse(source, self._file)
        # anything else in the file, such as measurements of times, would take long in Python
        tree.body = [statement for statement in tree.body if isinstance(statement, DEFINITIONS)]
        exec(compile(tree, self._file, "exec", dont_inherit=True), vars(module))
        return vars(module)

    def _import(self, *args: Any, **options: Any) -> Any:
        module = __import__(*args, **options)
        return self._stand_ins.get(module, module)

    def _njit(self, *args: Any, parallel: bool = False, **_: Any) -> Any:
        def mark(function: Any) -> Any:
            if parallel:
                self._parallel.add(function.__code__)
            return function

        return mark(args[0]) if args and isinstance(args[0], FunctionType) else mark

    def _prange(self, *bounds: int) -> Iterable[int]:
        frame = sys._getframe(1)
        if self._loop or frame.f_code not in self._parallel:
            return range(*bounds)
        return self._shared_out(range(*bounds), frame)

    def _shared_out(self, turns: range, frame: FrameType) -> Iterator[int]:
        loop = self._loop = _Loop(frame.f_lineno, frame, len(self.arrays))
        self.lines[loop.line] = None
        try:
            for turn in reversed(turns) if self._reverse == loop.line else turns:
                loop.turn = turn
                yield turn
        finally:
            self._loop = None
            self._judge(loop)

    def _judge(self, loop: _Loop) -> None:
        """Look for two turns that meet at one place."""
        for kind, other in CONFLICTS:
            for place, turns in loop.accesses[kind].items():
                for turn, line in turns.items():
                    for second, at in loop.accesses[other].get(place, {}).items():
                        if turn != second and not self.chance:
                            element = self._name(place, loop.frame)
                            self._found(race(loop.line, element, other == "read", (turn, line), (second, at)))

    def _found(self, chance: Chance) -> None:
        self.chance = self.chance or chance

    def _name(self, place: int, frame: FrameType) -> str:
        """Return words for a place: an element of the largest array there that has a name in the frame, if one has."""
        named = [(name, value) for name, value in frame.f_locals.items() if isinstance(value, Watched)]
        named.sort(key=lambda pair: -pair[1].size)
        candidates = named + [("an array", array) for array in self.arrays]
        return next(element_of(name, i) for name, array in candidates for i in np.argwhere(places_of(array) == place))


def _stand_in(module: ModuleType, **replaced: Any) -> ModuleType:
    """Return a copy of a module with some of its functions replaced."""
    stand_in = ModuleType(module.__name__)
    vars(stand_in).update(vars(module) | replaced)
    return stand_in
