"""Cases that many rubrics share. What is expected comes from the solution in float64; the tests hold that to others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from tinydist.exercises.compare import difference
from tinydist.exercises.exercise import python_function
from tinydist.exercises.patterns import AGAIN, STAYS
from tinydist.exercises.rubric import Case, Observation, about_to_try

Array = NDArray[Any]


@dataclass(frozen=True)
class OpCase:
    """Inputs to try an op on.

    Attributes:
        inputs: arrays by name, in the order of the op's arguments.
        options: the op's other arguments.
        g: the incoming gradient; random numbers of either sign where it is None.
        why: why this case is tried, shown to the learner.
        dtype: of the inputs that the op receives, and so of everything it should give.
        atol: see :class:`Observation`; 0 where each entry has to be right by itself, however small.
        wide: whether float64 is as good as float32.
    """

    inputs: Mapping[str, Array]
    options: Mapping[str, Any] = field(default_factory=dict)
    g: Array | None = None
    why: str = ""
    dtype: type = np.float64
    atol: float | None = None
    wide: bool = False


def op_cases(solution: Callable[..., Any], *cases: OpCase) -> tuple[Case, ...]:
    """Return cases of an op: those given in float64, then in float32, and then the last one in unusual arrays.

    Args:
        solution: the op's right answer, from arrays and options to ``(value, rules)``.
        cases: what to try, the smallest first; the last one should be of a general kind.
    """
    last = cases[-1]
    narrow = [replace(case, dtype=np.float32, why=case.why or "float32 in must give float32 out") for case in cases]
    turned = replace(last, why="arrays that lie in memory in another order")
    read_only = replace(last, why="arrays that cannot be written to")
    return (
        *(Asked(solution, case) for case in (*cases, *narrow)),
        Asked(solution, turned, _turned),
        Asked(solution, read_only, _read_only),
        partial(ask_twice, solution=solution, case=last),
    )


@dataclass(frozen=True)
class Asked:
    """A case of an op, which knows smaller ones.

    Attributes:
        solution: the op's right answer.
        case: what to try.
        turn: makes the arrays that the op and its rules receive.
    """

    solution: Callable[..., Any]
    case: OpCase
    turn: Callable[[Array], Array] = np.copy

    def __call__(self, op: Any) -> Iterator[Observation]:
        """Yield observations of an op: its value, its gradients, and whether all stays as it was when the rules run."""
        solution, case, turn = self.solution, self.case, self.turn
        inputs = [turn(np.asarray(x).astype(case.dtype)) for x in case.inputs.values()]
        given: dict[str, Any] = {"why": case.why} if case.why else {}
        given |= dict(zip(case.inputs, map(np.copy, inputs), strict=True)) | dict(case.options)
        if case.dtype is not np.float64:
            given["dtype"] = np.dtype(case.dtype).name
        truth, true_rules = solution(*(x.astype(np.float64) for x in inputs), **case.options)

        def look(what: str, received: Any, expected: Any, with_g: Array | None = None) -> Observation:
            shown = given if with_g is None else given | {"g": with_g}
            expected = np.asarray(expected).astype(case.dtype)
            return Observation(what, kept(received), expected, shown, atol=case.atol, wide=case.wide)

        yield about_to_try(given)
        result = op(*inputs, **case.options)
        yield Observation("what comes back", kind(result), pair(len(true_rules)), given)
        if kind(result) != pair(len(true_rules)):
            return
        value, rules = result
        yield look("the value", value, truth)
        before = kept(value)
        g = np.asarray(signed(np.shape(truth)) if case.g is None else case.g)
        given_away = []
        for name, rule, true_rule in zip(case.inputs, rules, true_rules, strict=True):
            received, passed = rule(turned := turn(g.astype(case.dtype))), turned
            given_away.append((name, received, kept(received)))
            yield look(f"the gradient of {name}", received, true_rule(g), g)
            yield look(f"g after the rule for {name}{STAYS}", passed, g, g)
        other = -3 * g[..., ::-1] if g.ndim else -3 * g
        for name, rule, true_rule in reversed(list(zip(case.inputs, rules, true_rules, strict=True))):
            received = rule(turn(other.astype(case.dtype)))
            what = f"the gradient of {name}{AGAIN}"
            yield look(what, received, true_rule(other), other)
        for name, received, at_first in given_away:
            yield Observation(f"what the rule for {name} has returned before{STAYS}", kept(received), at_first, given)
        yield Observation(f"the value after the rules have run{STAYS}", kept(value), before, given)
        for name, x in zip(case.inputs, inputs, strict=True):
            yield Observation(f"{name} itself{STAYS}", kept(x), given[name], given)

    def smaller(self) -> Iterator[Asked]:
        """Yield cases with fewer entries: half of the axes that are equally long, or half of one axis of one input.

        Why the whole case is tried is not said of them, unless it is about how the arrays lie in memory.
        """
        why = "" if self.turn is np.copy else self.case.why
        lengths = {(name, axis): length for name, x in self.case.inputs.items() for axis, length in enumerate(x.shape)}
        groups = [[place for place in lengths if lengths[place] == length] for length in sorted(set(lengths.values()))]
        for group in (*groups, *([place] for place in lengths)):
            half = lengths[group[0]] // 2
            for part in (slice(half), slice(half, None)) if half else ():
                inputs = dict(self.case.inputs)
                for name, axis in group:
                    inputs[name] = inputs[name][(slice(None),) * axis + (part,)]
                yield replace(self, case=replace(self.case, inputs=inputs, g=None, why=why))


def ask_twice(op: Any, *, solution: Callable[..., Any], case: OpCase) -> Iterator[Observation]:
    """Yield observations of an op that is called on other inputs before the rules of the first call run."""
    first = [np.asarray(x).astype(np.float64) for x in case.inputs.values()]
    second = [np.flip(2 * x + 1) for x in first]  # positive where it has to be, and of other signs at other places
    given = {"why": "the op is called twice before any rule runs", **dict(zip(case.inputs, first, strict=True))}
    given |= dict(case.options)
    yield about_to_try(given)
    results = [op(*map(np.copy, inputs), **case.options) for inputs in (first, second)]
    for result in results:
        yield Observation("what comes back", kind(result), pair(len(first)), given)
        if kind(result) != pair(len(first)):
            return
    for words, inputs, (value, rules) in zip(("first", "second"), (first, second), results, strict=True):
        truth, true_rules = solution(*inputs, **case.options)
        g = np.asarray(signed(np.shape(truth)))
        yield Observation(f"the value, of the {words} call", kept(value), np.asarray(truth), given, wide=case.wide)
        for name, rule, true_rule in zip(case.inputs, rules, true_rules, strict=True):
            what = f"the gradient of {name}, of the {words} call"
            yield Observation(what, kept(rule(g.copy())), np.asarray(true_rule(g)), given, wide=case.wide)


def _turned(x: Array) -> Array:
    """Return an equal array whose entries lie in memory from the last to the first, along the axes in reverse."""
    return x.T[..., ::-1].copy()[..., ::-1].T if x.ndim else x.copy()


def _read_only(x: Array) -> Array:
    """Return an equal array that nobody can write to, such as the rule of a sum hands on."""
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def kernel_cases(truth: Callable[..., Array], *tries: tuple[str, Mapping[str, Array]]) -> tuple[Case, ...]:
    """Return cases of a kernel: run by Python in float64 and in float32, and at last by numba, which compiles it once.

    Args:
        truth: the result by NumPy.
        tries: why each is tried, and arrays by name, in the order of the kernel's arguments. The last two are for numba
            as well; the very last one is for numba only, so it may be large.
    """
    ask = partial(ask_kernel, truth=truth)
    by_python = tuple(
        partial(ask, inputs=inputs, dtype=dtype, compiled=False, why=why)
        for dtype in (np.float64, np.float32)
        for why, inputs in tries[:-1]
    )

    def by_numba(function: Any) -> Iterator[Observation]:
        why, inputs = tries[-2]
        for observation in ask(function, inputs=inputs, dtype=np.float32, compiled=False, why=why):
            yield observation
            if difference(observation) is not None:  # compiled, it might write to memory that is not its own
                return
        for why, inputs in tries[-2:]:
            yield from ask(function, inputs=inputs, dtype=np.float32, compiled=True, why=why)

    return *by_python, by_numba


def ask_kernel(
    function: Any,
    *,
    truth: Callable[..., Array],
    inputs: Mapping[str, Array],
    dtype: type,
    compiled: bool,
    why: str = "",
) -> Iterator[Observation]:
    """Yield observations of a kernel, and whether it left its inputs unchanged.

    Args:
        function: the kernel, compiled by numba or not.
        truth: the result by NumPy.
        inputs: arrays by name, in the order of the kernel's arguments.
        dtype: of the inputs that it receives.
        compiled: whether to run what numba compiled. Python says which line read outside an array; compiled code
            reads on. With Python, memory that was never written holds NaN.
        why: why this is tried.
    """
    arrays: list[Array] = [x.astype(dtype) for x in inputs.values()]
    given: dict[str, Any] = {"why": why} if why else {}
    given |= dict(zip(inputs, map(np.copy, arrays), strict=True)) | {"dtype": np.dtype(dtype).name}
    expected: Array = truth(*(x.astype(np.float64) for x in arrays)).astype(dtype)
    call, how = (function, "") if compiled else (_with_filled_memory(function), " by Python, without numba")
    yield about_to_try(given)
    result = kept(call(*arrays))
    if not compiled and isinstance(result, np.ndarray) and result.dtype.kind == "f" and np.isnan(result).any():
        given["nan"] = "in this case memory that np.empty gives is filled with nan"
    yield Observation(f"the result{how}", result, expected, given)
    for name, x in zip(inputs, arrays, strict=True):
        yield Observation(f"{name} itself{STAYS}", kept(x), given[name], given)


def _with_filled_memory(function: Any) -> Any:
    """Return a kernel for Python to run, in which the arrays that nobody has written to are full of NaN."""
    plain = python_function(function)
    if not isinstance(plain, FunctionType):
        return plain
    filled = _FilledMemory()
    stand_ins = {id(np): filled, id(np.empty): filled.empty, id(np.empty_like): filled.empty_like}
    names = {name: stand_ins.get(id(value), value) for name, value in plain.__globals__.items()}
    copy = FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__, plain.__closure__)
    copy.__kwdefaults__ = plain.__kwdefaults__
    return copy


class _FilledMemory:
    """NumPy, but for the arrays that nobody has written to: what is left in memory may look like zeros by luck."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, *inputs: Any, **options: Any) -> Array:
        return self._filled(np.empty(*inputs, **options))

    def empty_like(self, *inputs: Any, **options: Any) -> Array:
        return self._filled(np.empty_like(*inputs, **options))

    def _filled(self, array: Array) -> Array:
        array.fill(np.nan if array.dtype.kind == "f" else 99)
        return array


def said_if_not_compiled(function: Any) -> str:
    """Return what a learner should know whose loops pass, but are run by Python."""
    if isinstance(function, Dispatcher):
        return ""
    return (
        "It is right, but numba has not compiled it, and loops that Python runs itself are some hundred times slower: "
        "the line @njit(parallel=True) above the function lets numba compile them."
    )


def raised(call: Callable[[], Any], *expected: type[Exception]) -> str:
    """Call a function and return the name of the first of the `expected` errors that it raises, or "no error".

    Other errors pass through.
    """
    try:
        call()
    except expected as error:
        return next(kind.__name__ for kind in expected if isinstance(error, kind))
    return "no error"


def kept(value: Any) -> Any:
    """Return a value as it is at this moment: a copy, if it is an array."""
    return value.copy() if isinstance(value, np.ndarray) else value


def numbers(seed: int, *shape: int, low: float = -2, high: float = 2) -> Array:
    """Return random numbers with one decimal, easy to read, none of them 0.

    Args:
        seed: of the random numbers.
        shape: of the array.
        low, high: limits of the numbers.
    """
    drawn = np.random.default_rng(seed).uniform(low, high, shape).round(1)
    return np.where(drawn == 0, 0.5, drawn)


def signed(shape: tuple[int, ...]) -> Array:
    """Return numbers to use as an incoming gradient: of either sign, small and large, the first one negative."""
    size = int(np.prod(shape))
    steps = np.array([-3.0, 0.7, 10, -0.2, 2.5, -8, 1.3])
    return np.resize(steps, size).reshape(shape) if size else np.zeros(shape)


def pair(inputs: int) -> str:
    """Return in words what an op of this number of inputs has to return."""
    return f"a pair (value, vjps) with {inputs} gradient rule{'s' if inputs > 1 else ''} in a tuple or a list"


def kind(result: Any) -> str:
    """Return the kind of an op's result in words."""
    if result is None:
        return "None: is a return missing?"
    if isinstance(result, Generator | Coroutine):
        return (
            "a generator: it needs return, not yield"
            if isinstance(result, Generator)
            else "a coroutine: leave async out"
        )
    if not isinstance(result, tuple | list) or len(result) != 2:
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        return f"something of type {type(result).__name__}{size}"
    rules = result[1]
    if not isinstance(rules, tuple | list):
        advice = "; write (rule,) for a tuple of one" if callable(rules) else ""
        return f"a pair whose second part is a {type(rules).__name__}{advice}"
    if not all(map(callable, rules)):
        return "a pair in which some rule is no function"
    return pair(len(rules))
