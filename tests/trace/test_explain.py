"""Explain agrees with right rules, finds wrong ones that are planted here, and knows a kink when it is at one."""

import re

import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor, apply, datasets
from tinydist.errors import BackwardError, GraphFreedError, ShapeError
from tinydist.models import PAPER_MODELS
from tinydist.ops.table import OPS
from tinydist.optim import SGD
from tinydist.recording import watchers
from tinydist.trace import explain, named_loss
from tinydist.training import training_step

CASES = [
    pytest.param(op, case, id="-".join([op.name, *map(str, case.options.items()), *map(str, case.shapes)]))
    for op in OPS
    for case in op.cases
]
KINKS = [pytest.param(op, kink, id=f"{op.name}-{kink.options}-at={kink.inputs}") for op in OPS for kink in op.kinks]


def leaf(data, dtype=float):
    return Tensor(data, requires_grad=True, dtype=dtype)


def options_of(case):
    return {key: np.asarray(value) if key == "labels" else value for key, value in case.options.items()}


def inputs_of(case, dtype):
    rng = np.random.default_rng(1)
    return [leaf(rng.uniform(case.low, case.high, shape), dtype) for shape in case.shapes]


def explained(function, inputs, options):
    """The first step of a backward pass that starts at the op itself, with a gradient that is not 1."""
    result = apply(function, *inputs, **options)
    seed = np.random.default_rng(2).normal(size=result.shape)
    return next(explain(result, seed, {f"input {i}": x for i, x in enumerate(inputs)}))


def spoiled(function, factor, positions=range(9)):
    """The op with the rules of some of its inputs off by a factor."""

    def op(*inputs, **options):
        value, vjps = function(*inputs, **options)
        return value, tuple(
            (lambda g, rule=rule: factor * rule(g)) if i in positions else rule for i, rule in enumerate(vjps)
        )

    return op


def all_checks(output, **names):
    return [check for step in explain(output, names=names) for check in step.checks]


def only_check(output, **names):
    (check,) = all_checks(output, **names)
    return check


# --- right and wrong rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "case"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_op_agrees_on_its_own_cases(op, case, dtype):
    inputs = inputs_of(case, dtype)
    step = explained(op.function, inputs, options_of(case))
    assert step.step.rule == op.rule
    assert [check.input for check in step.checks] == [f"input {i}" for i, x in enumerate(inputs) if x.size]
    for check in step.checks:
        assert check.agrees, str(check)
        assert not check.at_kink, str(check)
        assert "agree" in str(check)


@pytest.mark.parametrize(("op", "case"), CASES)
@pytest.mark.parametrize("factor", [1.01, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules_one_percent_off_or_with_the_sign_flipped_are_found(op, case, dtype, factor):
    step = explained(spoiled(op.function, factor), inputs_of(case, dtype), options_of(case))
    contributions = dict(zip(step.step.inputs, step.step.contributions, strict=True))
    for check in step.checks:
        wrong = bool(contributions[check.input].any())  # there is nothing wrong with 1.01 · 0
        assert check.agrees is not wrong, str(check)
        assert ("DIFFER" in str(check)) is wrong


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_percent_is_found_in_a_large_array(dtype):
    """Where random signs would let the terms cancel, and one percent of their sum be small beside their sizes."""
    rng = np.random.default_rng(3)
    x, w = leaf(rng.normal(size=(50, 300)), dtype), leaf(rng.normal(size=(200, 300)), dtype)
    right, wrong = explained(spoiled(td.ops.linear, 1.01, [1]), [x, w], {}).checks
    assert (right.agrees, wrong.agrees) == (True, False)


def test_an_input_that_a_rule_forgets_is_found():
    def forgetful(x, y):
        return x * y, (lambda g: g * y, lambda g: np.zeros_like(g))

    first, second = all_checks(apply(forgetful, leaf([1.0, 2.0]), leaf([3.0, 4.0])).sum())[1:]
    assert (first.agrees, second.agrees) == (True, False)
    assert "rule 0: they DIFFER" in str(second)


def test_only_the_wrong_rule_of_a_chain_is_found():
    def cube(x):
        return x**3, (lambda g: 3.03 * g * x**2,)

    x = leaf([0.5, -1.0, 2.0])
    steps = list(explain(apply(cube, x.exp()).tanh().sum()))
    assert {step.step.name: [check.agrees for check in step.checks] for step in steps} == {
        "sum": [True],
        "tanh": [True],
        "cube": [False],
        "exp": [True],
        "leaf": [],
    }


@pytest.mark.parametrize("gradient", [np.nan, np.inf])
def test_a_rule_that_is_no_number_never_agrees(gradient):
    def broken(x):
        return x * 1, (lambda g: g * gradient,)

    check = only_check(apply(broken, leaf(1.0)))
    assert not check.agrees
    assert "DIFFER" in str(check)


def test_an_op_that_is_not_defined_there_never_agrees():
    with np.errstate(all="ignore"):
        checks = all_checks(leaf(-1.0).sqrt())
    assert [check.agrees for check in checks] == [False]


# --- kinks ---------------------------------------------------------------------------------------------------------


def one_sided_slopes(op, kink, position):
    """By the textbook formula, along a direction in which no entries tie."""
    inputs = [np.asarray(x, dtype=float) for x in kink.inputs]
    direction = 1 + np.arange(inputs[position].size).reshape(inputs[position].shape) / 10

    def value(h):
        moved = [x + h * direction if i == position else x for i, x in enumerate(inputs)]
        with np.errstate(invalid="ignore"):
            return np.sum(op.formula(np, *moved, **kink.options))

    return (value(0) - value(-1e-7)) / 1e-7, (value(1e-7) - value(0)) / 1e-7


@pytest.mark.parametrize(("op", "kink"), KINKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kink_is_called_one_and_the_documented_gradient_accepted(op, kink, dtype):
    inputs = [leaf(x, dtype) for x in kink.inputs]
    names = {f"input {i}": x for i, x in enumerate(inputs)}
    result = apply(op.function, *inputs, **kink.options)
    step = next(explain(result, np.ones(result.shape), names))
    for position, check in enumerate(step.checks):
        left, right = one_sided_slopes(op, kink, position)
        assert check.at_kink is not bool(abs(left - right) < 1e-5), str(check)
        assert check.agrees, str(check)
        assert ("at a kink" in str(check)) is check.at_kink


def test_a_kink_shows_both_slopes_and_the_rule():
    check = only_check(leaf(0.0).relu())
    assert sorted([check.left, check.right]) == pytest.approx([0, max(check.left, check.right)], abs=1e-12)
    assert re.fullmatch(r"leaf: at a kink, slopes \S+ and \S+; rule 0, which lies between", str(check))


def test_a_side_on_which_an_op_is_not_defined_counts_as_zero():
    _, check = all_checks(leaf([0.0, 4.0]).sqrt().sum())
    assert check.at_kink
    missing, steep = sorted([check.left, check.right], key=lambda slope: abs(slope - check.rule))
    assert missing == pytest.approx(check.rule, rel=1e-6)  # 4 has a slope on both sides, which the rule must give
    assert abs(steep) > 100
    assert check.agrees


def test_a_rule_that_gives_neither_slope_nor_one_between_is_found():
    def steep(x):
        return np.maximum(x, 0), (lambda g: 2 * g * (x >= 0),)

    check = only_check(apply(steep, leaf(0.0)))
    assert (check.at_kink, check.agrees) == (True, False)
    assert str(check).endswith("WHICH IS NEITHER")


def test_a_slope_that_is_infinite_is_not_accepted_at_a_kink():
    def honest_sqrt(x):
        return np.sqrt(x), (lambda g: g / (2 * np.sqrt(x)),)

    with np.errstate(divide="ignore"):
        check = only_check(apply(honest_sqrt, leaf(0.0)))
    assert (check.rule, check.at_kink, check.agrees) == (np.inf, True, False)
    assert str(check).endswith("rule inf, WHICH IS NEITHER")


@pytest.mark.parametrize(
    "op",
    [
        lambda x: x.relu(),
        lambda x: x.abs(),
        lambda x: x.clamp(0.0, 1.0),
        lambda x: x.maximum(np.array(0.0)),
        lambda x: x.reshape(4, 3).max(axis=1),
        lambda x: x.reshape(4, 3).max(axis=0),
    ],
)
def test_many_kinks_at_once_and_gradients_of_both_signs(op):
    """Along one direction the slopes of some entries cancel those of others, so that the rule need not lie between the
    sums of either side; it must lie between the slopes of every entry of the value."""
    rng = np.random.default_rng(5)
    kinks = 0
    for _ in range(20):
        x = leaf(rng.choice([0.0, 1.0, 2.0], 12, p=[0.5, 0.3, 0.2]))
        y = op(x)
        checks = all_checks((y * rng.choice([-1.0, 1.0], y.shape)).sum())
        kinks += checks[2].at_kink
        assert all(check.agrees for check in checks), list(map(str, checks))
    assert kinks >= 10


@pytest.mark.parametrize(
    "function",
    [
        lambda: leaf([0.0, 0.0]) ** 2,
        lambda: (leaf(3.0) - 3) ** 2,
        lambda: leaf(0.0) ** 4,
        lambda: leaf([[1000.0, 1000.0, 3.0]]).cross_entropy([1]),
        lambda: leaf([[1e4, 1e4]]).log_softmax(),
        lambda: leaf([1e-9, 1e-3, 1.0]).log(),
        lambda: leaf([1e-12, 1.0]).sqrt(),
        lambda: 1 / leaf([1e-7, 3.0]),
        lambda: leaf([1e-9, -1e-9]).abs(),
        lambda: leaf([1e-9, -1e-9]).relu(),
        lambda: leaf([1e5, 1e-5]) ** 3,
    ],
)
def test_smooth_places_are_no_kinks_however_flat_steep_or_close_to_one(function):
    output = function()
    for step in explain(output, np.ones(output.shape)):
        for check in step.checks:
            assert check.agrees, str(check)
            assert not check.at_kink, str(check)


# --- models --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist():
    return {name: datasets.load("mnist", name, 60) for name in ("raw", "normalized")}


@pytest.mark.parametrize("name", PAPER_MODELS)
def test_float32_models_pass(name, mnist):
    for data in mnist.values():
        model = td.build_model(name, hidden=24)
        optimizer = SGD(model.parameters(), 0.001)
        for _ in range(4):
            for images in (slice(7, 8), slice(0, 30)):
                loss, names = named_loss(model, data.x_train[images], data.y_train[images])
                for check in all_checks(loss, **names):
                    assert check.agrees, str(check)
                    assert not check.at_kink or 0 in names[check.input].data, str(check)
            training_step(model(Tensor(data.x_train)).cross_entropy(data.y_train), optimizer)


def test_a_probability_next_to_one_in_float32_passes():
    """1 - p has lost most of its digits there."""
    logits = leaf([[22.0, 8.0, 7.0]], np.float32)
    check = only_check(logits.cross_entropy([0]), logits=logits)
    assert abs(check.rule / check.slope - 1) > 0.01
    assert check.agrees, str(check)


# --- what it leaves alone ------------------------------------------------------------------------------------------


def test_gradients_and_graph_are_left_as_they_were():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    x.grad = before = np.array([5.0, 5.0])
    loss = (x * y).sum()
    assert len(list(explain(loss))) == 4
    assert x.grad is before
    assert y.grad is None
    assert before.tolist() == [5, 5]
    loss.backward()
    assert x.grad.tolist() == [8, 9]


def test_gradients_are_left_as_they_were_when_backward_raises():
    def broken(x):
        return x, (lambda _: np.ones(9),)

    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(ShapeError, match="broken"):
        next(explain(apply(broken, x) + y))
    assert (x.grad, y.grad) == (None, None)
    assert watchers() == ()


def test_errors_come_before_the_first_step():
    freed = leaf(1.0).exp()
    freed.backward()
    wide = leaf([1.0, 2.0]).exp()
    for output, seed, error, message in [
        (freed, None, GraphFreedError, "freed by an earlier backward pass"),
        (Tensor(1.0).exp(), None, BackwardError, "depends on nothing that requires a gradient"),
        (wide, None, BackwardError, r"this one has shape \(2,\)"),
        (wide, [1.0, 2.0, 3.0], ShapeError, r"gradient of shape \(3,\) for a tensor of shape \(2,\)"),
    ]:
        steps = explain(output, seed)
        with pytest.raises(error, match=message):
            next(steps)


def test_steps_may_be_taken_while_something_else_is_computed():
    x = leaf([1.0, 2.0])
    seen = []
    for step in explain(x.exp().sum()):
        assert watchers() == ()
        (x * 2).sum().backward()
        seen.append(step.step.name)
    assert seen == ["sum", "exp", "leaf"]
    assert x.grad.tolist() == [6, 6]


# --- the text ------------------------------------------------------------------------------------------------------


def test_steps_in_words():
    x = leaf([[1.0, -2.0]])
    texts = [str(step) for step in explain((x.relu() * 3).sum(), names={"x": x})]
    # the direction's lengths are random, so the slopes are left out
    assert [re.sub(r"(slope|rule) [\d.]+", r"\1 …", text) for text in texts] == [
        "1/4  sum = sum(mul)\n"
        "     value     3\n"
        "     gradient  1\n"
        "     rule      g to every entry\n"
        "     to mul    1×2: 1 1\n"
        "     checked   mul: slope …, rule …: they agree",
        "2/4  mul = mul(relu, constant)\n"
        "     value     1×2: 3 0\n"
        "     gradient  1×2: 1 1\n"
        "     rule      g times the other factor\n"
        "     to relu   1×2: 3 3\n"
        "     checked   relu: slope …, rule …: they agree",
        "3/4  relu = relu(x)\n"
        "     value     1×2: 1 0\n"
        "     gradient  1×2: 3 3\n"
        "     rule      g where x > 0, else 0\n"
        "     to x      1×2: 3 0\n"
        "     checked   x: slope …, rule …: they agree",
        "4/4  x\n     value     1×2: 1 -2\n     gradient  1×2: 3 0\n     rule      kept as .grad",
    ]


def test_large_arrays_are_shown_by_shape_length_and_zeros():
    x = leaf(np.where(np.arange(20) < 5, -1.0, 1.0).reshape(4, 5))
    text = str(list(explain(x.relu().sum()))[1])
    assert "value     4×5, |·| = 3.873, 25% exactly zero" in text


def test_integers_numbers_and_nothing_are_fine():
    counts = Tensor([1, 2, 3])
    x = leaf(2.0)
    for output in (counts * x).sum(), x * x, (leaf(np.ones((0, 3))) * x).sum():
        assert all(check.agrees for check in all_checks(output))


def test_an_op_of_your_own_is_said_to_be_one():
    def double(x):
        return 2 * x, (lambda g: 2 * g,)

    step = next(explain(apply(double, leaf(1.0))))
    assert step.step.rule == "a rule of your own"
    assert step.checks[0].agrees


def test_no_line_is_longer_than_a_hundred_characters(mnist):
    loss, names = named_loss(td.build_model("Abs-L2-Neg"), mnist["raw"].x_train[:1], mnist["raw"].y_train[:1])
    lines = [line for step in explain(loss, names=names) for line in str(step).splitlines()]
    assert max(map(len, lines)) <= 100
    assert any(line.startswith(" " * 15) for line in lines)  # what does not fit goes below
