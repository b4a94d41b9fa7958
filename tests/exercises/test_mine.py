"""A learner's functions in the library's place: right ones, planted wrong ones, and a training on them."""

import re

import numpy as np
import pytest
from numba import get_num_threads
from scipy.special import log_softmax, logsumexp

from tinydist import Tensor, build_model, datasets
from tinydist.exercises.answers import load
from tinydist.exercises.exercise import python_function
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.mine import Part, ShortTraining, Steps, compared, in_place
from tinydist.exercises.step import MODELS
from tinydist.exercises.table import EXERCISES, find

TINY = ShortTraining(images=100, epochs=4)

UNUSED = ("slope", "gradcheck", "cohens_d", "catch_the_bug", "catch_the_distance_bug", "predict_the_gradient", "kappa")
USED = tuple(exercise.name for exercise in EXERCISES if exercise.name not in UNUSED)

RULES_OF = {
    "mul": 2,
    "sum": 1,
    "matmul": 2,
    "linear": 2,
    "relu": 1,
    "abs": 1,
    "maximum": 2,
    "sqrt": 1,
    "log_softmax": 1,
    "weighted_distance": 3,
    "gelu": 1,
    "conv2d": 2,
}
"""Every op among the exercises, and how many gradient rules it has in every model."""


@pytest.fixture(scope="module")
def steps():
    return Steps()


@pytest.fixture
def copy_of(solved):
    """The solution of this name, from a learner's file."""

    def loaded(name):
        return load(find(name), solved(find(name)))

    return loaded


def passed(name, answer):
    return Part(find(name), answer)


def report(given, training=TINY):
    parts = [one for one in given if isinstance(one, Part)]
    others = [one for one in given if isinstance(one, Judgement)]
    return compared(parts, others, training)


def text_of(lines):
    return " ".join(" ".join(lines).split())


def row_of(name, lines):
    """The row of the table about this function: its result, largest difference, calls and models."""
    (row,) = [line for line in lines if re.match(rf"{name}  +(same to rounding|DIFFERS)", line)]
    return re.fullmatch(r".{22}  (.{16})  ([^ ]+|  +[^ ]+) +(\d+)  (.*)", row)


def alone(steps, name, answer):
    return steps.row(name, [Part(find(name), answer)])


# --- right functions ---------------------------------------------------------------------------------------------


def test_right_functions_are_the_same_to_rounding_and_each_is_called(copy_of):
    verdicts = [passed(exercise.name, copy_of(exercise.name)) for exercise in EXERCISES]
    before = [python_function(exercise.rubric.library).__code__ for exercise in EXERCISES]
    threads = get_num_threads()
    lines = list(report(verdicts))
    assert lines[0] == f"Your functions do what the library's do, to rounding: {len(USED)} of {len(USED)}."
    for name in (*USED, "all of these together"):
        result, _, calls, models = row_of(name, lines).groups()
        assert (result, int(calls) > 0, bool(models)) == ("same to rounding", True, True)
    for name in ("backward", "topological_order", "training_step", "sgd_step"):
        assert row_of(name, lines).groups()[2:] == (str(len(MODELS)), f"all {len(MODELS)}")
    assert row_of("gelu", lines)[4] == "GELU2"
    text = text_of(lines)
    assert f"No part of a model, so not compared: {', '.join(UNUSED)}." in text
    assert "Your functions in it: topological_order, backward, linear, relu, cross_entropy, sgd_step, " in text
    assert [python_function(exercise.rubric.library).__code__ for exercise in EXERCISES] == before
    assert get_num_threads() == threads


def test_the_learners_code_runs(workspace, written):
    path = workspace.path(find("relu"))
    body = "CALLS.append(1)\nreturn np.maximum(x, 0), (lambda g: g * (x > 0),)"
    path.write_text("CALLS = []\n" + written(find("relu"), body), encoding="utf-8")
    relu = load(find("relu"), path)
    lines = list(report([passed("relu", relu)]))
    in_steps = 2 * 2 + 2 * 2
    in_training = 2 * 4 + 2 * 5 + 2 * 5
    assert row_of("relu", lines)[3] == str(in_steps)
    assert len(relu.__globals__["CALLS"]) == in_steps + in_training


def matmul_in_another_order(a, b):
    return a[..., ::-1] @ b[..., ::-1, :], (
        lambda g: (np.swapaxes(g, -1, -2)[..., ::-1, :].swapaxes(-1, -2)) @ np.swapaxes(b, -1, -2)[..., ::-1, :],
        lambda g: a.swapaxes(-1, -2)[..., ::-1] @ g[..., ::-1, :],
    )


def linear_in_another_order(x, weight, bias=None):
    y = np.einsum("bi,oi->bo", x[:, ::-1], weight[:, ::-1])
    rules = (lambda g: np.einsum("bo,oi->bi", g, weight), lambda g: np.einsum("bo,bi->oi", g[::-1], x[::-1]))
    return (y, rules) if bias is None else (y + bias, (*rules, lambda g: g[::-1].sum(axis=0)))


def entropy_by_scipy(logits, labels):
    rows = np.arange(len(labels))
    gradient = np.exp(log_softmax(logits, axis=1))
    gradient[rows, labels] -= 1
    return np.mean(logsumexp(logits, axis=1) - logits[rows, labels]), gradient / len(labels)


def distance_by_expanded_squares(x, center, weight, floor=0.0):
    squares = (x**2) @ weight.T - 2 * x @ (weight * center).T + (weight * center**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squares, floor))

    def pull(g):
        return np.where(squares > floor, g / distance, 0)

    return distance, (
        lambda g: pull(g) @ weight * x - pull(g) @ (weight * center),
        lambda g: weight * (center * pull(g).sum(axis=0)[:, None] - pull(g).T @ x),
        lambda g: (pull(g).T @ x**2 - 2 * center * (pull(g).T @ x) + center**2 * pull(g).sum(axis=0)[:, None]) / 2,
    )


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("linear", linear_in_another_order),
        ("matmul", matmul_in_another_order),
        ("weighted_distance", distance_by_expanded_squares),
        ("sqrt", lambda x: (x**0.5, (lambda g: 0.5 * g * x**-0.5,))),
        ("matmul_numba", lambda a, b: a[:, ::-1] @ b[::-1]),
    ],
)
def test_another_order_of_the_same_sums_is_rounding(steps, name, answer):
    row = alone(steps, name, answer)
    assert not row.problems
    assert 0 < max(result.gap for result in row.results) < 1e-11


def test_a_division_by_zero_that_comes_to_nothing_raises_no_warning():
    def relu(x):
        share = 1 / np.where(x > 0, 1, 0)
        return np.maximum(x, 0), (lambda g: np.where(x > 0, g * share, 0).astype(g.dtype),)

    assert "to rounding: 1 of 1." in text_of(report([passed("relu", relu)]))


# --- wrong functions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in RULES_OF.items() for rule in range(rules)])
def test_a_rule_that_is_off_by_one_percent_is_found_and_the_value_off_by_as_much(steps, copy_of, name, rule):
    right = copy_of(name)

    def off_rule(*inputs, **options):
        value, rules = right(*inputs, **options)
        wrong = tuple(lambda g, r=r: 1.01 * r(g) for r in rules)
        return value, (*rules[:rule], wrong[rule], *rules[rule + 1 :])

    def off_value(*inputs, **options):
        value, rules = right(*inputs, **options)
        return 1.01 * value, rules

    for wrong in (off_rule, off_value):
        row = alone(steps, name, wrong)
        assert row.problems
        assert re.match("the gradient of |the loss differs", row.problems[0].problem)
        assert ("The loss is right." in row.problems[0].problem) is (wrong is off_rule)


def backward_overwriting(self, gradient=None, **_):
    gradients, order, stack = {id(self): self._seed(gradient)}, [], [(self, False)]
    while stack:
        tensor, done = stack.pop()
        if done:
            order.append(tensor)
        elif all(tensor is not other for other in order):
            stack += [(tensor, True), *((parent, False) for parent in tensor.inputs if parent.requires_grad)]
    for tensor in reversed(order):
        if tensor._vjps is None:
            tensor.grad = gradients[id(tensor)] + (0 if tensor.grad is None else tensor.grad)
        for parent, rule in zip(tensor.inputs, tensor._vjps or (), strict=True):
            if parent.requires_grad:
                gradients[id(parent)] = rule(gradients[id(tensor)])


def relu_leaking(x):
    return np.maximum(x, 0), (lambda g: g * (x >= -0.1),)


def sgd_too_far(self):
    for parameter in self.parameters:
        parameter.data -= 1.01 * self.lr * parameter.grad


def step_without_zero_grad(loss, optimizer):
    loss.backward()
    optimizer.step()


def entropy_without_one_over_batch(logits, labels):
    loss, gradient = entropy_by_scipy(logits, labels)
    return loss, gradient * len(labels)


@pytest.mark.parametrize(
    ("name", "answer", "model", "array"),
    [
        ("relu", relu_leaking, "ReLU2-Neg", "the gradient of linear0.bias"),
        ("backward", backward_overwriting, "Maxout", "the gradient of "),
        ("sgd_step", sgd_too_far, "ReLU2-Neg", "the change of "),
        ("training_step", step_without_zero_grad, "ReLU2-Neg", "the gradient of "),
        ("cross_entropy", entropy_without_one_over_batch, "ReLU2-Neg", "the gradient of "),
        ("dead_units", lambda a, threshold=1e-6: np.abs(a).max(axis=0) > threshold, "ReLU2-Neg", "the dead outputs"),
        ("unbroadcast", lambda g, shape: np.full(shape, g.mean()), "Maxout", "the gradient of "),
        ("offset_l2", lambda layer, x: x.weighted_distance(layer.mu, layer.alpha * 1.01), "Abs-L2", "the gradient of "),
        ("matmul_numba", lambda a, b: 1.01 * (a @ b), "Maxout by loops", "the gradient of "),
        ("weighted_squares_numba", lambda x, *_: np.ones((len(x), 10)), "Abs-L2", "the gradient of "),
    ],
)
def test_a_wrong_function_is_named_with_model_and_array(steps, name, answer, model, array):
    row = alone(steps, name, answer)
    assert row.problems[0].model == model
    assert re.match(array, row.problems[0].problem)
    assert "DIFFERS" in str(row)


def test_a_compression_that_loses_a_pixel_is_found(steps, copy_of):
    right = copy_of("compress")

    def without_the_brightest(matrix):
        return right(np.where(matrix == 255, 254, matrix).astype(np.uint8))

    row = alone(steps, "compress", without_the_brightest)
    assert [finding.model for finding in row.problems] == ["ReLU2-Neg"]


def test_an_order_that_forgets_a_tensor_is_found(steps):
    row = alone(steps, "topological_order", lambda root: [root])
    assert row.problems[0].problem == "the gradient of linear0.weight is missing. The loss is right."


def test_the_report_says_what_differs_where_and_by_how_much(copy_of):
    """The gradient of the weight is doubled, so every number received is twice the expected one."""
    right = copy_of("weighted_distance")

    def doubled(x, center, weight, floor=0.0):
        value, (for_x, for_center, for_weight) = right(x, center, weight, floor)
        return value, (for_x, for_center, lambda g: 2 * for_weight(g))

    others = [passed(name, copy_of(name)) for name in ("relu", "linear")]
    lines = list(report([passed("weighted_distance", doubled), *others]))
    text = text_of(lines)
    assert text.startswith(
        "Your functions do what the library's do, to rounding: 2 of 3. Not so, though the check passes: "
        "weighted_distance. weighted_distance, in the model Abs-L2: the gradient of offset.alpha differs, by up to "
        "100 % of its largest entry. The first entry that differs is [0, 0]: expected "
    )
    expected, received = map(float, re.search(r"expected (\S+), received (\S+)\. The loss is right", text).groups())
    assert received == pytest.approx(2 * expected, rel=1e-6)
    assert row_of("weighted_distance", lines)[1].strip() == "DIFFERS"
    assert row_of("relu", lines)[1] == "same to rounding"
    assert "Left out of it, because of what is said above: weighted_distance." in text
    assert f"Your functions in it: relu, linear. It learns: the loss went from {untrained_loss():.3g} to " in text


@pytest.mark.parametrize("error", ["AssertionError", "SystemExit"])
def test_a_function_that_stops_is_reported_with_its_line(workspace, answer, error):
    answer("relu", f"if len(x) == 100:\n    raise {error}('not this one')\nreturn x, (lambda g: g,)")
    path = workspace.path(find("relu"))
    number = next(i for i, line in enumerate(path.read_text("utf-8").splitlines(), 1) if "not this one" in line)
    text = text_of(report([passed("relu", load(find("relu"), path))]))
    where = f"{error}: not this one (10_relu.py, line {number})."
    assert f"relu, in the model ReLU2-Neg: the step stopped. {where} Also in Convolution." in text
    assert Tensor(-1.0).relu().item() == 0


def test_a_function_that_stops_in_the_training_alone_is_reported_with_its_line(workspace, answer):
    body = "assert x.dtype == float, 'no float32'\nreturn np.maximum(x, 0), (lambda g: g * (x > 0),)"
    answer("relu", body)
    text = text_of(report([passed("relu", load(find("relu"), workspace.path(find("relu"))))]))
    assert "Your functions do what the library's do, to rounding: 1 of 1." in text
    assert re.search(r"It stopped\. AssertionError: no float32 \(10_relu\.py, line \d+\)\.$", text)
    assert Tensor(-1.0).relu().item() == 0


def test_functions_that_are_right_alone_and_wrong_together_are_reported(copy_of):
    right, seen = copy_of("linear"), []

    def relu(x):
        seen.append(1)
        return np.maximum(x, 0), (lambda g: g * (x > 0),)

    def linear(*inputs):
        value, rules = right(*inputs)
        return value * (1.01 if seen else 1), rules

    text = text_of(report([passed("linear", linear), passed("relu", relu)]))
    assert "to rounding: 2 of 2. Not so, though the check passes: all of these together." in text
    assert "all of these together, in the model ReLU2-Neg: the gradient of linear" in text


# --- what takes part, and the training ---------------------------------------------------------------------------


def test_what_is_left_out_is_said():
    verdicts = [
        passed("relu", lambda x: (np.maximum(x, 0), (lambda g: g * (x > 0),))),
        Judgement(find("abs"), "wrong"),
        Judgement(find("mul"), "unusable"),
        *(Judgement(find(name), "not written") for name in ("sum", "sqrt")),
    ]
    text = text_of(report(verdicts))
    left_out = "abs (wrong), mul (unusable), 2 not written yet"
    assert f"Left out, so that the library's own take part: {left_out}." in text
    assert "all of these together" not in text


def test_nothing_to_compare():
    assert list(report([Judgement(find("abs"), "wrong")])) == [
        "No answer passes yet, so there is nothing to put in the library's place."
    ]
    assert list(report([passed("slope", lambda: None)])) == [
        "No model uses any of the functions that pass so far. Write relu, abs, linear or backward to take part."
    ]


def test_a_training_that_calls_none_of_the_functions_says_so():
    text = text_of(report([passed("abs", lambda x: (np.abs(x), (lambda g: g * np.sign(x),)))]))
    assert "1 of 1" in text
    assert text.endswith("ReLU2-Neg calls none of your functions yet. Write relu, linear or backward to take part.")


@pytest.mark.parametrize(("lr", "says"), [(0.001, "It learns: "), (1e-30, "It does not learn: ")])
def test_whether_it_learns_is_read_from_the_loss(lr, says):
    relu = passed("relu", lambda x: (np.maximum(x, 0), (lambda g: g * (x > 0),)))
    assert says in text_of(report([relu], ShortTraining(images=100, epochs=4, lr=lr)))


def test_training_without_gradient_leaves_the_model_as_it_began():
    without_gradient = Part(find("relu"), lambda x: (np.maximum(x, 0), (np.zeros_like,)))
    with in_place([without_gradient]):
        first, *_, last = TINY.run()
    assert last.train_loss == pytest.approx(untrained_loss(), rel=1e-6)
    assert first.train_loss == last.train_loss
    assert TINY.run()[-1].train_loss < last.train_loss - 1, "the library's own learns again"


def untrained_loss():
    """The loss of the initial model, by NumPy."""
    data = datasets.load("mnist", train_size=TINY.images, layout="dense")
    weights = {name: array.astype(float) for name, array in build_model("ReLU2-Neg").state_dict().items()}
    hidden = np.maximum(data.x_train @ weights["linear0.weight"].T + weights["linear0.bias"], 0)
    logits = -np.maximum(hidden @ weights["linear1.weight"].T, 0)
    return np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(logits)), data.y_train])
