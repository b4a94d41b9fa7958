"""What is said when all that is wrong has something in common."""

import numpy as np
import pytest

from tinydist.exercises.judge import judge
from tinydist.exercises.patterns import pattern
from tinydist.exercises.rubric import Observation
from tinydist.exercises.table import find

RULES = "lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape)"


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("mul", f"rules = ({RULES})\nreturn -a * b, rules", "The sign is flipped, in every case, of the value."),
        (
            "mul",
            f"return a * b, ({RULES.replace('g * b', '2 * g * b')})",
            "In every case it is 2 times what it should be: the gradient of a.",
        ),
        (
            "mul",
            f"return a * b, ({RULES.replace('g * b', 'np.float64(1) * g * b')})",
            "All numbers are right, but they are float64 instead of float32.",
        ),
        (
            "relu",
            "def rule(g):\n    g[x <= 0] = 0\n    return g.copy()\nreturn np.maximum(x, 0), (rule,)",
            "this was overwritten: g after the rule for x.",
        ),
        (
            "relu",
            "calls = []\ndef rule(g):\n    calls.append(1)\n    return g * (x > 0) * (len(calls) == 1)\n"
            "return np.maximum(x, 0), (rule,)",
            "The first call of each rule is right, and the second is not",
        ),
        (
            "mul",
            "return a * b, (lambda g: unbroadcast(np.broadcast_to(b, g.shape), a.shape), lambda g: a)",
            "does not depend on g: the gradient of a, the gradient of b. Multiply the slope with what arrives, g.",
        ),
        (
            "relu",
            "return np.maximum(x, 0), (lambda g: x > 0,)",
            "What the rule gives does not depend on g: the gradient of x.",
        ),
        (
            "relu",
            "global latest\nlatest = x\nreturn np.maximum(x, 0), (lambda g: np.where(latest > 0, g, 0),)",
            "Each call by itself is right, but not a call that is followed by another one",
        ),
    ],
)
def test_what_all_that_is_wrong_has_in_common_is_said(workspace, answer, name, body, says):
    message = judge(answer(name, body), workspace.path(find(name))).message
    assert says in " ".join(message.split())


def seen(*pairs):
    return [Observation("the result", received, expected) for received, expected in pairs]


def test_a_factor_is_only_named_if_it_is_the_same_everywhere():
    one, two = np.array([1.0, 3.0]), np.array([2.0, -4.0])
    assert "it is 3 times" in pattern(seen((3 * one, one), (3 * two, two)))
    assert pattern(seen((3 * one, one), (2 * two, two))) == ""
    assert pattern(seen((3 * one, one), (two, two))) == "", "right in another case"
    assert "it is 3 times" in pattern(seen((3 * one, one), (0 * two, 0 * two))), "0 is 3 times 0"
    assert pattern(seen((np.array([2.0, 3.0]), one))) == ""
    assert pattern(seen((np.array([np.nan, 3.0]), one))) == ""


def test_nothing_wrong_has_nothing_in_common():
    assert pattern([]) == pattern(seen((np.array([1.0]), np.array([1.0])))) == ""


def test_other_numbers_and_another_dtype_are_not_only_another_dtype():
    right = np.array([1.0], dtype=np.float32)
    assert "All numbers are right" in pattern(seen((np.array([1.0]), right)))
    assert "All numbers" not in pattern(seen((np.array([1.0]), right), (np.array([2.0]), right)))
