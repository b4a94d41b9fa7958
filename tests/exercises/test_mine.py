"""The paper's models, trained with a learner's functions."""

import numpy as np
import pytest
from numba import get_num_threads

from tinydist import Tensor, build_model
from tinydist.exercises.judge import Judgement, judge
from tinydist.exercises.mine import Part, Trial, compared, in_place
from tinydist.exercises.table import EXERCISES, find

TINY = Trial(models=("ReLU2", "Abs-L2"), images=100, epochs=4)

RELU_CALLS = 2 * 4 + 2 * 5 + 2 * 5
"""ReLU2 runs relu twice a pass: on the training images in each of 4 steps and, at each measured epoch, 0 to 4, on the
training images and on the test images. Abs-L2 does not run it."""


@pytest.fixture
def verdicts(workspace):
    """The verdicts on the exercises of these names; the rest is not written."""

    def of(*names):
        return [judge(e, workspace.path(e)) if e.name in names else Judgement(e, "not written", "") for e in EXERCISES]

    return of


def text_of(lines):
    return " ".join(" ".join(lines).split())


def test_the_learners_code_runs_and_is_counted(workspace, written, verdicts):
    body = "CALLS.append(1)\nreturn np.maximum(x, 0), (lambda g: g * (x > 0),)"
    workspace.path(find("relu")).write_text("CALLS = []\n" + written(find("relu"), body), encoding="utf-8")
    found = verdicts("relu")
    calls = next(verdict for verdict in found if verdict.passed).answer.__globals__["CALLS"]
    calls.clear()
    text = text_of(compared(found, TINY))
    assert len(calls) == RELU_CALLS
    assert f"Calls of your functions: relu {RELU_CALLS}." in text
    assert "They agree" in text


def test_all_functions_together_agree_with_the_library(workspace, reference, verdicts):
    slow = ("weighted_squares_numba", "matmul_numba")  # to compile; that they can be swapped is tested with the swap
    names = [exercise.name for exercise in EXERCISES if exercise.name not in slow]
    for name in names:
        workspace.path(find(name)).write_text(reference(find(name)), encoding="utf-8")
    lines = list(compared(verdicts(*names), TINY))
    rows = [line.split() for line in lines if line.startswith(TINY.models)]
    assert [row[0] for row in rows] == list(TINY.models)
    for _, mine, library, _, _, verdict in rows:
        assert (mine, verdict) == (library, "agree")
    steps = len(TINY.models) * TINY.epochs
    for part in ("backward", "topological_order", "sgd_step", "training_step"):
        assert f"{part} {steps}" in text_of(lines)
    assert "Not needed by these models, or not by your other functions: slope, mul," in text_of(lines)


def test_a_wrong_function_is_left_out_and_said_to_be(answer, verdicts):
    answer("relu", "return np.maximum(x, 0), (lambda g: g * (x > 0),)")
    answer("abs", "return np.abs(x), (lambda g: g,)")
    text = text_of(compared(verdicts("relu", "abs"), TINY))
    assert "Your functions in the library's place: 1 of 27." in text
    assert "abs (wrong), 25 not written yet" in text


def test_nothing_to_train_with(verdicts):
    assert list(compared(verdicts(), TINY)) == [
        "No answer passes yet, so there is nothing to put in the library's place."
    ]


def test_a_function_that_fails_in_training_is_reported_with_its_line(workspace, answer, verdicts):
    body = "assert x.shape != (100, 128), 'not this one'\nreturn np.maximum(x, 0), (lambda g: g * (x > 0),)"
    answer("relu", body)
    text = text_of(compared(verdicts("relu"), TINY))
    lines = workspace.path(find("relu")).read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if "not this one" in line)
    assert f"ReLU2 stopped: AssertionError: not this one (10_relu.py, line {number})" in text
    assert "They do not agree everywhere" in text
    assert Tensor(-1.0).relu().item() == 0


def test_a_function_without_gradient_in_place_leaves_the_model_as_it_began():
    without_gradient = Part(find("relu"), lambda x: (np.maximum(x, 0), (np.zeros_like,)))
    data = TINY.load()
    with in_place([without_gradient]):
        stuck = TINY.run("ReLU2", data)
    assert without_gradient.calls == RELU_CALLS
    assert stuck.train_loss == pytest.approx(untrained_loss(data), rel=1e-6)
    assert abs(TINY.run("ReLU2", data).train_loss - stuck.train_loss) > 1, "the library's own learns again"


def untrained_loss(data):
    """The loss of the initial model, by NumPy."""
    weights = build_model("ReLU2").state_dict()
    x = data.x_train.dense()
    hidden = np.maximum(x @ weights["linear0.weight"].T + weights["linear0.bias"], 0)
    logits = np.maximum(hidden @ weights["linear1.weight"].T, 0).astype(float)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(x)), data.y_train].mean()


def test_functions_that_no_model_needs_claim_nothing_and_the_threads_come_back(answer, verdicts):
    before = get_num_threads()
    answer("slope", "return (function(x + step * direction) - function(x - step * direction)) / (2 * step)")
    text = text_of(compared(verdicts("slope"), Trial(("Abs2",), images=20, epochs=1)))
    assert get_num_threads() == before
    assert "Calls of your functions: none." in text
    assert "They agree" not in text
