"""Tensors: what they hold, what ops do to them, and the backward pass."""

import copy
import functools
import operator
import pickle
import re
import weakref

import numpy as np
import pytest

from tinydist import Tensor, apply, concatenate, gradcheck, no_grad
from tinydist.errors import BackwardError, DTypeError, GraphFreedError, ShapeError
from tinydist.ops.table import OPS
from tinydist.optim import SGD
from tinydist.rules import READS_NOTHING
from tinydist.snapshots import WHOLE, snapshot


def leaf(data, dtype=float):
    return Tensor(data, requires_grad=True, dtype=dtype)


# --- what it holds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [1j, "word", None, [None], ["a", "b"]])
def test_only_real_numbers_are_held(data):
    with pytest.raises(DTypeError, match="Tensor holds real numbers, got data of dtype"):
        Tensor(data)


@pytest.mark.parametrize("data", [1, [1, 2], True, np.zeros(2, dtype=np.uint8)])
def test_only_floating_point_tensors_have_gradients(data):
    with pytest.raises(DTypeError, match=r"got dtype \w+; pass dtype=float"):
        Tensor(data, requires_grad=True)
    assert leaf(data).dtype == np.float64


def test_a_tensor_is_not_made_of_a_tensor():
    with pytest.raises(TypeError, match=r"use tensor\.detach\(\)"):
        Tensor(Tensor(1.0))


def test_an_array_is_kept_and_not_copied():
    data = np.zeros(3, dtype=np.float32)
    assert Tensor(data).data is data


def test_shape_size_and_length():
    x = Tensor(np.zeros((2, 3)))
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)


def test_item_is_a_python_number():
    assert type(Tensor([[1.5]]).item()) is float
    assert Tensor([[1.5]]).item() == 1.5


def test_detach_shares_the_data_and_leaves_the_graph():
    x = leaf([1.0, 2.0])
    y = (x * 2).detach()
    assert not y.requires_grad
    assert y.inputs == ()
    assert x.detach().data is x.data


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (Tensor(1.0, dtype=np.float32), "Tensor(1., dtype=float32)"),
        (Tensor([1, 2]), "Tensor([1, 2], dtype=int64)"),
        (leaf([1.0]), "Tensor([1.], requires_grad=True)"),
        (leaf([1.0]).exp(), "Tensor([2.7183], op=exp)"),
        (leaf([1.0], np.float32) * 2, "Tensor([2.], dtype=float32, op=mul)"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_repr_of_many_entries_is_short():
    assert len(repr(Tensor(np.zeros((100, 100))))) < 300


@pytest.mark.parametrize(
    "convert", [np.asarray, np.array, lambda x: Tensor([x, x])], ids=["asarray", "array", "list of tensors"]
)
def test_numpy_may_not_take_the_array_and_lose_the_gradient(convert):
    with pytest.raises(TypeError, match=r"lose this tensor's gradient; use a Tensor method, or \.data"):
        convert(leaf([1.0]))


@pytest.mark.parametrize("function", [np.exp, np.negative, lambda x: np.add(np.ones(1), x)])
def test_numpy_functions_are_refused(function):
    with pytest.raises(TypeError, match="Tensor"):
        function(leaf([1.0]))


# --- ops as methods and operators ----------------------------------------------------------------------------------

A = np.array([[1.5, -2.0], [0.5, 3.0]])
B = np.array([[2.0, 1.0], [-1.0, 4.0]])


@pytest.mark.parametrize(
    "expression",
    [
        lambda x: x + B,
        lambda x: B + x,
        lambda x: x - B,
        lambda x: B - x,
        lambda x: x * B,
        lambda x: B * x,
        lambda x: x / B,
        lambda x: B / x,
        lambda x: x @ B,
        lambda x: B @ x,
        lambda x: 2 - x,
        lambda x: x - 2,
        lambda x: 2 / x,
        lambda x: [[1.0, 2.0]] - x,
        lambda x: -x,
        lambda x: x**2,
        lambda x: x[1, ::-1],
        lambda x: x.T,
        lambda x: x.sum(axis=0),
        lambda x: x.mean(axis=1, keepdims=True),
        lambda x: x.max(axis=0),
        lambda x: x.reshape(4, -1),
        lambda x: x.transpose(1, 0),
    ],
)
def test_expression_means_what_it_means_in_numpy(expression):
    received = expression(leaf(A))
    assert isinstance(received, Tensor)
    assert received.requires_grad
    np.testing.assert_allclose(received.data, expression(A), rtol=1e-15, strict=True)


@pytest.mark.parametrize("name", ["exp", "abs", "tanh"])
def test_method_means_the_numpy_function_of_that_name(name):
    np.testing.assert_array_equal(getattr(Tensor(A), name)().data, getattr(np, name)(A))


def test_concatenate_keeps_the_graph():
    x = leaf(A)
    y = concatenate([x, B], axis=1)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.hstack([A, B]))
    np.testing.assert_array_equal(x.grad, np.ones((2, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", [2, 2.5, True, np.float32(2.5), np.ones(2, dtype=np.float32)], ids=repr)
def test_dtype_survives_operands_that_are_no_wider(other, dtype):
    x = leaf([1.0, 2.0], dtype)
    for result in (x + other, other + x, x * other, other - x, x / other, other / x, x.maximum(other)):
        x.grad = None
        result.sum().backward()
        assert isinstance(result, Tensor)
        assert (result.dtype, x.grad.dtype) == (dtype, dtype)


def test_a_wider_array_widens_the_value_but_not_the_gradient():
    x = leaf([1.0, 2.0], np.float32)
    for result in (x * np.ones(2), np.ones(2) * x):
        x.grad = None
        result.sum().backward()
        assert (result.dtype, x.grad.dtype) == (np.float64, np.float32)


def test_integers_and_a_python_float_make_float64():
    assert (Tensor([1, 2]) * 2.5).data.tolist() == [2.5, 5]
    assert (2 * Tensor([1, 2])).dtype == np.int64


# --- the backward pass ---------------------------------------------------------------------------------------------


def test_gradients_of_a_tensor_used_twice_add_up():
    x = leaf(3.0)
    (x * x).backward()
    assert x.grad == 6


def test_both_arms_of_a_diamond_count_once():
    x = leaf(2.0)
    middle = x * 3
    (middle * middle + middle).backward()  # 9x² + 3x
    assert x.grad == 18 * 2 + 3


def test_an_early_tensor_waits_for_all_its_uses():
    x = leaf(2.0)
    a = x * x
    b = a * x
    (b * a + a + x).backward()  # x⁵ + x² + x
    assert x.grad == 5 * 16 + 4 + 1


def test_gradients_of_several_passes_add_up():
    x = leaf([1.0, 2.0])
    (3 * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    assert first.tolist() == [3, 3]


def test_only_leaves_that_ask_get_a_gradient():
    x, constant = leaf(2.0), Tensor(5.0)
    y = x * constant
    (y * 2).backward()
    assert x.grad == 10
    assert constant.grad is None
    assert y.grad is None


def test_backward_on_a_leaf_gives_it_the_gradient():
    x = leaf([1.0, 2.0])
    x.backward([3, 4])
    assert x.grad.tolist() == [3, 4]


def test_a_gradient_of_another_dtype_becomes_that_of_the_leaf():
    x = leaf([1.0, 2.0], np.float32)
    x.backward([3, 4])
    assert x.grad.dtype == np.float32


def test_gradients_share_memory_with_nothing():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    seed = np.array([1.0, 1.0])
    (x + y).backward(seed)
    x.grad += 10
    assert y.grad.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]


def test_the_incoming_gradient_is_multiplied_in():
    x = leaf([1.0, 2.0])
    (x * x).backward([10, -1])
    assert x.grad.tolist() == [20, -4]


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2)])
def test_more_or_less_than_one_entry_needs_a_gradient(shape):
    with pytest.raises(BackwardError, match=re.escape(f"this one has shape {shape}")):
        leaf(np.ones(shape)).exp().backward()


def test_one_entry_of_any_shape_needs_none():
    x = leaf([[4.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[8]]


def test_the_gradient_must_have_the_shape_of_the_tensor():
    with pytest.raises(ShapeError, match=re.escape("gradient of shape (2,) for a tensor of shape (2, 2)")):
        leaf(A).exp().backward([1.0, 2.0])


def test_without_a_parameter_there_is_nothing_to_do():
    with pytest.raises(BackwardError, match="depends on nothing that requires a gradient"):
        (Tensor(1.0) * 2).backward()


def test_a_chain_of_100000_ops():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad == 100_001


def test_a_chain_of_100000_ops_may_be_dropped():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    kept = weakref.ref(y.inputs[0].data)
    del y
    assert kept() is None


# --- the life of the graph -----------------------------------------------------------------------------------------


def graph():
    """A leaf, the array of an intermediate result (weakly), and a loss behind it."""
    x = leaf([1.0, 2.0])
    middle = x * 2
    return x, weakref.ref(middle.data), (middle * middle).sum()


def test_backward_frees_the_graph():
    _, middle, loss = graph()
    assert middle() is not None
    loss.backward()
    assert middle() is None
    assert loss.inputs == ()


def test_a_freed_graph_says_so():
    x, _, loss = graph()
    loss.backward()
    with pytest.raises(GraphFreedError, match=r"freed by an earlier backward pass \(at op 'sum'\).*retain_graph=True"):
        loss.backward()
    assert x.grad.tolist() == [8, 16]


def test_a_graph_freed_in_part_changes_no_gradient():
    x = leaf(2.0)
    shared = x.exp()
    shared.backward()
    before = x.grad.copy()
    with pytest.raises(GraphFreedError, match="at op 'exp'"):
        (x * shared).backward()
    assert x.grad == before


def test_a_retained_graph_runs_again():
    x, middle, loss = graph()
    loss.backward(retain_graph=True)
    assert middle() is not None
    loss.backward()
    assert x.grad.tolist() == [16, 32]
    assert middle() is None


def test_no_grad_records_nothing():
    x = leaf([1.0, 2.0])
    with no_grad():
        y = (x * 2).sum()
    assert y.item() == 6
    assert not y.requires_grad
    assert y.inputs == ()
    assert (x * 2).requires_grad


def test_constants_record_nothing():
    assert (Tensor([1.0]) * 2).inputs == ()


def test_no_grad_nests():
    x = leaf(1.0)
    with no_grad():
        with no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    def fail():
        with no_grad():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (leaf(1.0) * 2).requires_grad


# --- ops of one's own ----------------------------------------------------------------------------------------------


def scaled(x, y, factor):
    return factor * x * y, (lambda g: factor * g * y, lambda g: factor * g * x)


def test_an_op_of_ones_own():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    result = apply(scaled, x, y, factor=10)
    assert result.data.tolist() == [30, 80]
    assert (result.op, result.inputs) == ("scaled", (x, y))
    result.backward([1, -1])
    assert (x.grad.tolist(), y.grad.tolist()) == ([30, -40], [10, -20])


def test_a_rule_for_a_constant_is_not_run():
    x = leaf([1.0])

    def refuse(_):
        raise AssertionError

    def first_only(a, b):
        return a + b, (lambda g: g, refuse)

    apply(first_only, x, 2.0).backward()
    assert x.grad.tolist() == [1]


def test_a_rule_that_returns_the_wrong_shape_is_named():
    def lopsided(x, y):
        return x + y, (lambda g: g, lambda g: g)

    message = "the gradient rule of 'lopsided' for input 1 returned shape (2, 3), expected (3,)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        apply(lopsided, leaf(np.ones((2, 3))), leaf(np.ones(3))).sum().backward()


def test_sizes_may_come_as_a_tuple():
    x = leaf([[1.0, 2.0, 3.0]])
    assert x.reshape((3, 1)).shape == x.reshape(3, 1).shape == (3, 1)
    assert x.transpose((1, 0)).shape == x.transpose(1, 0).shape == (3, 1)


def test_truth_is_that_of_a_single_entry():
    assert not Tensor(0.0)
    assert not Tensor([0.0])
    assert Tensor(2.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([1.0, 2.0]))


def test_tensors_serve_as_labels_gradients_and_indices():
    x = leaf([[1.0, 2.0], [3.0, 5.0]])
    assert x[Tensor([1]), 1].data.tolist() == [5.0]
    assert x.cross_entropy(Tensor([0, 1])).item() == x.cross_entropy([0, 1]).item()
    x.backward(Tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert x.grad.tolist() == [[1.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("outcome", [np.ones(2), (np.ones(2), ()), (np.ones(2), (abs, abs)), None])
def test_an_op_that_returns_something_else_is_named_and_shown_how(outcome):
    def mistaken(_):
        return outcome

    with pytest.raises(
        TypeError, match=r"op 'mistaken' must return \(value, vjps\) with one vjp, a function, for each of its 1 inputs"
    ):
        apply(mistaken, leaf([1.0, 2.0]))


def test_an_op_without_a_name_is_fine():
    x = leaf([1.0, 2.0])
    apply(functools.partial(lambda y, k: (k * y, (lambda g: k * g,)), k=3.0), x).backward([1.0, 1.0])
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("key", "advice"), [("exponent", "for a tensor exponent write"), ("base", "give its .data")])
def test_a_tensor_as_an_option_is_refused_with_advice(key, advice):
    def scaled(x, **_):
        return x, (lambda g: g,)

    with pytest.raises(TypeError, match=f"option '{key}' of 'scaled' is a tensor, .*; {advice}"):
        apply(scaled, leaf([1.0]), **{key: leaf([1.0])})


@pytest.mark.parametrize("compare", [operator.lt, operator.eq, operator.ne])
def test_a_comparison_of_shapes_that_do_not_broadcast_is_refused(compare):
    with pytest.raises(ShapeError, match=r": shapes \(3,\) and \(2,\) do not broadcast"):
        compare(leaf([1.0, 2.0, 3.0]), [1.0, 2.0])


# --- values that change between forward and backward ---------------------------------------------------------------

LARGE = np.linspace(1, 2, WHOLE // 4)


@pytest.mark.parametrize(
    "data",
    [
        np.array(2.0),
        np.array([1.0, 2.0]),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-2],
        LARGE,
        LARGE.reshape(64, -1).T[::2],
    ],
    ids=lambda data: str(data.shape),
)
def test_a_parameter_changed_before_backward_is_refused(data):
    x = leaf(data)
    loss = (x * x).sum()
    x.data -= 0.5
    with pytest.raises(BackwardError, match=r"input 0 of 'mul', of shape .*, was changed.*compute the value again"):
        loss.backward()
    assert x.grad is None


def reads_an_array(op, case):
    """Whether a gradient differs once an input or the value was changed after the forward pass."""
    rng = np.random.default_rng(0)
    options = {key: np.asarray(value) if key == "labels" else value for key, value in case.options.items()}
    inputs = [np.array(rng.uniform(case.low, case.high, shape)) for shape in case.shapes]
    value, rules_of_op = op.function(*inputs, **options)
    g = np.asarray(rng.uniform(1, 2, value.shape))
    before = [np.array(rule(g)) for rule in rules_of_op]
    for array in filter(lambda array: array.flags.writeable, (*inputs, value)):
        original = array.copy()
        for change in (np.negative, np.zeros_like, lambda a: 10 * a):
            array[...] = change(original)
            with np.errstate(all="ignore"):
                if any(not np.array_equal(rule(g), b) for rule, b in zip(rules_of_op, before, strict=True)):
                    return True
        array[...] = original
    return False


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_arrays_are_watched_if_and_only_if_a_rule_reads_them(op):
    assert any(reads_an_array(op, case) for case in op.cases) == (op.function not in READS_NOTHING)


def test_a_change_of_what_no_rule_reads_is_no_false_alarm():
    w, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = (w + b).sum()
    w.data -= 0.5
    loss.backward()
    assert w.grad.tolist() == b.grad.tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (200, 300)])
def test_values_that_stay_are_no_false_alarm(shape):
    x, y = leaf(np.ones(shape)), Tensor(np.broadcast_to(2.0, shape))
    loss = (x * y).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert (x.grad == 4).all()


def test_a_shuffled_array_is_noticed():
    data = np.array([1.0, 2.0, 3.0])
    loss = (leaf([1.0, 1.0, 1.0]) * data).sum()
    data[:] = data[[2, 0, 1]]
    with pytest.raises(BackwardError, match="input 1 of 'mul'"):
        loss.backward()


def test_a_row_and_a_column_of_a_large_array_are_noticed():
    data = np.random.default_rng(0).normal(size=(300, 784))
    before = snapshot(data)
    for part in [(slice(None), 5), (7,)]:
        data[part] += 1
        assert snapshot(data) != before
        before = snapshot(data)


def test_the_result_written_over_is_noticed():
    x = leaf([1.0, 2.0])
    y = x.exp()
    y.data[0] = 5
    with pytest.raises(BackwardError, match="the result of 'exp'"):
        y.sum().backward()


def test_a_step_between_two_passes_is_noticed():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    SGD([x], lr=0.1).step()
    with pytest.raises(BackwardError, match="input 0 of 'mul'"):
        loss.backward()
    assert x.grad.tolist() == [2, 4]


def test_other_data_assigned_before_backward_are_noticed():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    x.data = x.data - 0.1
    with pytest.raises(BackwardError, match="input 0 of 'mul'"):
        loss.backward()


@pytest.mark.parametrize(
    "key", [[0, 2], np.array([0, 2]), (np.array([0, 2]),), np.array([True, False, True])], ids=repr
)
def test_an_index_changed_afterwards_does_not_move_the_gradient(key):
    x = leaf([1.0, 2.0, 3.0])
    picked = x[key].sum()
    part = key[0] if isinstance(key, tuple) else key
    part[0], part[1] = part[1], part[0]
    part[0] = 1
    picked.backward()
    assert x.grad.tolist() == [1, 0, 1]


# --- ops and rules that do what they may not -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array([True, False])])
def test_an_integer_result_has_no_gradient(value):
    with pytest.raises(DTypeError, match=r"op 'rounded' made (int64|bool), which has no gradient"):
        apply(rounded, leaf([1.0, 2.0]), value=value)
    assert apply(rounded, Tensor([1.0, 2.0]), value=value).data is not None


def rounded(_, value):
    return value, (lambda g: g,)


@pytest.mark.parametrize("value", [[1.0, 2.0], "ab", None, np.array([1j])])
def test_a_value_that_is_no_array_of_real_numbers_names_the_op(value):
    with pytest.raises(DTypeError, match="op 'odd' must return an array of real numbers as its value, got"):
        apply(odd, leaf([1.0, 2.0]), value=[value])


def odd(_, value):
    return value[0], (lambda g: g,)


@pytest.mark.parametrize(
    ("contribution", "error", "kind"),
    [
        (None, TypeError, "None"),
        ([1.0, 1.0], TypeError, "a list"),
        ("ab", TypeError, "a str"),
        (Tensor([1.0, 1.0]), TypeError, "a Tensor"),
        (np.array([1j, 1j]), DTypeError, "dtype complex128"),
        (np.array([None, None]), DTypeError, "dtype object"),
        (np.array(["a", "b"]), DTypeError, "dtype <U1"),
    ],
    ids=str,
)
def test_a_rule_that_returns_no_numbers_is_named_and_no_gradient_is_kept(contribution, error, kind):
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    result = y * 2 + apply(lambda a, b: (a + b, (lambda g: g, lambda _: contribution)), 1.0, x) * y
    with pytest.raises(error, match=f"the gradient rule of '<lambda>' for input 1 must return .*, got {kind}"):
        result.sum().backward()
    assert x.grad is None
    assert y.grad is None


@pytest.mark.parametrize("vjps", [lambda g: g, (None,), ([],), None, (np.ones(2),)])
def test_rules_that_are_no_functions_are_refused(vjps):
    with pytest.raises(TypeError, match=r"must return .* with one vjp, a function, for each of its 1 inputs"):
        apply(lambda x: (x * 2, vjps), leaf([1.0, 2.0]))


def doubling(g):
    g *= 2
    return g


def test_a_rule_that_overwrites_g_is_named():
    x, y = leaf([1.0]), leaf([1.0])
    spoiling = apply(lambda a: (a * 2, (doubling,)), x)
    with pytest.raises(BackwardError, match="the gradient rule of '<lambda>' for input 0 changed g"):
        (spoiling + y).backward([1.0])


def test_a_rule_that_writes_into_its_input_is_named():
    def greedy(x):
        def rule(g):
            x[:] = 0
            return g

        return x * 2, (rule,)

    with pytest.raises(BackwardError, match=r"input 0 of 'greedy', of shape .*, was changed"):
        apply(greedy, leaf([1.0, 2.0])).sum().backward()


def test_an_op_that_writes_into_its_input_is_named():
    def halved(x):
        x /= 2
        return x, (lambda g: g / 2,)

    with pytest.raises(BackwardError, match=r"op 'halved' changed its input 0, of shape \(1,\)"):
        apply(halved, leaf([1.0]))


def test_rules_may_share_a_buffer():
    def product(x, y):
        buffer = np.empty_like(x)
        return x * y, (lambda g: np.multiply(g, y, out=buffer), lambda g: np.multiply(g, x, out=buffer))

    x, y = leaf([2.0]), leaf([3.0])
    apply(product, x, y).backward()
    assert (x.grad, y.grad) == (3, 2)


def test_a_tensor_is_no_option():
    with pytest.raises(TypeError, match="option 'low' of 'clamp' is a tensor"):
        leaf([1.0]).clamp(Tensor([0.0]))


# --- numbers, comparisons and what Python asks ---------------------------------------------------------------------

SCALARS = [np.float64(2), np.float32(2), np.int64(2), np.array(2.0), np.bool_(True)]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_numpy_scalar_counts_as_a_number(scalar, dtype):
    t = Tensor([1.0, 3.0], dtype=dtype)
    for result in (t * scalar, scalar * t, t**scalar, t.maximum(scalar), t.clamp(scalar), t.clamp(high=scalar)):
        assert result.dtype == dtype
    np.testing.assert_array_equal((scalar - t).data, float(scalar) - t.data)


@pytest.mark.parametrize("other", [2.0, np.float64(2), np.array([2.0, 1.0]), [2.0, 1.0], Tensor([2.0, 1.0]), leaf(2.0)])
def test_comparisons_are_those_of_numpy_and_have_no_gradient(other):
    array, t = np.array([2.0, 3.0]), leaf([2.0, 3.0])
    plain = other.data if isinstance(other, Tensor) else other
    for received, expected in [
        (t == other, array == plain),
        (t != other, array != plain),
        (t < other, array < plain),
        (t <= other, array <= plain),
        (t > other, array > plain),
        (t >= other, array >= plain),
        (other == t, plain == array),
        (other < t, plain < array),
    ]:
        assert isinstance(received, Tensor)
        assert not received.requires_grad
        np.testing.assert_array_equal(received.data, expected, strict=True)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t == other)


def test_a_comparison_serves_as_a_mask():
    x = leaf([1.0, -2.0, 3.0])
    x[x > 0].sum().backward()
    assert x.grad.tolist() == [1, 0, 1]


@pytest.mark.parametrize("other", [None, "word", object(), 1j])
def test_what_is_no_real_number_is_never_equal(other):
    assert (leaf([1.0]) == other) is False
    assert (leaf([1.0]) != other) is True
    with pytest.raises(TypeError):
        leaf([1.0]) < other  # noqa: B015


def test_tensors_are_keys_by_identity():
    a, b = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    names = {a: "a", b: "b"}
    assert (names[a], names[b], len({a, b})) == ("a", "b", 2)


def test_a_number_to_the_power_of_a_tensor():
    x = leaf([0.5, -1.0, 2.0])
    np.testing.assert_allclose((2**x).data, 2**x.data)
    gradcheck(lambda x: 2**x, x.data)
    assert (2 ** leaf([1.0], np.float32)).dtype == np.float32
    assert (np.float64(2) ** leaf([1.0], np.float32)).dtype == np.float32
    for base in (0, -2.0):
        with pytest.raises(ValueError, match="needs a base above 0"):
            base**x
    with pytest.raises(TypeError, match="takes a number as its base, got ndarray"):
        np.ones(3) ** x
    with pytest.raises(TypeError, match="option 'exponent' of 'pow' is a tensor"):
        x**x


def test_rows_keep_their_gradient_and_a_single_number_has_none():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * 2 + second * 3).sum().backward()
    assert x.grad.tolist() == [[2, 2], [3, 3]]
    for look in (list, len, iter):
        with pytest.raises(TypeError, match="unsized"):
            look(leaf(1.0))


def test_numbers_of_a_single_entry():
    assert (float(leaf([[2.5]])), int(leaf(2.5)), abs(leaf(-2.5)).item()) == (2.5, 2, 2.5)
    for convert in (float, int):
        with pytest.raises(ValueError, match="size 1"):
            convert(leaf([1.0, 2.0]))


def add_in_place(x):
    x += 1
    return x


def test_augmented_assignment_makes_a_new_tensor_and_spares_parameters():
    x = leaf([1.0])
    y = add_in_place(x * 2)
    y.sum().backward()
    assert (y.data, x.grad) == (3, 2)
    with pytest.raises(TypeError, match=r"leaves the parameter as it is.*w\.data \+= y"):
        add_in_place(x)
    with no_grad(), pytest.raises(TypeError, match="leaves the parameter as it is"):
        add_in_place(x)
    with pytest.raises(TypeError, match="Tensor"):
        np.add(np.ones(1), x)
    with pytest.raises(AttributeError, match="shape"):
        x.shape = (1, 1)


def pickled(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_leaves_can_be_copied_and_results_cannot(duplicate):
    x = leaf([1.0, 2.0])
    twin = duplicate(x)
    (twin * twin).sum().backward()
    assert twin.grad.tolist() == [2, 4]
    assert x.grad is None
    with pytest.raises(TypeError, match=r"'mul'.*cannot be copied or pickled.*detach"):
        duplicate(x * 2)
    assert duplicate((x * 2).detach()).data.tolist() == [2, 4]
