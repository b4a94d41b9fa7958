"""Which op zeroed an entry: worked out by hand, then against definitions spelt out with NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinydist as td
from tinydist import Tensor, apply
from tinydist.trace import record
from tinydist.trace.blame import NOBODY, blame, merge


def leaf(data):
    return Tensor(data, requires_grad=True, dtype=float)


def blamed(output, gradient=None, **names):
    """For the leaf called x, the ops that zeroed its gradient, with their shares."""
    return record(output, gradient, names)["x"].zeroed_by


# --- one op --------------------------------------------------------------------------------------------------------


def test_relu_blocks_where_its_input_is_not_positive():
    x = leaf([-1.0, 2.0, 0.0, 3.0])
    assert blamed(x.relu().sum(), x=x) == {"relu": 1 / 2}


def test_abs_blocks_nothing_but_zero():
    x = leaf([-1.0, 2.0, -3.0])
    assert blamed(x.abs().sum(), x=x) == {}
    x = leaf([-1.0, 0.0, 2.0, 3.0])
    assert blamed(x.abs().sum(), x=x) == {"abs": 1 / 4}


def test_cross_entropy_blocks_where_its_probabilities_underflow():
    logits = leaf([[1000.0, 0.0, 999.0], [1.0, 2.0, 3.0]])
    assert blamed(logits.cross_entropy([2, 0]), x=logits) == {"cross_entropy": 1 / 6}
    certain = leaf([[1000.0, 0.0]])
    assert blamed(certain.cross_entropy([0]), x=certain) == {"cross_entropy": 1.0}


def test_a_zero_pixel_blocks_the_weights_behind_it():
    pixels = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    weight = leaf(np.ones((4, 3)))
    assert blamed(td.nn.linear(Tensor(pixels), weight).sum(), x=weight) == {"linear": 1 / 3}


@pytest.mark.parametrize(
    ("op", "data", "expected"),
    [
        (lambda x: x[1:], [5.0, 6.0, 7.0, 8.0], {"index": 1 / 4}),
        (lambda x: x[[0, 0, 2]], [5.0, 6.0, 7.0, 8.0], {"index": 1 / 2}),
        (lambda x: x.max(), [5.0, 6.0, 8.0, 8.0], {"max": 1 / 2}),
        (lambda x: x.clamp(0.0, 1.0), [-5.0, 0.5, 1.0, 8.0], {"clamp": 3 / 4}),
        (lambda x: x.maximum(np.array([6.0, 6.0, 6.0, 6.0])), [5.0, 6.0, 7.0, 8.0], {"maximum": 1 / 4}),
        (lambda x: x * np.array([1.0, 0.0, 2.0, 3.0]), [5.0, 6.0, 7.0, 8.0], {"mul": 1 / 4}),
        (lambda x: x**2, [0.0, 6.0, 7.0, 8.0], {"pow": 1 / 4}),
        (lambda x: td.concatenate([x, np.ones(2)])[1:], [5.0, 6.0, 7.0, 8.0], {"index": 1 / 4}),
        (lambda x: x.reshape(2, 2).T.exp(), [5.0, 6.0, 7.0, 8.0], {}),
    ],
)
def test_ops_that_pick(op, data, expected):
    x = leaf(data)
    assert blamed(op(x).sum(), x=x) == expected


def test_an_op_of_your_own():
    def only_even(x):
        even = x % 2 == 0
        return x * even, (lambda g: g * even,)

    x = leaf([1.0, 2.0, 3.0, 4.0])
    assert blamed(apply(only_even, x).sum(), x=x) == {"only_even": 1 / 2}


def test_underflow_is_the_doing_of_the_op_in_which_it_happens():
    x = leaf([1.0, 2.0])
    assert blamed((x * np.array([1e-200, 1.0]) * np.array([1e-200, 1.0])).sum(), x=x) == {"mul#1": 1 / 2}


def test_asking_a_rule_does_not_warn_of_overflow():
    x = leaf([709.7] * 20)  # e^709.7 is 1.6e308, and the largest number 1.8e308
    assert blamed(x.exp(), [1e-300] * 10 + [0.0] * 10, x=x) == {"exp": 1 / 2}


# --- several ops ---------------------------------------------------------------------------------------------------


def test_zeros_pass_through_a_linear_layer_and_keep_their_author():
    x = leaf([[1.0, 2.0]])
    weight = np.array([[1.0, 1.0], [-1.0, -1.0]])
    trace = record((td.nn.linear(x, Tensor(weight)).relu()).sum(), names={"x": x})
    assert trace["linear"].zeroed_by == {"relu": 1 / 2}
    assert trace["x"].zeroed_by == {}  # the other unit still reaches both inputs
    x = leaf([[-1.0, -2.0]])
    assert blamed(td.nn.linear(x, Tensor(weight[:1])).relu().sum(), x=x) == {"relu": 1.0}


def test_weights_are_blocked_by_the_unit_above_or_by_the_pixel_below():
    weight = leaf([[1.0, 1.0], [-1.0, -1.0]])
    pixels = Tensor([[0.0, 2.0]])
    # both weights of the dead second unit, but at the zero pixel it is linear itself that lets nothing through
    assert blamed(td.nn.linear(pixels, weight).relu().sum(), x=weight) == {"relu": 1 / 4, "linear": 1 / 2}


def test_an_op_that_would_block_anyway_is_to_blame_even_if_nothing_came_in():
    x = leaf([-1.0, -2.0, 3.0])
    gate = np.array([0.0, 1.0, 0.0])
    trace = record((x.relu() * gate).sum(), names={"x": x})
    assert trace["relu"].zeroed_by == {"mul": pytest.approx(2 / 3)}
    assert trace["x"].zeroed_by == {"mul": 1 / 3, "relu": pytest.approx(2 / 3)}


def test_terms_that_cancel_are_the_doing_of_the_op_that_adds_them():
    x = leaf([[1.0, 1.0]])
    weight = np.array([[1.0, 2.0], [-1.0, 3.0]])
    assert blamed(td.nn.linear(x, Tensor(weight)).sum(), x=x) == {"linear": 1 / 2}


def test_cancelling_is_not_blamed_on_an_op_that_blocked_another_term():
    x = leaf([[1.0, 1.0]])
    weight = np.array([[3.0, 1.0], [-2.0, 3.0], [-7.0, 1.0]])  # outputs 4, 1, and -6, which relu blocks
    seed = np.array([[2.0, 3.0, 1.0]])  # 2 · 3 - 3 · 2 = 0 reaches the first input
    trace = record(td.nn.linear(x, Tensor(weight)).relu(), seed, {"x": x})
    assert trace["linear"].zeroed_by == {"relu": pytest.approx(1 / 3)}
    assert trace["x"].gradient.tolist() == [[0, 11]]
    assert trace["x"].zeroed_by == {"linear": 1 / 2}


def test_a_sum_of_two_branches_hands_its_zeros_to_both():
    x, y = leaf([1.0, -3.0]), leaf([1.0, 1.0])
    trace = record((x.abs() + y.abs()).clamp(high=3.0).sum(), names={"x": x, "y": y})
    assert trace["x"].zeroed_by == trace["y"].zeroed_by == {"clamp": 1 / 2}


def test_two_consumers_must_both_block():
    x = leaf([-1.0, 0.5, 2.0])
    trace = record((x.relu() + x.clamp(0.0, 1.0)).sum(), names={"x": x})
    assert trace["x"].gradient.tolist() == [0, 2, 1]
    first = next(name for name in trace.names if name in ("relu", "clamp"))
    assert trace["x"].zeroed_by == {first: pytest.approx(1 / 3)}


def test_consumers_that_cancel_leave_a_zero_of_which_the_node_itself_is_the_place():
    x = leaf([1.0, 2.0])
    assert blamed((x * 2 - x * np.array([2.0, 3.0])).sum(), x=x) == {"x": 1 / 2}


def test_a_third_consumer_that_blocks_is_not_to_blame_for_two_that_cancel():
    for expression in [
        lambda x: x.relu() + x.exp() - x.exp(),
        lambda x: x.exp() + x.relu() - x.exp(),
        lambda x: x.exp() - x.exp() + x.relu(),
    ]:
        x = leaf([-1.0])
        assert blamed(expression(x).sum(), x=x) == {"x": 1.0}


def test_a_seed_of_zero_is_where_backward_starts():
    x = leaf([1.0, 2.0])
    trace = record(x.exp(), [0.0, 1.0], {"x": x})
    assert trace["exp"].zeroed_by == trace["x"].zeroed_by == {"exp": 1 / 2}


# --- shapes at the edge --------------------------------------------------------------------------------------------


def test_a_single_number():
    x = leaf(-3.0)
    assert blamed(x.relu() * 2, x=x) == {"relu": 1.0}
    x = leaf(3.0)
    assert blamed(x.relu() * 2, x=x) == {}


def test_nothing_at_all():
    x = leaf(np.ones((0, 3)))
    assert blamed(x.relu().sum(), x=x) == {}


def test_float32_is_asked_in_float32():
    asked = []

    def watchful(x):
        def rule(g):
            asked.append(g.dtype)
            return (g * x).astype(np.float64)

        return x * 1, (rule,)

    x = Tensor(np.array([0, 1], dtype=np.float32), requires_grad=True)
    assert blamed(apply(watchful, x), [1.0, 1.0], x=x) == {"watchful": 1 / 2}
    assert set(asked) == {np.dtype(np.float32)}


# --- against the definition ----------------------------------------------------------------------------------------

SMALL = st.integers(-2, 2).map(float)


@given(jacobian=arrays(float, (4, 5), elements=SMALL), g=arrays(float, 5, elements=SMALL), data=st.data())
def test_blame_is_its_definition_for_any_linear_rule(jacobian, g, data):
    above = np.where(g != 0, NOBODY, data.draw(arrays(int, 5, elements=st.integers(0, 3))))
    contribution = jacobian @ g
    received = blame(lambda v: jacobian @ v, contribution, above, 7, float, np.random.default_rng(0))
    for row, value, who in zip(jacobian, contribution, received.tolist(), strict=True):
        authors = {above[i] for i in range(5) if row[i] != 0}  # of the entries that this one depends on
        if value != 0:
            assert who == NOBODY
        elif not authors or NOBODY in authors:  # nothing is let through, or non-zero terms have cancelled
            assert who == 7
        else:
            assert who == min(authors)


@given(masks=arrays(float, (4, 6), elements=st.sampled_from([0.0, 1.0, -2.0])))
def test_in_a_chain_the_last_to_block_is_to_blame(masks):
    x = leaf(np.ones(6))
    y = x
    for mask in masks:
        y = y * mask
    received = blamed(y.sum(), x=x)
    first_zero = [next((i for i, factor in enumerate(column) if factor == 0), None) for column in masks.T]
    expected = {f"mul#{i + 1}": first_zero.count(i) / 6 for i in range(4) if i in first_zero}
    assert received == pytest.approx(expected)


@given(first=arrays(int, 4, elements=st.integers(-1, 3)), second=arrays(int, 4, elements=st.integers(-1, 3)))
def test_a_sum_is_zero_only_where_both_terms_are(first, second):
    for a, b, merged in zip(first, second, merge(first, second), strict=True):
        assert merged == (NOBODY if NOBODY in (a, b) else min(a, b))
