"""Tensors: what they hold, what ops do to them, and the backward pass."""

import copy
import dataclasses
import functools
import operator
import pickle
import re
import types
import weakref

import numpy as np
import pytest

from tinydist import Tensor, apply, concatenate, gradcheck, no_grad, ops, stack, where
from tinydist.errors import BackwardError, DTypeError, GraphFreedError, ShapeError
from tinydist.ops.table import OPS
from tinydist.optim import SGD
from tinydist.rules import READS_NOTHING
from tinydist.snapshots import SAMPLE, WHOLE, snapshot


def leaf(data, dtype=float):
    return Tensor(data, requires_grad=True, dtype=dtype)


# --- what it holds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [1j, "word", None, [None], ["a", "b"]])
def test_only_real_numbers_are_held(data):
    with pytest.raises(DTypeError, match="Tensor holds real numbers, got data of dtype"):
        Tensor(data)


@pytest.mark.parametrize("dtype", [complex, str, object, "M8"])
def test_a_dtype_of_other_than_real_numbers_is_refused(dtype):
    with pytest.raises(DTypeError, match=f"Tensor holds real numbers, got data of dtype {np.dtype(dtype)}$"):
        Tensor(np.ones(2), dtype=dtype)


@pytest.mark.parametrize("data", [1, [1, 2], True, np.zeros(2, dtype=np.uint8)])
def test_only_floating_point_tensors_have_gradients(data):
    with pytest.raises(DTypeError, match=r"got dtype \w+; pass dtype=float"):
        Tensor(data, requires_grad=True)
    assert leaf(data).dtype == np.float64


def test_a_tensor_is_not_made_of_a_tensor():
    with pytest.raises(TypeError, match=r"use tensor\.detach\(\)"):
        Tensor(Tensor(1.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64, bool])
def test_an_array_is_kept_and_not_copied(dtype):
    data = np.zeros(3, dtype=dtype)
    assert Tensor(data).data is Tensor(data, dtype=dtype).data is data


@pytest.mark.parametrize(("given", "dtype"), [(np.float64, np.float32), (np.float32, np.float64), (np.int8, float)])
def test_data_are_converted_to_the_dtype_asked_for_and_rounded_by_floats_alone(given, dtype):
    data = np.array([0.1, 7.9], dtype=given)
    np.testing.assert_array_equal(Tensor(data, dtype=dtype).data, np.array(data.tolist(), dtype=dtype), strict=True)


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
        (Tensor([[1.0, 2.0], [3.0, 4.0]]), "Tensor([[1., 2.],\n        [3., 4.]])"),
        (leaf([1.0], np.float32) * 2, "Tensor([2.], dtype=float32, op=mul)"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_repr_of_more_than_20_entries_leaves_some_out():
    assert "..." not in repr(Tensor(np.zeros(20)))
    assert "..." in repr(Tensor(np.zeros(21)))
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


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "abs", "tanh", "sum", "mean", "max", "min", "transpose"])
def test_method_means_the_numpy_function_of_that_name(name):
    x = np.abs(A[:, :1]) if name in ("log", "sqrt") else A[:, :1]
    np.testing.assert_array_equal(getattr(Tensor(x), name)().data, getattr(np, name)(x), strict=True)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        *((name, []) for name in ("relu", "sigmoid", "clamp", "logsumexp", "softmax", "log_softmax")),
        ("maximum", [B]),
        ("weighted_distance", [B, np.abs(A)]),
    ],
)
def test_method_means_the_op_of_that_name(name, inputs):
    received, (expected, _) = getattr(leaf(A), name)(*inputs), getattr(ops, name)(A, *inputs)
    assert received.op == name
    np.testing.assert_array_equal(received.data, expected, strict=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {"axis": 0, "keepdims": True}) for name in ("sum", "mean", "max", "min", "logsumexp")),
        *((name, {"axis": 0}) for name in ("sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax")),
        ("clamp", {"low": -1.0, "high": 1.0}),
    ],
)
def test_method_passes_its_options_to_the_op(name, options):
    received, (expected, _) = getattr(leaf(A), name)(**options), getattr(ops, name)(A, **options)
    np.testing.assert_array_equal(received.data, expected, strict=True)


def test_axes_are_permuted_as_asked():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(leaf(x).transpose(1, 2, 0).data, x.transpose(1, 2, 0))


@pytest.mark.parametrize("join", [concatenate, stack])
@pytest.mark.parametrize("options", [{}, {"axis": 1}], ids=str)
def test_tensors_are_joined_along_the_first_axis_or_another(join, options):
    y = join([leaf(A), B], **options)
    np.testing.assert_array_equal(y.data, getattr(np, join.__name__)([A, B], **options))
    assert y.op == join.__name__


@pytest.mark.parametrize("condition", [A > 0, Tensor(A) > 0])
def test_where_picks_the_first_where_the_condition_is_true(condition):
    x = leaf(A)
    y = where(condition, x, B)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.where(A > 0, A, B))
    np.testing.assert_array_equal(x.grad, A > 0)


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


def test_the_gradient_must_be_of_real_numbers():
    with pytest.raises(DTypeError, match=r"^backward holds real numbers, got data of dtype complex128"):
        leaf(A).exp().backward(1j * A)


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
    assert result.function(x.data, y.data)[0].tolist() == [30, 80]
    assert (x.op, x.function, x.inputs) == (None, None, ())
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


@pytest.mark.parametrize(
    ("outcome", "described"),
    [
        (None, "None"),
        (np.ones(2), "dtype float64"),
        ([np.ones(2), (abs,)], "a list"),
        ((np.ones(2),), "a tuple of 1"),
        ((np.ones(2), abs, abs), "a tuple of 3"),
        ((np.ones(2), lambda g: g), "(value, a function)"),
        ((np.ones(2), None), "(value, None)"),
        ((np.ones(2), np.ones(1)), "(value, dtype float64)"),
        ((np.ones(2), ()), "0 vjps: none"),
        ((np.ones(2), (None,)), "1 vjps: None"),
        ((np.ones(2), (copy.copy, [])), "2 vjps: a function, a list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_op_that_returns_something_else_is_named_and_shown_how(outcome, described):
    def mistaken(_):
        return outcome

    message = "op 'mistaken' must return (value, vjps) with one vjp, a function, for each of its 1 inputs"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}.*; it returned {re.escape(described)}$"):
        apply(mistaken, leaf([1.0, 2.0]))


def test_an_op_without_a_name_is_fine():
    x, op = leaf([1.0, 2.0]), functools.partial(lambda y, k: (k * y, (lambda g: k * g,)), k=3.0)
    result = apply(op, x)
    result.backward([1.0, 1.0])
    assert x.grad.tolist() == [3.0, 3.0]
    assert result.op == repr(op)


@dataclasses.dataclass
class Scaled:
    """An op that is an object, compared by value and therefore not hashable."""

    factor: float

    def __call__(self, x):
        return self.factor * x, (lambda g: self.factor * g,)


def tripled(x):
    return 3.0 * x, (lambda g: 3.0 * g,)


@pytest.mark.parametrize("op", [Scaled(3.0), types.FunctionType(tripled.__code__, {})], ids=["object", "of no module"])
def test_anything_callable_serves_as_an_op(op):
    x = leaf([1.0, 2.0])
    apply(op, x).backward([1.0, -1.0])
    assert x.grad.tolist() == [3.0, -3.0]


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
    b.data = b.data * 2
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


@pytest.mark.parametrize("entry", [0, 1, 1000, -1])
def test_every_entry_of_a_small_array_is_noticed(entry):
    data = np.zeros(WHOLE // 8)
    before = snapshot(data)
    data[entry] = 1
    assert snapshot(data) != before


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]])
def test_a_snapshot_of_a_large_array_holds_a_sample(layout):
    entries = len(snapshot(layout(np.zeros((300, 784))))[1]) / 8
    assert SAMPLE / 2 < entries < SAMPLE * 2


def test_a_row_and_a_column_of_a_large_array_are_noticed():
    data = np.random.default_rng(0).normal(size=(300, 784))
    before = snapshot(data)
    for part in [(slice(None), 5), (7,)]:
        data[part] += 1
        assert snapshot(data) != before
        before = snapshot(data)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_result_written_over_is_noticed(op):
    case = op.cases[0]
    options = {key: np.asarray(value) if key == "labels" else value for key, value in case.options.items()}
    tensors = [leaf(np.full(shape, case.high)) for shape in case.shapes]
    y = apply(op.function, *tensors, **options)
    y.data[...] = 5
    with pytest.raises(BackwardError, match=f"the result of '{op.name}', of shape {re.escape(str(y.shape))}, was"):
        (y * y).backward(np.ones(y.shape))
    assert all(tensor.grad is None for tensor in tensors)


def test_a_result_replaced_by_one_of_another_shape_is_noticed():
    x = leaf(np.ones((3, 2)))
    y = x.T
    y.data = y.data.T
    with pytest.raises(BackwardError, match="the result of 'transpose'"):
        y.sum().backward()


def test_a_step_between_two_passes_is_noticed():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    SGD([x], lr=0.1).step()
    with pytest.raises(BackwardError, match="input 0 of 'mul'"):
        loss.backward()
    assert x.grad.tolist() == [2, 4]


@pytest.mark.parametrize("size", [2, WHOLE])
@pytest.mark.parametrize("change", [0.0, 0.1])
def test_other_data_assigned_before_backward_are_noticed(size, change):
    """Even equal ones: the rules would read the old array, and whoever changes it would change the gradient."""
    x = leaf(np.ones(size))
    loss = (x * x).sum()
    x.data = x.data - change
    with pytest.raises(BackwardError, match="input 0 of 'mul'"):
        loss.backward()


def test_data_of_another_shape_assigned_where_no_rule_reads_them_get_no_gradient_of_the_old_one():
    x = leaf(np.ones(3))
    loss = (x + 1).sum()
    x.data = np.ones((2, 3))
    with pytest.raises(ShapeError, match=re.escape("returned shape (3,), expected (2, 3)")):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize("before", [True, False], ids=["before the op", "after the op"])
def test_whole_numbers_assigned_to_a_parameter_do_not_round_its_gradient(before):
    x = leaf([1.0, 2.0])
    if before:
        x.data = np.array([3, 4])
    loss = ((x + 1.0) * 0.5).sum()
    x.data = np.array([3, 4])
    with pytest.raises(DTypeError, match=r"input 0 of 'add' was given data of dtype int64, which have no gradient"):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize(
    "key", [[0, 2], np.array([0, 2]), (np.array([0, 2]),), ([0, 2],), [[0, 2]], np.array([True, False, True])], ids=repr
)
def test_an_index_changed_afterwards_does_not_move_the_gradient(key):
    x = leaf([1.0, 2.0, 3.0])
    picked = x[key].sum()
    part = key[0] if len(key) == 1 else key
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


@pytest.mark.parametrize(
    ("value", "kind"), [([1.0, 2.0], "a list"), ("ab", "a str"), (None, "None"), (np.array([1j]), "dtype complex128")]
)
def test_a_value_that_is_no_array_of_real_numbers_names_the_op(value, kind):
    with pytest.raises(DTypeError, match=f"op 'odd' must return an array of real numbers as its value, got {kind}$"):
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
    message = f"the gradient rule of '<lambda>' for input 1 must return .* of shape \\(2,\\), got {kind}$"
    with pytest.raises(error, match=message) as caught:
        result.sum().backward()
    assert caught.type is error
    assert x.grad is None
    assert y.grad is None


@pytest.mark.parametrize("contribution", [3, np.int64(3), np.float64(3), np.array(3, dtype=np.float32)], ids=repr)
def test_a_number_that_a_rule_returns_takes_the_dtype_of_its_input(contribution):
    x = leaf(1.0)
    apply(lambda a: (a * 3, (lambda _: contribution,)), x).backward()
    assert (x.grad, x.grad.dtype, type(x.grad)) == (3, np.float64, np.ndarray)


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        (ops.cross_entropy, [np.eye(2), [0, 1]]),
        (ops.leaky_relu, [[1.0], 0.2]),
        (ops.weighted_distance, [np.eye(2), np.eye(2), np.eye(2), 0.25]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_option_of_an_op_given_as_an_input_is_refused(op, inputs):
    message = f"op '{op.__name__}' must return .* for each of its {len(inputs)} inputs.* it returned {len(inputs) - 1}"
    with pytest.raises(TypeError, match=message):
        apply(op, *map(Tensor, inputs))


def doubling(g):
    g *= 2
    return g


def test_a_rule_that_overwrites_g_is_named():
    x, y = leaf([1.0]), leaf([1.0])
    spoiling = apply(lambda a: (a * 2, (doubling,)), x)
    with pytest.raises(BackwardError, match="the gradient rule of '<lambda>' for input 0 changed g"):
        (spoiling + y).backward([1.0])


def test_an_op_that_writes_into_its_input_is_named():
    def halved(_, x):
        x /= 2
        return x, (abs, lambda g: g / 2)

    with pytest.raises(BackwardError, match=r"op 'halved' changed its input 1, of shape \(1,\)"):
        apply(halved, 5.0, leaf([1.0]))


@pytest.mark.parametrize("name", ["add", "exp"])
def test_an_op_that_wraps_one_of_the_library_is_watched_like_any_of_ones_own(name):
    @functools.wraps(getattr(ops, name))
    def greedy(x):
        x += 1
        return x, (abs,)

    @functools.wraps(getattr(ops, name))
    def summing(x):
        return x + 1, (lambda g: g.sum(),)

    @functools.wraps(getattr(ops, name))
    def spoiling(x):
        return x + 1, (doubling,)

    with pytest.raises(BackwardError, match="changed its input 0"):
        apply(greedy, leaf([1.0, 2.0]))
    with pytest.raises(ShapeError, match=re.escape("returned shape (), expected (2,)")):
        apply(summing, leaf([1.0, 2.0])).sum().backward()
    with pytest.raises(BackwardError, match="changed g"):
        apply(spoiling, leaf([1.0, 2.0])).backward([1.0, 1.0])


def test_an_op_put_in_the_place_of_one_of_the_library_is_watched(monkeypatch):
    def relu(x):
        return x * 2, (doubling,)

    monkeypatch.setattr(ops, "relu", relu)
    with pytest.raises(BackwardError, match="the gradient rule of 'relu' for input 0 changed g"):
        apply(ops.relu, leaf([1.0])).backward([1.0])


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_the_array_that_a_rule_writes_into_is_told(changed):
    def greedy(x, y):
        arrays = [x, y, x * y]

        def rule(g):
            arrays[changed] += 1
            return g

        return arrays[2], (rule, rule)

    named = ["input 0 of", "input 1 of", "the result of"][changed]
    with pytest.raises(BackwardError, match=f"^{named} 'greedy', of shape"):
        apply(greedy, leaf([1.0]), leaf([2.0])).backward()


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


@pytest.mark.parametrize("other", [0.1, np.float64(0.1), np.array(0.1)], ids=repr)
def test_a_number_is_compared_in_the_precision_of_the_tensor(other):
    assert (Tensor([0.1], dtype=np.float32) == other).data.tolist() == [True]


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


@pytest.mark.parametrize(
    ("assign", "other", "value", "gradient"),
    [
        (operator.iadd, 4, 10, 2),
        (operator.isub, 4, 2, 2),
        (operator.imul, 4, 24, 8),
        (operator.itruediv, 4, 1.5, 0.5),
        (operator.imatmul, [[4.0]], 24, 8),
        (operator.ipow, 2, 36, 24),
    ],
)
def test_augmented_assignment_makes_a_new_tensor_and_spares_parameters(assign, other, value, gradient):
    x = leaf([[3.0]])
    y = assign(x * 2, other)
    y.sum().backward()
    assert (y.data, x.grad) == (value, gradient)
    with pytest.raises(TypeError, match=r"leaves the parameter as it is.*w\.data \+= y"):
        assign(x, other)
    with no_grad(), pytest.raises(TypeError, match="leaves the parameter as it is"):
        assign(x, other)
    assert assign(Tensor([[3.0]]), other).op is None


def test_a_parameter_is_not_written_to_by_numpy_or_as_if_it_were_an_array():
    x = leaf([1.0])
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
