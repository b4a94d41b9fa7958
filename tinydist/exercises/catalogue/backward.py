"""Exercise backward: the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import BackwardError, GraphFreedError, ShapeError
from tinydist.exercises.probes import kept, raised
from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric, about_to_try
from tinydist.tensor import Tensor, concatenate, topological_order

Array = NDArray[Any]


def backward(self: Tensor, gradient: ArrayLike | None = None, retain_graph: bool = False) -> None:
    gradients = {id(self): self._seed(gradient)}
    for tensor in reversed(topological_order(self)):
        g = gradients[id(tensor)]
        if tensor.op is None:
            tensor.grad = g.copy() if tensor.grad is None else tensor.grad + g
            continue
        if tensor._vjps is None:
            raise GraphFreedError(f"an earlier backward pass has freed the graph at op '{tensor.op}'")
        for position, parent in enumerate(tensor.inputs):
            if parent.requires_grad:
                gradients[id(parent)] = gradients.get(id(parent), 0) + tensor._vjps[position](g)
        if not retain_graph:
            tensor.inputs, tensor._vjps = (), None


DEPTH = 3000
"""Ops in a row; Python's own stack holds about a thousand calls."""

DOUBLINGS = 24
"""Doublings in a row: there are 2 to the power of so many ways from the last to the first."""

PATIENCE = 10_000
"""How often the rules of so few ops may be called."""


def _leaf(*values: float, dtype: type = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def ask(
    answer: Any,
    *,
    formula: str,
    leaves: Mapping[str, Tensor],
    compute: Callable[..., Tensor],
    expected: Mapping[str, ArrayLike],
    gradient: ArrayLike | None = None,
    why: str = "",
    passes: int = 1,
) -> Iterator[Observation]:
    """Yield observations of the gradients of leaves, and of what must stay as it was.

    Args:
        answer: the function under check.
        formula: of what is computed, in words.
        leaves: tensors by name, of which fresh ones with the same data are made.
        compute: takes the leaves and returns the tensor on which the pass is run.
        expected: gradients by name of the leaf.
        gradient: to start with.
        why: why this is tried.
        passes: how often all this is computed and passed through.
    """
    fresh = {name: Tensor(leaf.data.copy(), leaf.requires_grad) for name, leaf in leaves.items()}
    start = kept(gradient)
    call = "y.backward()" if gradient is None else f"y.backward({np.asarray(gradient).tolist()})"
    given: dict[str, Any] = {"why": why} if why else {}
    given |= {name: leaf.data for name, leaf in leaves.items()}
    given |= {"y": formula, "then": call + (", and all this once more" if passes > 1 else "")}
    yield about_to_try(given)
    for _ in range(passes):
        y = compute(*fresh.values())
        before = y.data.copy()
        answer(y, start)
        yield Observation("y itself, which must stay as it was", y.data.copy(), before, given)
    for name, leaf in fresh.items():
        if name in expected:
            truth = np.array(expected[name], leaf.dtype)
            yield Observation(f"the gradient {name}.grad", kept(leaf.grad), truth, given)
        else:
            yield Observation(f"the gradient {name}.grad, where there should be none", str(leaf.grad), "None", given)
        yield Observation(f"{name} itself, which must stay as it was", leaf.data, leaves[name].data, given)
    if gradient is not None:
        yield Observation("the gradient given, which must stay as it was", start, gradient, given)
    if isinstance(start, np.ndarray):
        for name, leaf in fresh.items():
            shared = leaf.grad is not None and np.shares_memory(leaf.grad, start)
            yield Observation(f"whether {name}.grad is the array that was given", bool(shared), False, given)


def added_to_an_earlier_gradient(answer: Any) -> Iterator[Observation]:
    """Yield observations of a leaf that has a gradient from somewhere else."""
    x = _leaf(3.0)
    x.grad = np.array([100.0])
    given = {"x": x.data, "x.grad": "100, from an earlier pass", "y": "x * 5", "then": "y.backward()"}
    yield about_to_try(given)
    answer(x * 5.0)
    yield Observation("the gradient x.grad, to which every pass adds", kept(x.grad), np.array([105.0]), given)


def leaves_only(answer: Any) -> Iterator[Observation]:
    """Yield observations of the tensors between the leaf and the result, with and without retain_graph."""
    for retain_graph in (False, True):
        x = _leaf(0.5)
        middle = x * 2.0
        y = middle.exp()
        given = {"x": x.data, "middle": "2 x", "y": "exp(middle)", "then": f"y.backward(retain_graph={retain_graph})"}
        yield about_to_try(given)
        answer(y, retain_graph=retain_graph)
        yield Observation("middle.grad, which only leaves have", str(middle.grad), "None", given)
        yield Observation("y.grad, which only leaves have", str(y.grad), "None", given)


def apart(answer: Any) -> Iterator[Observation]:
    """Yield observations of two leaves that receive the same gradient."""
    a, b = _leaf(1.0, 2.0), _leaf(3.0, 4.0)
    given = {"a": a.data, "b": b.data, "y": "a + b", "then": "y.backward([10, 100])"}
    yield about_to_try(given)
    answer(a + b, np.array([10.0, 100.0]))
    shared = a.grad is not None and b.grad is not None and bool(np.shares_memory(a.grad, b.grad))
    yield Observation("whether a.grad and b.grad are one and the same array", shared, False, given)


def freeing(answer: Any) -> Iterator[Observation]:
    """Yield observations of what is left of the graph, and of a pass through what is not."""
    x = _leaf(3.0)
    names = {"a": x * 2.0}
    names["b"] = names["a"] * x
    names["y"] = names["b"].exp()
    given = {"x": x.data, "a": "2 x", "b": "a * x", "y": "exp(b)", "then": "y.backward()"}
    yield about_to_try(given)
    answer(names["y"])
    for name, tensor in names.items():
        yield Observation(f"how many inputs {name} has afterwards", len(tensor.inputs), 0, given)
        rules = "none" if tensor._vjps is None else "still there"
        yield Observation(f"the rules of {name} afterwards", rules, "none", given)
    given = given | {"then": "y.backward(), and once more, when the graph is freed"}
    yield about_to_try(given)
    error = raised(lambda: answer(names["y"]), GraphFreedError)
    yield Observation("the error of the second pass", error, "GraphFreedError", given)


def freed_further_back(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph of which another pass has freed a part."""
    x = _leaf(3.0)
    middle = x * x
    y, z = middle * 2.0, middle.exp()
    given = {"middle": "x * x", "y": "middle * 2", "z": "exp(middle)"}
    given["then"] = "y.backward(), which frees middle, then z.backward()"
    yield about_to_try(given)
    answer(y)
    error = raised(lambda: answer(z), GraphFreedError)
    yield Observation("the error of the second pass", error, "GraphFreedError", given)


def retaining(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph that is kept for a second pass."""
    x = _leaf(3.0)
    middle = x * 2.0
    y = middle * x
    given = {"x": x.data, "middle": "2 x", "y": "middle * x"}
    given["then"] = "y.backward(retain_graph=True), then y.backward()"
    yield about_to_try(given)
    answer(y, retain_graph=True)
    yield Observation("the gradient x.grad after the first pass", kept(x.grad), np.array([12.0]), given)
    for name, tensor in {"middle": middle, "y": y}.items():
        there = len(tensor.inputs) == 2 and tensor._vjps is not None
        yield Observation(f"whether {name} still has its inputs and rules after the first pass", there, True, given)
    second = raised(lambda: answer(y), GraphFreedError)
    yield Observation("the error of the second pass", second, "no error", given)
    yield Observation("the gradient x.grad after the second pass", kept(x.grad), np.array([24.0]), given)
    given = given | {"then": f"{given['then']}, then y.backward() a third time, when the graph is freed"}
    yield about_to_try(given)
    third = raised(lambda: answer(y), GraphFreedError)
    yield Observation("the error of the third pass", third, "GraphFreedError", given)


def refusing(answer: Any) -> Iterator[Observation]:
    """Yield observations of calls that `_seed` refuses."""
    calls: tuple[tuple[str, Callable[[], Tensor], Any, type[Exception]], ...] = (
        ("x + x, with two entries", lambda: _leaf(1.0, 2.0) + _leaf(1.0, 2.0), None, BackwardError),
        ("1 + 1, which needs no gradient", lambda: Tensor([1.0]) + Tensor([1.0]), None, BackwardError),
        ("x + x, with two entries", lambda: _leaf(1.0, 2.0) + _leaf(1.0, 2.0), np.ones(3), ShapeError),
    )
    for formula, compute, gradient, error in calls:
        then = "y.backward()" if gradient is None else "y.backward(an array of shape (3,))"
        given = {"y": formula, "then": f"{then} (self._seed raises the error)"}
        yield about_to_try(given)
        received = raised(partial(answer, compute(), gradient), error)
        yield Observation("the error", received, error.__name__, given)


def constants_left_alone(answer: Any) -> Iterator[Observation]:
    """Yield observations of whether the rule for a constant is called."""
    for constant_first in (False, True):
        x, constant = _leaf(3.0), Tensor([7.0])
        y = constant * x if constant_first else x * constant
        called: list[str] = []

        def rule(g: Array, called: list[str] = called) -> Array:
            called.append("called")
            return g

        of_x = (y._vjps or ())[int(constant_first)]
        y._vjps = (rule, of_x) if constant_first else (of_x, rule)
        given = {"x": x.data, "constant": "7, without requires_grad", "then": "y.backward()"}
        given["y"] = "constant * x" if constant_first else "x * constant"
        yield about_to_try(given)
        answer(y)
        yield Observation("whether the rule for the constant was called", bool(called), False, given)


def each_rule_once(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph in which there are too many ways to go back on each of them."""
    x = _leaf(1.0)
    calls: list[int] = []

    def counted(position: int, rule: Callable[[Array], Array]) -> Callable[[Array], Array]:
        def call(g: Array) -> Array:
            calls.append(position)
            if len(calls) > PATIENCE:
                raise RuntimeError(f"the rules of {DOUBLINGS} additions have been called {PATIENCE} times")
            return rule(g)

        return call

    y = x
    for position in range(DOUBLINGS):
        y = y + y
        left, right = y._vjps or ()
        y._vjps = (counted(2 * position, left), counted(2 * position + 1, right))
    given = {"x": x.data, "y": f"x, doubled {DOUBLINGS} times: a = x + x, b = a + a, ...", "then": "y.backward()"}
    yield about_to_try(given)
    answer(y)
    yield Observation("the gradient x.grad", kept(x.grad), np.array([2.0**DOUBLINGS]), given)
    each_once = sorted(calls) == list(range(2 * DOUBLINGS))
    yield Observation("whether each rule was called once", each_once, True, given)


def deep(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph that is deeper than Python's own stack."""
    x = _leaf(1.0)
    y = x
    for _ in range(DEPTH):
        y = y + 1.0
    given = {"x": x.data, "y": f"x, to which 1 is added {DEPTH} times", "then": "y.backward()"}
    yield about_to_try(given)
    answer(y)
    yield Observation("the gradient x.grad", kept(x.grad), np.array([1.0]), given)


THREE, HALF = {"x": _leaf(3.0)}, {"x": _leaf(0.5)}
CONSTANT = {"constant": Tensor([7.0])}
TWO = {"a": _leaf(1.0, 2.0), "b": _leaf(3.0, 4.0)}
NARROW = {name: Tensor(leaf.data.astype(np.float32), requires_grad=True) for name, leaf in TWO.items()}
LEFT = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
RIGHT = np.array([[2.0, 1.0], [-1.0, 3.0], [0.5, -2.0]])
MATRICES = {"a": Tensor(LEFT, requires_grad=True), "b": Tensor(RIGHT, requires_grad=True)}
PARTS = {"a": _leaf(1.0), "b": _leaf(2.0, 3.0), "c": _leaf(4.0)}
ONES = np.ones((2, 2))
G = np.array([10.0, -100.0])


def tried(
    formula: str,
    leaves: Mapping[str, Tensor],
    compute: Callable[..., Tensor],
    expected: Mapping[str, ArrayLike],
    **options: Any,
) -> Case:
    """Return a case of :func:`ask`."""
    return partial(ask, formula=formula, leaves=leaves, compute=compute, expected=expected, **options)


SHORT, TWICE = "a is needed sooner and later on the way back", "what arrives at both may be one and the same array"

CASES = (
    tried("x, the leaf itself", THREE, lambda x: x, {"x": [1.0]}),
    tried("x * 5", THREE, lambda x: x * 5.0, {"x": [5.0]}),
    tried("x * -5", THREE, lambda x: x * -5.0, {"x": [-5.0]}),
    tried("x * 0", THREE, lambda x: x * 0.0, {"x": [0.0]}, why="a gradient of 0 is one, too"),
    tried("x * x", THREE, lambda x: x * x, {"x": [6.0]}, why="x is used twice"),
    tried("x * x", {"x": Tensor(3.0, requires_grad=True)}, lambda x: x * x, {"x": 6.0}, why="x has no axes"),
    tried("x * x", THREE, lambda x: x * x, {"x": [12.0]}, passes=2, why="every pass adds to x.grad"),
    tried("x, the leaf itself", THREE, lambda x: x, {"x": [2.0]}, passes=2, why="every pass adds to x.grad"),
    added_to_an_earlier_gradient,
    tried("x * constant", THREE | CONSTANT, lambda x, constant: x * constant, {"x": [7.0]}),
    tried("constant * x", CONSTANT | THREE, lambda constant, x: constant * x, {"x": [7.0]}),
    constants_left_alone,
    leaves_only,
    tried("a * exp(a), where a = 2 x", HALF, lambda x: (a := x * 2.0) * a.exp(), {"x": [4 * np.e]}, why=SHORT),
    tried("exp(a) * a, where a = 2 x", HALF, lambda x: (a := x * 2.0).exp() * a, {"x": [4 * np.e]}, why=SHORT),
    tried(
        "(b * a) * b, where b = a * a and a = 2 x",
        HALF,
        lambda x: ((b := (a := x * 2.0) * a) * a) * b,
        {"x": [10.0]},
        why="the slope of 32 x⁵",
    ),
    tried(
        "b * (a * b), where b = a * a and a = 2 x",
        HALF,
        lambda x: (b := (a := x * 2.0) * a) * (a * b),
        {"x": [10.0]},
        why="the slope of 32 x⁵",
    ),
    tried("a + b", TWO, lambda a, b: a + b, {"a": G, "b": G}, gradient=G),
    tried("a + b", TWO, lambda a, b: a + b, {"a": 2 * G, "b": 2 * G}, gradient=G, passes=2),
    tried("a + b", TWO, lambda a, b: a + b, {"a": G, "b": G}, gradient=[10.0, -100.0], why="a list of numbers"),
    tried("a * b", TWO, lambda a, b: a * b, {"a": [30.0, -400.0], "b": [10.0, -200.0]}, gradient=G),
    tried("a, the leaf itself", TWO, lambda a, _: a, {"a": G}, gradient=G, why="b has no part in it"),
    tried("a * b", NARROW, lambda a, b: a * b, {"a": [30.0, -400.0], "b": [10.0, -200.0]}, gradient=G, why="float32"),
    apart,
    tried("(a + b) + 3 a", TWO, lambda a, b: (a + b) + a * 3.0, {"a": 4 * G, "b": G}, gradient=G, why=TWICE),
    tried("3 a + (a + b)", TWO, lambda a, b: a * 3.0 + (a + b), {"a": 4 * G, "b": G}, gradient=G, why=TWICE),
    tried("(a + b) + a", TWO, lambda a, b: (a + b) + a, {"a": 2 * G, "b": G}, gradient=G, why=TWICE),
    tried("a + (b + a)", TWO, lambda a, b: a + (b + a), {"a": 2 * G, "b": G}, gradient=G, why=TWICE),
    tried(
        "c + 2 c, where c = a + b",
        TWO,
        lambda a, b: (c := a + b) + c * 2.0,
        {"a": 3 * G, "b": 3 * G},
        gradient=G,
        why=TWICE,
    ),
    tried(
        "sum(a) + sum(2 a)",
        TWO,
        lambda a, _: a.sum() + (a * 2.0).sum(),
        {"a": [3.0, 3.0]},
        why="the rule of a sum hands on arrays that cannot be written to",
    ),
    tried("sum(a @ b)", MATRICES, lambda a, b: (a @ b).sum(), {"a": ONES @ RIGHT.T, "b": LEFT.T @ ONES}),
    tried(
        "concatenate([a, b, c])",
        PARTS,
        lambda a, b, c: concatenate([a, b, c]),
        {"a": [1.0], "b": [-2.0, 3.0], "c": [40.0]},
        gradient=np.array([1.0, -2.0, 3.0, 40.0]),
        why="an op with three inputs",
    ),
    freeing,
    freed_further_back,
    retaining,
    refusing,
    each_rule_once,
    deep,
)


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
    in_place: bool = False,
    leaves_only: bool = True,
    self_only: bool = False,
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
        if tensor.op is None or not leaves_only:
            tensor.grad = tensor.grad + g if tensor.grad is not None and add_to_grad else g.copy() if copy else g
        for parent, vjp in zip(tensor.inputs, tensor._vjps or (), strict=True):
            if parent.requires_grad:
                contribution = vjp(g)
                if id(parent) not in gradients or not accumulate:
                    gradients[id(parent)] = contribution
                elif in_place:
                    gradients[id(parent)] += contribution
                else:
                    gradients[id(parent)] = gradients[id(parent)] + contribution
        if free and not retain_graph and (tensor is self or not self_only):
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


def backward_in_place(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, in_place=True)


def backward_giving_all_a_grad(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, leaves_only=False)


def backward_freeing_self_only(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    _backward(self, gradient, retain_graph, self_only=True)


def backward_by_every_way(self: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    def send(tensor: Tensor, g: Array) -> None:
        if tensor.op is None:
            tensor.grad = g.copy() if tensor.grad is None else tensor.grad + g
            return
        if tensor._vjps is None:
            raise GraphFreedError
        for parent, rule in zip(tensor.inputs, tensor._vjps, strict=True):
            if parent.requires_grad:
                send(parent, rule(g))

    send(self, self._seed(gradient))
    if not retain_graph:
        for tensor in topological_order(self):
            tensor.inputs, tensor._vjps = (), None


RUBRIC = Rubric(
    library=Tensor.backward,
    solution=backward,
    cases=CASES,
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
        Mistake(
            backward_in_place,
            "A contribution was added in place (+=) to an array that a rule had returned. The rule of a sum hands the "
            "same array to both of its inputs, so the gradient of the other one changed as well. Make a new array: "
            "earlier + contribution.",
        ),
        Mistake(
            backward_giving_all_a_grad,
            "Every tensor on the way got a .grad. Only leaves keep theirs; what passes through the others is only "
            "needed until their rules have run.",
        ),
        Mistake(
            backward_freeing_self_only,
            "Only self was freed. The tensors behind it still hold their rules, and these hold arrays: free each.",
        ),
        Mistake(
            backward_by_every_way,
            "The sums are right, but every way through the graph is walked by itself, and there may be 2 to the power "
            "of its depth. Wait until the gradient of a tensor is complete, then run its rules once: in the order of "
            "reversed(topological_order(self)) it is.",
        ),
    ),
    gives=("GraphFreedError", "topological_order"),
)
