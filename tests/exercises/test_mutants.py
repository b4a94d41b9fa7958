"""The generator of mistakes: which ones it makes of small functions, and what holds for all of them."""

import ast
import signal
import time

import numpy as np
import pytest

from tests.exercises.mutants import OPERATORS, mutants, per_operator, without_end
from tinydist.exercises.stubs import library_source
from tinydist.exercises.table import EXERCISES

RELU = "def relu(x):\n    return np.maximum(x, 0), (lambda g: np.where(x > 0, g, 0),)"

KERNEL = """
@njit(parallel=True)
def product(a, b):
    out = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in prange(a.shape[0]):
        for k in range(b.shape[0]):
            out[i, :] += a[i, k] * b[k]
    return out
"""

RULE_WITH_DEF = """
def square(x: np.ndarray, axis: int = 0):
    def rule(g):
        \"\"\"Return the gradient.\"\"\"
        return 2 * g * x

    return x**2, (rule,)
"""


def changes(source, *operators):
    """What the mutants of these operators, or of all, say about themselves, without the line."""
    found = [mutant for mutant in mutants(source) if not operators or mutant.operator in operators]
    return [f"{mutant.was} -> {mutant.now}" for mutant in found]


def body(statements):
    return "def f(x, y):\n    z = 3\n" + "".join(f"    {line}\n" for line in statements.splitlines())


def run(mutant, name):
    namespace = {"np": np}
    exec(mutant.source, namespace)
    return namespace[name]


def the(source, operator, words):
    (found,) = [m for m in mutants(source) if m.operator == operator and words in m.now]
    return found


def test_all_mutants_of_relu():
    maximum, rule = "np.maximum(x, 0)", "np.where(x > 0, g, 0)"
    both = f"({maximum}, (lambda g: {rule},))"
    inside = "[np.array(rule(g)), kept.fill(0)][0]"
    assert changes(RELU) == [
        f"return {both} -> kept = {both}; x[...] = 0; return kept",
        f"return {both} -> kept = {maximum}; "
        f"return (kept, tuple([lambda g, rule=rule: {inside} for rule in (lambda g: {rule},)]))",
        f"{both} -> ((lambda g: {rule},), {maximum})",
        f"{both} -> ({maximum},)",
        f"{maximum} -> x",
        f"{maximum} -> 0",
        f"{maximum} -> np.float64(1) * {maximum}",
        f"{maximum} -> np.asarray({maximum}, np.float32)",
        f"{maximum} -> -{maximum}",
        "np.maximum -> np.minimum",
        "x -> np.clip(x, -6, 6)",
        "x -> np.abs(x)",
        "0 -> 1",
        f"(lambda g: {rule},) -> ()",
        f"lambda g: {rule} -> (lambda calls: lambda g: (calls.append(g), {rule})[1] * (len(calls) == 1))([])",
        f"{rule} -> g",
        f"{rule} -> 0",
        f"{rule} -> np.where(x > 0, 0, g)",
        f"{rule} -> np.where(g, x > 0, 0)",
        f"{rule} -> np.float64(1) * {rule}",
        f"{rule} -> np.asarray({rule}, np.float32)",
        f"{rule} -> -{rule}",
        f"{rule} -> [np.array({rule}), x.fill(0)][0]",
        f"{rule} -> [np.array({rule}), g.fill(0)][0]",
        f"{rule} -> [np.array({rule}), np.multiply(g, 2, out=g)][0]",
        "x > 0 -> x >= 0",
        "x > 0 -> x < 0",
        "x -> np.clip(x, -6, 6)",
        "x -> np.abs(x)",
        "x -> g",
        "0 -> 1",
        "g -> np.abs(g)",
        "g -> np.maximum(g, 0)",
        "g -> np.ones_like(g)",
        "g -> -g",
        "g -> 2 * g",
        "g -> x",
        "0 -> 1",
    ]


@pytest.mark.parametrize(
    ("operator", "statements", "expected"),
    [
        ("arithmetic", "z -= -x", ["-x -> x"]),
        ("arithmetic", "z = x + y", ["x + y -> x - y", "x + y -> x", "x + y -> y"]),
        ("arithmetic", "z = x * (z + 1)", ["x * (z + 1) -> x / (z + 1)", "x * (z + 1) -> x + (z + 1)"]),
        ("arithmetic", "z = z @ x", ["z @ x -> x @ z"]),
        ("comparison", "z = x is None", ["x is None -> x is not None"]),
        ("comparison", "z = x < y == z", ["x < y == z -> x <= y == z", "x < y == z -> x < y != z"]),
        ("logic", "z = x and not y", ["x and (not y) -> x or not y", "x and (not y) -> x", "x and (not y) -> not y"]),
        ("not", "z = not y", ["not y -> y"]),
        ("condition", "if y:\n    z = 1", ["y -> True", "y -> False"]),
        ("condition", "z = [a for a in x if a > 0]", ["a > 0 -> True", "a > 0 -> False"]),
        ("branch", "z = x if z else 1", ["x if z else 1 -> x", "x if z else 1 -> 1"]),
        ("constant", "z = x[1]", ["1 -> 2", "1 -> 0"]),
        ("constant", "z = (0.5, False, None, 'text')", ["0.5 -> 1.0", "0.5 -> 0.0", "False -> True"]),
        ("subscripts", "z = 'ij,jk->ik'", [f"'ij,jk->ik' -> '{t}'" for t in ("ji,jk->ik", "ij,kj->ik", "ij,jk->ki")]),
        ("subscripts", "z = 'a word'", []),
        ("dropped statement", "if y:\n    raise ValueError('y')", ["raise ValueError('y') -> pass"]),
        ("another error", "raise ValueError('y')", ["raise ValueError('y') -> raise ArithmeticError"]),
        ("jump", "for a in x:\n    break", ["break -> continue"]),
        ("assignment", "z += x", ["z += x -> z = x", "z += x -> z -= x"]),
        ("in place", "z.data -= x", ["z.data -= x -> z.data = z.data - x"]),
        ("in place", "z = z + x\nz = y + x", ["z = z + x -> z += x"]),
        ("item", "x[1:, z] = y", ["x[1:, z] = y -> x[1:, z] += y"]),
        ("dropped call", "z = x.astype(float).copy()", ["x.astype(float).copy() -> x.astype(float)"]),
        ("dropped call", "z = x.astype(float)", ["x.astype(float) -> x"]),
        ("dropped call", "z = unbroadcast(x, y.shape)", ["unbroadcast(x, y.shape) -> x"]),
        ("dropped call", "z = [f(x), len(x), f(*x), g(x, y)]", ["f(x) -> x"]),
        ("swapped arguments", "z = f(x, y, 1)", ["f(x, y, 1) -> f(y, x, 1)"]),
        ("another function", "z = x.sum() + np.exp(x)", ["x.sum -> x.mean", "np.exp -> np.log"]),
        ("axis", "z = x.sum(axis=-1)", ["-1 -> 0", "-1 -> 1", "-1 -> None"]),
        ("axis", "z = np.max(x, 1)", ["1 -> 0", "1 -> -1", "1 -> None"]),
        ("axis", "z = np.sum(1 * x)", []),
        ("keyword", "z = zip(x, a=y, strict=True)", ["zip(x, a=y, strict=True) -> zip(x, strict=True)"]),
        ("dtype", "z = f(dtype=y)", ["y -> np.float64"]),
        ("another dtype", "z = (x.dtype, np.float32)", ["x.dtype -> np.float64", "np.float32 -> np.float64"]),
        ("parameter", "z = len(x) + x.ndim", ["x -> y"]),
        ("bounds", "z = x[1:y]", [f"1:y -> {new}" for new in ("2:y", "0:y", "1:y + 1", "1:y - 1")]),
        ("bounds", "z = x[:, ::2]", [": -> 1:", ": -> :-1", "::2 -> 1::2", "::2 -> :-1:2"]),
        ("order", "z = x[1, 2:]", ["(1, 2:) -> (2:, 1)", "(1, 2:) -> (1,)"]),
        ("order", "z, x = y", ["(z, x) -> (x, z)"]),
        ("loop", "for a in range(y): z = a", ["range(y) -> range(1, y)", "range(y) -> range(y - 1)"]),
        ("result", "return x, -y", ["x -> -x", "-y -> np.float64(1) * -y", "x -> np.asarray(x, np.float32)"]),
    ],
)
def test_an_operator_makes_these_changes(operator, statements, expected):
    found = changes(body(statements), operator)
    assert set(expected) <= set(found)
    if not expected:
        assert found == []


def test_signature_decorator_docstring_and_message_stay():
    source = (
        '@f(1)\ndef f(x: g(1) = 1) -> g(1):\n    """1"""\n    x: g(1)\n    raise E(1) from f(1)\n    assert x, 1 + 1'
    )
    assert not changes(source, "constant", "arithmetic", "dropped call")
    assert [mutant.line for mutant in mutants(source) if mutant.operator == "dropped statement"] == [4, 5, 6]


def test_what_annotations_and_defaults_say_is_no_array_is_not_taken_for_one():
    signature = "a, b: Array | None = None, c: int = 0, d: Callable[[Array], int] = g, e=0, *, h=0"
    source = f"def f({signature}):\n    return a + b + c + d + e + h"
    clipped = [mutant.was for mutant in mutants(source) if "np.clip" in mutant.now]
    assert clipped == ["a", "b"]
    assert sum("[...] = 0" in mutant.now for mutant in mutants(source)) == 2


def test_a_function_keeps_its_only_statement():
    assert not changes('def f(x):\n    """Return x."""\n    return x', "dropped statement")


def test_loops_change_places():
    assert [m.source.count("for k in prange") for m in mutants(KERNEL) if m.operator == "parallel loop"] == [1]
    assert "@njit(parallel=True)" in the(KERNEL, "parallel loop", "for i in range").source


def test_results_and_what_else_happens():
    for source, name in [(RELU, "relu"), (RULE_WITH_DEF, "square")]:
        x, g = np.array([1.0, 3]), np.array([5.0, 7])
        lasting = run(the(source, "works once", "calls"), name)(x)[1][0]
        assert lasting(g).all()
        assert not lasting(g).any()
        value, (rule,) = run(the(source, "overwritten value", "kept"), name)(x)
        assert value.all()
        assert rule(g).all()
        assert not value.any()
        rule = run(the(source, "overwritten", "g.fill(0)" if name == "relu" else "g[...] = 0"), name)(x)[1][0]
        assert rule(g).all()
        assert not g.any()
    assert not any("axis" in mutant.now for mutant in mutants(RULE_WITH_DEF) if mutant.operator == "overwritten")


def test_a_mutant_says_where_and_what():
    assert str(the(RELU, "comparison", ">=")) == "line 2: x > 0 -> x >= 0"
    assert the(RELU, "comparison", ">=").source == ast.unparse(ast.parse(RELU.replace("x > 0", "x >= 0")))


def test_numbers_per_operator():
    numbers = per_operator(RELU)
    assert list(numbers) == list(OPERATORS)
    assert numbers["comparison"] == 2
    assert numbers["loop"] == 0
    assert sum(numbers.values()) == len(list(mutants(RELU)))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_what_holds_for_all_mutants(exercise):
    source, node = library_source(exercise)
    found = list(mutants(source))
    assert found == list(mutants(source))
    sources = [mutant.source for mutant in found]
    assert len(set(sources)) == len(sources) <= 400
    assert ast.unparse(node) not in sources
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
        assert 1 <= mutant.line <= len(source.splitlines())
        assert mutant.was != mutant.now or mutant.operator == "parallel loop"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs the timer of POSIX")
def test_what_never_ends_is_stopped_even_if_it_catches_every_error():
    before = signal.getsignal(signal.SIGALRM)
    started = time.perf_counter()
    caught = 0

    def stubborn():
        nonlocal caught
        while True:
            try:
                while True:
                    pass
            except TimeoutError:
                caught += 1
                if caught == 2:
                    raise

    with pytest.raises(TimeoutError, match=r"more than 0\.05 s"), without_end(0.05):
        stubborn()
    assert time.perf_counter() - started < 10
    with without_end(60):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
