"""Exercise backward: the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.errors import BackwardError, GraphFreedError
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import raised
from tinydist.tensor import Tensor, topological_order


def check_backward(backward: Any) -> Iterator[Observation]:
    yield from _ask_for_gradients(backward)
    yield from _ask_about_the_graph(backward)


def _ask_for_gradients(backward: Any) -> Iterator[Observation]:
    """Yield observations of gradients; the truth is derived by hand."""
    x = Tensor([3.0], requires_grad=True)
    given: dict[str, Any] = {"x": x.data, "then": "x.backward(), on the leaf itself"}
    yield about_to_try(given)
    backward(x)
    yield Observation("x.grad", x.grad, np.array([1.0]), given)

    x = Tensor([3.0], requires_grad=True)
    given = {"x": x.data, "y": "x * 5", "then": "y.backward()"}
    yield about_to_try(given)
    backward(x * 5.0)
    yield Observation("x.grad", x.grad, np.array([5.0]), given)

    x = Tensor([3.0], requires_grad=True)
    given = {"x": x.data, "y": "x * x, in which x is used twice", "then": "y.backward()"}
    yield about_to_try(given)
    backward(x * x)
    yield Observation("x.grad", x.grad, np.array([6.0]), given)
    given = given | {"then": "y.backward(), and the same once more on a new y"}
    yield about_to_try(given)
    backward(x * x)
    yield Observation("x.grad, to which every pass adds", x.grad, np.array([12.0]), given)

    x = Tensor([0.5], requires_grad=True)
    middle = x * 2.0
    given = {"x": x.data, "middle": "2 x", "y": "middle * exp(middle)", "then": "y.backward()"}
    yield about_to_try(given)
    backward(middle * middle.exp())
    yield Observation("x.grad", x.grad, np.array([4 * np.e]), given)
    yield Observation("middle.grad, which only leaves have", str(middle.grad), "None", given)

    x, constant = Tensor([3.0], requires_grad=True), Tensor([7.0])
    given = {"x": x.data, "constant": "7, without requires_grad", "y": "x * constant", "then": "y.backward()"}
    yield about_to_try(given)
    backward(x * constant)
    yield Observation("the gradient of the constant", str(constant.grad), "None", given)

    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    given = {"a": a.data, "b": b.data, "y": "a + b", "then": "y.backward([10, 100])"}
    yield about_to_try(given)
    backward(a + b, np.array([10.0, 100.0]))
    yield Observation("a.grad", a.grad, np.array([10.0, 100.0]), given)
    yield Observation("b.grad", b.grad, np.array([10.0, 100.0]), given)
    shared = a.grad is not None and b.grad is not None and bool(np.shares_memory(a.grad, b.grad))
    yield Observation("whether a.grad and b.grad are one and the same array", shared, False, given)


def _ask_about_the_graph(backward: Any) -> Iterator[Observation]:
    x = Tensor([3.0], requires_grad=True)
    y = x * x
    given = {"y": "x * x", "then": "y.backward(retain_graph=True), then y.backward()"}
    yield about_to_try(given)
    backward(y, None, True)
    second = raised(lambda: backward(y), GraphFreedError)
    yield Observation("the error of the second pass", second, "no error", given)
    given = given | {"then": f"{given['then']}, then y.backward() a third time, when the graph is freed"}
    yield about_to_try(given)
    third = raised(lambda: backward(y), GraphFreedError)
    yield Observation("the error of the third pass", third, "GraphFreedError", given)

    given = {"y": "x + x, with two entries", "then": "y.backward() without a gradient (self._seed raises the error)"}
    yield about_to_try(given)
    pair = Tensor([1.0, 2.0], requires_grad=True)
    yield Observation("the error", raised(lambda: backward(pair + pair), BackwardError), "BackwardError", given)


def _backward(
    self: Tensor,
    gradient: Any,
    retain_graph: bool,
    *,
    accumulate: bool = True,
    add_to_grad: bool = True,
    copy: bool = True,
    free: bool = True,
    inputs_first: bool = False,
) -> None:
    """Run a backward pass from which one thing may be left out."""
    gradients = {id(self): self._seed(gradient)}
    order = topological_order(self)
    if any(tensor.op is not None and tensor._vjps is None for tensor in order):
        raise GraphFreedError
    for tensor in order if inputs_first else reversed(order):
        if id(tensor) not in gradients:
            continue
        g = gradients[id(tensor)]
        if tensor._vjps is None:
            tensor.grad = tensor.grad + g if tensor.grad is not None and add_to_grad else g.copy() if copy else g
            continue
        for parent, vjp in zip(tensor.inputs, tensor._vjps, strict=True):
            if parent.requires_grad:
                earlier = gradients.get(id(parent)) if accumulate else None
                gradients[id(parent)] = vjp(g) if earlier is None else earlier + vjp(g)
        if free and not retain_graph:
            tensor.inputs, tensor._vjps = (), None


def backward_overwriting(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, accumulate=False)


def backward_replacing_grad(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, add_to_grad=False)


def backward_sharing(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, copy=False)


def backward_never_freeing(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, free=False)


def backward_always_freeing(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:  # noqa: ARG001
    _backward(self, gradient, False)


def backward_inputs_first(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, inputs_first=True)


def backward_from_ones(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:  # noqa: ARG001
    _backward(self, np.ones_like(self.data), retain_graph)


BACKWARD = Exercise(
    name="backward",
    title="the backward pass",
    library=Tensor.backward,
    lesson="02_the_graph",
    task="""
    All of reverse-mode differentiation. Keep a table of gradients by id(tensor), start it with the seed of `self`,
    and visit the tensors from results to inputs. By then a tensor's gradient is complete. A leaf adds it to its
    .grad; any other tensor runs its rules on it and adds what they return to the gradients of its inputs.

    What you have: self._seed(gradient), the gradient to start with, checked; topological_order(self), inputs first;
    for each tensor .inputs and ._vjps, one rule for each input (._vjps is None for a leaf), .op (None for a leaf),
    .requires_grad and .grad (None at first).

    Look out: only inputs with requires_grad get a gradient. Afterwards the graph is freed, unless retain_graph:
    tensor.inputs, tensor._vjps = (), None. A tensor with an op but no rules was freed before: raise GraphFreedError.
    """,
    hints=(
        "A dictionary of gradients by id(tensor); for tensor in reversed(topological_order(self)).",
        "Two places add: a tensor used twice gets two contributions, and .grad keeps what earlier passes left there.",
        "Store g.copy() in .grad: the rule of a sum hands the same array to both of its inputs.",
    ),
    check=check_backward,
    mistakes=(
        Mistake(
            backward_overwriting,
            "A contribution was overwritten instead of accumulated. A tensor that is used twice receives two "
            "contributions to its gradient, and they add up.",
        ),
        Mistake(
            backward_replacing_grad,
            "The pass replaced .grad. It has to add to it, so that several losses can share parameters; forgetting the "
            "old gradient is the task of zero_grad.",
        ),
        Mistake(
            backward_inputs_first,
            "The tensors were visited from inputs to results. Gradients flow the other way: start at self.",
        ),
        Mistake(
            backward_sharing,
            "Two leaves share one gradient array, so a change of one would change the other. The rule of a sum hands "
            "its g to both inputs as it is; store a copy in .grad.",
        ),
        Mistake(
            backward_never_freeing, "The graph was not freed, so its arrays stay in memory. Do so after its rules ran."
        ),
        Mistake(backward_always_freeing, "The graph was freed although retain_graph=True asked to keep it."),
        Mistake(
            backward_from_ones,
            "The pass started from ones instead of the gradient it was given; start from self._seed(gradient).",
        ),
    ),
    gives=("GraphFreedError", "topological_order"),
)
