"""What the judge says about answers that a learner might write."""

import os
import sys

import numpy as np
import pytest

from tinydist import ops
from tinydist.exercises.answers import load
from tinydist.exercises.judge import judge
from tinydist.exercises.table import EXERCISES, find

RIGHT_MUL = "return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))"
WRONG_MUL = "return a * b, (lambda g: unbroadcast(g * a, a.shape), lambda g: unbroadcast(g * b, b.shape))"


@pytest.fixture
def verdict_on(workspace, answer):
    """The verdict on a body for the exercise of this name."""

    def write_and_judge(name, body):
        exercise = answer(name, body)
        return judge(exercise, workspace.path(exercise))

    return write_and_judge


def test_a_right_answer_in_other_words_passes(verdict_on):
    assert verdict_on("mul", RIGHT_MUL).passed
    assert verdict_on("relu", "y = x * (x > 0)\nreturn y, (lambda g: g * (x > 0),)").passed
    assert verdict_on("sgd_step", SGD_BY_HAND).passed
    assert verdict_on("topological_order", ORDER_WITH_ANOTHER_WALK).passed


SGD_BY_HAND = """
for p, v in zip(self.parameters, self._velocities or [None] * len(self.parameters)):
    g = self._gradient(p)
    if g is None:
        continue
    if v is not None:
        v[...] = v * self.momentum + g
        g = v
    p.data[...] = p.data - self.lr * g
"""

ORDER_WITH_ANOTHER_WALK = """
order, seen, stack = [], set(), [(root, False)]
while stack:
    tensor, done = stack.pop()
    if done:
        order.append(tensor)
    elif id(tensor) not in seen and tensor.requires_grad:
        seen.add(id(tensor))
        stack.append((tensor, True))
        stack += [(parent, False) for parent in tensor.inputs]
return order
"""


def test_a_wrong_value_is_shown_with_what_was_given_and_expected(verdict_on):
    message = verdict_on("mul", WRONG_MUL.replace("g * a", "7 * g * a")).message
    assert "Looked at: the gradient of a" in message
    shown = {line.split()[0]: line.split()[-1] for line in message.splitlines() if line.startswith("    ")}
    assert {key: float(shown[key]) for key in ("a", "b", "g")} == {"a": 3, "b": -2, "g": 10}
    assert float(shown["expected"]) == -2 * 10
    assert float(shown["received"]) == 7 * 3 * 10


def test_a_known_mistake_written_in_another_way_is_named(verdict_on):
    recursion = "order = []\ndef visit(t):\n    if t.requires_grad and not any(t is o for o in order):\n"
    recursion += "        [visit(p) for p in t.inputs]\n        order.append(t)\nvisit(root)\nreturn order"
    for name, body, words in [
        ("mul", WRONG_MUL, "The factors are swapped"),
        ("slope", "d = step * direction\nreturn (function(x + d) - function(x)) / step", "one-sided difference"),
        ("relu", "m = 1.0 * (x > 0) + (x == 0)\nreturn x * m, (lambda g: g * m,)", "gradient is 1 at the kink"),
        ("abs", "y = np.abs(x)\nreturn y, (lambda g: g * (x / y),)", "nan"),
        ("sqrt", "y = x**0.5\nreturn y, (lambda g: g / (2 * y),)", "divides by the root, which is 0"),
        (
            "unbroadcast",
            "while gradient.ndim > len(shape):\n    gradient = gradient.sum(axis=0)\nreturn gradient",
            "stretch",
        ),
        ("training_step", "loss.backward()\noptimizer.step()", "zero_grad is missing"),
        (
            "cohens_d",
            "n = len(a) + len(b)\nif len(a) < 2 or len(b) < 2:\n    raise ValueError('too few')\n"
            "s = (len(a) * np.var(a) + len(b) * np.var(b)) / n\n"
            "with np.errstate(all='ignore'):\n    return np.divide(np.mean(a) - np.mean(b), np.sqrt(s))",
            "n - 1",
        ),
        ("topological_order", recursion, "Keep a stack of your own"),
    ]:
        verdict = verdict_on(name, body)
        assert verdict.status == "wrong"
        assert words in " ".join(verdict.message.split()), verdict.message


def test_a_mistake_that_is_not_known_is_not_given_a_name(verdict_on):
    message = verdict_on("mul", RIGHT_MUL.replace("g * b", "g * b * 1.01")).message
    assert "In every case it is 1.01 times what it should be: the gradient of a." in message
    more = "1.01 * (a.ndim == 1)"
    message = verdict_on("mul", RIGHT_MUL.replace("g * b", f"g * b * {more}")).message
    assert "How often each part was right: the gradient of a " in message
    says = [mistake.says for mistake in find("mul").rubric.mistakes]
    assert not any(sentence in " ".join(message.split()) for sentence in says)


def test_an_error_in_a_helper_is_placed_there(workspace, verdict_on):
    helper = workspace.folder / "helping.py"
    for text, words in [
        ("def aid(x):\n    return x.foo\n", "helping.py, line 2: return x.foo"),
        ("def aid(x): return x +\n", "helping.py, line 1"),
        ("import nothere\n", "helping.py, line 1: import nothere"),
    ]:
        helper.write_text(text, encoding="utf-8")
        sys.modules.pop("helping", None)
        assert words in verdict_on("relu", "from helping import aid\nreturn aid(x)").message
    sys.modules.pop("helping", None)


def test_what_follows_from_a_wrong_result_is_not_told_as_an_exception(verdict_on):
    for body in ("return a * b", "pass", "return a * b, 1, 2", "return a * b, (b, a)", "yield a"):
        message = verdict_on("mul", body).message
        assert "xception" not in message
        assert "Error" not in message
    message = verdict_on("relu", "return max(x, 0), (lambda g: g,)").message
    assert "In another case it raised an exception" in message
    assert "The truth value of an array" in message


def test_a_dataclass_and_a_module_called_like_a_framework_are_fine(workspace, written, verdict_on):
    path = workspace.path(find("mul"))
    rule = "@dataclass\nclass Rule:\n    other: float\n    shape: tuple\n\n"
    rule += "    def __call__(self, g):\n        return unbroadcast(g * self.other, self.shape)\n\n\n"
    body = "return a * b, (Rule(b, a.shape), Rule(a, b.shape))"
    head = "from __future__ import annotations\n\nfrom dataclasses import dataclass\n\n" + rule
    text = written(find("mul"), body)
    start = text.index("import numpy")
    path.write_text(head + text[start:], encoding="utf-8")
    assert judge(find("mul"), path).passed
    (workspace.folder / "jax.py").write_text("def times(a, b):\n    return a * b\n", encoding="utf-8")
    assert verdict_on(
        "mul", RIGHT_MUL.replace("a * b,", "times(a, b),").replace("return", "from jax import times\nreturn")
    ).passed
    sys.modules.pop("jax")


def test_a_kernel_in_a_helper_is_the_librarys_own_all_the_same(workspace, written):
    (workspace.folder / "borrowing.py").write_text(
        "from tinydist.kernels.dense import matmul_numba as theirs\n", encoding="utf-8"
    )
    path = workspace.path(find("matmul_numba"))
    body = "import borrowing\nreturn borrowing.theirs(a, b)"
    path.write_text(written(find("matmul_numba"), body).replace("@njit(parallel=True)\n", ""), encoding="utf-8")
    assert "calls tinydist's own function" in judge(find("matmul_numba"), path).message
    sys.modules.pop("borrowing")


def test_rows_of_scratch_for_each_thread_are_no_race(workspace, written):
    loops = "scratch = np.zeros((get_num_threads(), b.shape[1]), dtype=a.dtype)\n"
    loops += "product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)\nfor i in prange(a.shape[0]):\n"
    loops += "    own = scratch[get_thread_id()]\n    own[:] = 0\n    for k in range(a.shape[1]):\n"
    loops += "        own += a[i, k] * b[k]\n    product[i] = own\nreturn product"
    path = workspace.path(find("matmul_numba"))
    text = written(find("matmul_numba"), loops)
    path.write_text(text.replace("import njit", "import get_num_threads, get_thread_id, njit"), encoding="utf-8")
    judgement = judge(find("matmul_numba"), path)
    assert "Two turns" not in judgement.message


def test_the_smallest_input_that_fails_is_shown(verdict_on):
    """This answer fails only on arrays of three axes, and the first of those that are tried is larger."""
    message = verdict_on("mul", RIGHT_MUL.replace("g * b", "g * b * (1 + (a.ndim == 3))")).message
    rows = {line.split()[0]: line.split(None, 1)[1] for line in message.splitlines() if line.startswith("    ")}
    assert rows["expected"].count(",") == 0, "a single number"
    assert float(rows["received"].strip("[]")) == pytest.approx(2 * float(rows["expected"].strip("[]")))


def test_a_race_is_told_before_anything_else(verdict_on):
    loops = "product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)\nfor i in range(a.shape[0]):\n"
    loops += "    for k in prange(a.shape[1]):\n        for j in range(b.shape[1]):\n"
    loops += "            product[i, j] += a[i, k] * b[k, j]\nreturn product"
    for _ in range(3):
        message = " ".join(verdict_on("matmul_numba", loops).message.split())
        assert "write to the same place: product[0, 0] is written by the turns 0 and 1" in message


def test_loops_that_python_runs_pass_with_a_remark(workspace, written):
    exercise, path = find("matmul_numba"), workspace.path(find("matmul_numba"))
    path.write_text(written(exercise, "return np.dot(a, b)").replace("@njit(parallel=True)\n", ""), encoding="utf-8")
    judgement = judge(exercise, path)
    assert judgement.passed
    assert "numba has not compiled it" in judgement.message


def test_a_mistake_in_another_dtype_is_named_and_so_is_the_dtype(verdict_on):
    message = " ".join(
        verdict_on("relu", "m = 1.0 * (x >= 0)\nreturn np.maximum(x, 0), (lambda g: g * m,)").message.split()
    )
    assert "The gradient is 1 at the kink" in message
    assert "Besides, some of it is of another dtype than what came in." in message


def test_an_exception_is_reported_with_the_line_of_the_learners_file(verdict_on, workspace):
    message = verdict_on("mul", "c = a * b\nreturn c, (lambda g: g * nonsense, lambda g: g)").message
    lines = workspace.path(find("mul")).read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if "nonsense" in line)
    assert "NameError: name 'nonsense' is not defined" in message
    assert f"02_mul.py, line {number}: return c, (lambda g: g * nonsense, lambda g: g)" in message
    assert "judge.py" not in message


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("mul", "a * b", "None: is a return missing?"),
        ("slope", "1 + 1", "None: was it never returned, or never set?"),
        ("mul", "return a * b", "received  something of type float64"),
        ("neg_like_relu", "return x, (lambda g: g)", "write (rule,) for a tuple of one"),
        ("relu", "x *= x > 0\nreturn x, (lambda g: g * (x > 0),)", "must stay as it was"),
        ("relu", "return np.maximum(x, 0), (lambda g: np.where(x > 0, g, 0) * np.float64(1),)", "float64 instead of"),
        ("matmul", "return a @ b, (lambda g: g @ b.T, lambda g: np.zeros(3))", "shape (3,) instead of (1, 1)"),
        ("sum", "return np.sum(x, axis=axis, keepdims=keepdims), (lambda g: 'g',)", "of type str, not numbers"),
        ("relu", "exit()", "SystemExit"),
    ],
)
def test_what_else_can_be_wrong(verdict_on, name, body, words):
    message = verdict_on(name.replace("neg_like_relu", "relu"), body).message
    assert words in message


def test_calling_the_librarys_own_function_does_not_pass(verdict_on):
    for name, body in [
        ("mul", "import tinydist as td\nreturn td.ops.mul(a, b)"),
        ("mul", "from tinydist.tensor import Tensor\nreturn (Tensor(a) * Tensor(b)).data, ()"),
        ("backward", "self.backward(gradient, retain_graph)"),
        ("offset_l2", "return self(x)"),
        ("matmul_numba", "from tinydist.kernels.dense import matmul_numba as m\nreturn m(a, b)"),
        ("sgd_step", "type(self).step(self)"),
    ]:
        verdict = verdict_on(name, body)
        assert verdict.status == "wrong"
        assert f"{name} calls tinydist's own function" in verdict.message, verdict.message
        assert f"{body.splitlines()[-1]}" in verdict.message


def test_an_imported_answer_is_refused(workspace):
    path = workspace.path(find("mul"))
    path.write_text("from tinydist.ops import mul\n", encoding="utf-8")
    assert "imports tinydist's own function (mul)" in judge(find("mul"), path).message
    path.write_text("from tinydist.ops import add as mul\n", encoding="utf-8")
    assert "was not written there but in" in judge(find("mul"), path).message
    path.write_text("import functools\n\n@functools.cache\ndef mul(a, b): ...\n", encoding="utf-8")
    assert "define it with 'def mul(...)'" in judge(find("mul"), path).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def mul(a, b)\n    return 1\n", "02_mul.py, line 1: expected ':'"),
        ("import numpyy\n\ndef mul(a, b): ...\n", "ModuleNotFoundError: No module named 'numpyy'"),
        ("raise SystemExit\n", "cannot be run"),
        ("def mull(a, b): ...\n", "the function mul is missing"),
        ("", "the function mul is missing"),
        ("mul = 3\n", "is of type int"),
        ("\0", "null bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(workspace, text, words):
    path = workspace.path(find("mul"))
    path.write_text(text, encoding="utf-8")
    verdict = judge(find("mul"), path)
    assert verdict.status == "unusable"
    assert words in verdict.message


def test_a_file_that_is_missing_or_not_text_is_explained(workspace):
    path = workspace.path(find("mul"))
    path.write_bytes(b"\xff\xfe\x00")
    assert "save it as UTF-8" in judge(find("mul"), path).message
    path.unlink()
    assert "is missing. For a fresh one: python -m tinydist.exercises reset mul" in judge(find("mul"), path).message


def test_an_edit_is_seen_even_if_size_and_time_of_the_file_stay_the_same(workspace, written, verdict_on):
    exercise, path = find("mul"), workspace.path(find("mul"))
    assert verdict_on("mul", RIGHT_MUL).passed
    before = path.stat()
    path.write_text(written(exercise, WRONG_MUL), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert judge(exercise, path).status == "wrong"


def test_machine_code_is_not_kept_from_one_check_to_the_next(workspace, written):
    """numba's cache goes by the file's size and time and the byte code, none of which an edited constant changes."""
    loops = "product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)\nfor i in prange(a.shape[0]):\n"
    loops += "    for k in range(a.shape[1]):\n        for j in range(b.shape[1]):\n"
    loops += "            product[i, j] += 1.0 * a[i, k] * b[k, j]\nreturn product"
    exercise, path = find("matmul_numba"), workspace.path(find("matmul_numba"))
    right = written(exercise, loops).replace("parallel=True", "cache=True")
    path.write_text(right, encoding="utf-8")
    before = path.stat()
    assert judge(exercise, path).passed
    path.write_text(right.replace("1.0 *", "2.0 *"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    one = np.ones((1, 1))
    assert load(exercise, path)(one, one) == 2
    assert not list(workspace.folder.rglob("*.nb?"))


def test_one_wrong_answer_does_not_spoil_another(workspace, solved):
    """matmul builds on unbroadcast: with a wrong unbroadcast beside it, it passes all the same."""
    wrong = "def unbroadcast(gradient, shape):\n    return gradient\n"
    workspace.path(find("unbroadcast")).write_text(wrong, encoding="utf-8")
    solved(find("matmul"))
    assert judge(find("unbroadcast"), workspace.path(find("unbroadcast"))).status == "wrong"
    assert judge(find("matmul"), workspace.path(find("matmul"))).passed


def test_the_library_is_untouched_afterwards(verdict_on):
    for body in (RIGHT_MUL, WRONG_MUL, "return nonsense"):
        verdict_on("mul", body)
        value, _ = ops.mul(np.array(3.0), np.array(2.0))
        assert value == 6


def test_every_exercise_has_a_number_a_name_and_a_file_name():
    for number, exercise in enumerate(EXERCISES, 1):
        for text in (
            str(number),
            exercise.name,
            f"{number:02}_{exercise.name}",
            f"exercises/{number:02}_{exercise.name}.py",
        ):
            assert find(text) is exercise
