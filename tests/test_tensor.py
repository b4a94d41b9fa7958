"""Tensors: what they hold, what ops do to them, and the backward pass."""

import functools
import re
import weakref

import numpy as np
import pytest

from tinydist import Tensor, apply, concatenate, no_grad
from tinydist.errors import BackwardError, DTypeError, GraphFreedError, ShapeError


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

    message = "the gradient rule of 'lopsided' returned shape (2, 3) for an input of shape (3,)"
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
        TypeError, match=r"op 'mistaken' must return \(value, vjps\) with one vjp for each of its 1 inputs"
    ):
        apply(mistaken, leaf([1.0, 2.0]))


def test_an_op_without_a_name_is_fine():
    x = leaf([1.0, 2.0])
    apply(functools.partial(lambda y, k: (k * y, (lambda g: k * g,)), k=3.0), x).backward([1.0, 1.0])
    assert x.grad.tolist() == [3.0, 3.0]
