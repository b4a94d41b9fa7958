"""Watchers: what they see, when, and that nothing of them stays behind."""

import gc
import weakref

import numpy as np
import pytest

from tinydist import Tensor, apply, no_grad
from tinydist.errors import ShapeError
from tinydist.recording import keeping_gradients, watchers, watching


class Notebook:
    """Notes everything it is shown."""

    def __init__(self):
        self.ops = []
        self.steps = []

    def computed(self, op, inputs, result):
        self.ops.append((op, tuple(inputs), result))

    def pulled_back(self, tensor, gradient, contributions):
        self.steps.append((tensor, gradient, list(contributions), tensor.inputs))

    @property
    def names(self):
        return [op for op, _, _ in self.ops]


class Fussy(Notebook):
    """Refuses one op."""

    def computed(self, op, inputs, result):
        if op == "exp":
            raise ZeroDivisionError
        super().computed(op, inputs, result)


def leaf(data):
    return Tensor(data, requires_grad=True)


def test_a_watcher_sees_every_op_with_its_inputs_and_its_result():
    x, seen = leaf([1.0, -2.0]), Notebook()
    with watching(seen):
        y = x.abs()
        z = y * 3
    assert seen.names == ["abs", "mul"]
    (_, inputs, result), (_, (first, second), product) = seen.ops
    assert inputs == (x,)
    assert result is first is y
    assert second.data == 3
    assert product is z


def test_a_watcher_sees_ops_of_which_no_graph_is_kept():
    seen = Notebook()
    with watching(seen), no_grad():
        result = leaf([1.0]).exp()
        Tensor([2.0]).relu()
    assert seen.names == ["exp", "relu"]
    assert seen.ops[0][2] is result
    assert result.inputs == ()


def test_backward_is_shown_node_by_node_with_gradients_worked_out_by_hand():
    x, seen = leaf([1.0, -2.0]), Notebook()
    y = x * x
    loss = (y * np.array([3.0, 5.0])).sum()
    with watching(seen):
        loss.backward()
    tensors = [tensor for tensor, *_ in seen.steps]
    assert [tensor.op for tensor in tensors] == ["sum", "mul", "mul", None]
    assert tensors[2:] == [y, x]
    gradients = [gradient.tolist() for _, gradient, *_ in seen.steps]
    assert gradients == [1.0, [1, 1], [3, 5], [6, -20]]
    contributions = [[None if c is None else c.tolist() for c in given] for _, _, given, _ in seen.steps]
    assert contributions == [[[1, 1]], [[3, 5], None], [[3, -10], [3, -10]], []]


def test_a_node_is_shown_with_its_graph_even_if_backward_frees_it_next():
    seen = Notebook()
    loss = leaf([1.0, 2.0]).exp().sum()
    with watching(seen):
        loss.backward()
    assert [len(inputs) for *_, inputs in seen.steps] == [1, 1, 0]
    assert loss.inputs == ()


def test_nested_watchers_all_see_everything_inside_their_own_block():
    x, outer, inner = leaf(1.0), Notebook(), Notebook()
    with watching(outer):
        x.exp()
        with watching(inner):
            assert watchers() == (outer, inner)
            x.relu()
        x.abs()
    x.tanh()
    assert outer.names == ["exp", "relu", "abs"]
    assert inner.names == ["relu"]


def test_a_block_may_be_entered_again_and_inside_itself():
    x, seen = leaf(1.0), Notebook()
    with watching(seen):
        with watching(seen):
            x.exp()
        x.abs()
    with watching(seen):
        x.relu()
    assert seen.names == ["exp", "exp", "abs", "relu"]


def test_no_watcher_is_left_after_an_exception():
    def lopsided(x):
        return x + 1, (lambda _: np.ones(7),)

    def fail_in_forward():
        x.exp()

    def fail_in_backward():
        apply(lopsided, x).backward()

    x = leaf(1.0)
    for fail, error, watcher in [
        (fail_in_forward, ZeroDivisionError, Fussy()),
        (fail_in_backward, ShapeError, Notebook()),
    ]:
        with pytest.raises(error), watching(watcher):
            fail()
        assert watchers() == ()
        seen = len(watcher.ops), len(watcher.steps)
        (x * 2).backward()
        assert (len(watcher.ops), len(watcher.steps)) == seen


def test_an_exception_in_the_inner_block_leaves_the_outer_one():
    outer = Notebook()
    with watching(outer):
        with pytest.raises(ZeroDivisionError), watching(Fussy()):
            leaf(1.0).exp()
        assert watchers() == (outer,)


def test_neither_watcher_nor_tensors_are_kept_afterwards():
    class Bystander(Notebook):
        def computed(self, *_):
            pass

        def pulled_back(self, *_):
            pass

    watcher = Bystander()
    x = leaf([1.0, 2.0])
    with watching(watcher):
        middle = x.exp()
        middle.sum().backward()
    kept = weakref.ref(watcher), weakref.ref(middle)
    del watcher, middle
    gc.collect()
    assert [reference() for reference in kept] == [None, None]


def test_the_numbers_are_the_same_bits_whether_watched_or_not():
    data = np.random.default_rng(0).normal(size=(4, 3))
    gradients = []
    for watcher in (None, Notebook()):
        x = leaf(data)
        loss = (x @ data.T).abs().log_softmax().mean()
        if watcher:
            with watching(watcher):
                loss.backward()
        else:
            loss.backward()
        gradients.append(x.grad)
    assert gradients[0].tobytes() == gradients[1].tobytes()


def test_gradients_are_kept_also_when_the_block_fails():
    x, y = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    (x * 3.0).sum().backward()

    def fail_after_a_backward_pass():
        with keeping_gradients([x, y]):
            (x * y).sum().backward()
            np.testing.assert_array_equal(y.grad, [1.0, 2.0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_a_backward_pass()
    np.testing.assert_array_equal(x.grad, [3.0, 3.0])
    assert y.grad is None
