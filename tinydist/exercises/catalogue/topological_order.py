"""Exercise topological_order: the graph in the order in which the backward pass needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric, about_to_try
from tinydist.tensor import Tensor, concatenate
from tinydist.tensor import topological_order as library_order


def topological_order(root: Tensor) -> list[Tensor]:
    order = []
    seen = {id(root)}
    stack = [(root, iter(root.inputs))]
    while stack:
        tensor, remaining = stack[-1]
        for parent in remaining:
            if parent.requires_grad and id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, iter(parent.inputs)))
                break
        else:
            order.append(tensor)
            stack.pop()
    return order


DEPTH = 5000
"""Ops in a row; Python's own stack holds about a thousand calls."""

DOUBLINGS = 24
"""Doublings in a row: there are 2 to the power of so many ways from the last to the first."""

PATIENCE = 10_000
"""How often the inputs of these few tensors may be asked for."""

Graph = dict[str, Tensor]
"""Tensors by name, the root last; constants are not among them."""


def _parameter(value: float = 2.0) -> Tensor:
    return Tensor([value], requires_grad=True)


def _leaf() -> Graph:
    return {"x": _parameter()}


def _square() -> Graph:
    x = _parameter()
    return {"x": x, "square": x * x}


def _row() -> Graph:
    x = _parameter()
    square = x * x
    half = square * 0.5
    return {"x": x, "square": square, "half": half, "part": 0.3 * half}


def _constants() -> Graph:
    x, rest = _parameter(), Tensor([1.0]) + Tensor([2.0])
    left = rest * x
    return {"x": x, "left": left, "top": left + x.detach()}


def _shared() -> Graph:
    x, y = _parameter(), _parameter(3.0)
    left, right = x * y, y + 1.0
    return {"x": x, "y": y, "left": left, "right": right, "top": left * right}


def _shortcut(short_first: bool) -> Graph:
    x = _parameter()
    inner = x.exp()
    outer = inner.tanh()
    return {"x": x, "inner": inner, "outer": outer, "top": x * outer if short_first else outer * x}


def _shortcuts(short_first: bool) -> Graph:
    x = _parameter()
    a = x.exp()
    b = x * a if short_first else a * x
    c = a * b if short_first else b * a
    return {"x": x, "a": a, "b": b, "c": c, "top": x * c if short_first else c * x}


def _crossed() -> Graph:
    x, y = _parameter(), _parameter(3.0)
    a, b = x * y, y * x
    c, d = a * b, b * a
    return {"x": x, "y": y, "a": a, "b": b, "c": c, "d": d, "top": c + d}


def _joined() -> Graph:
    x, y, z = _parameter(), _parameter(3.0), _parameter(4.0)
    twice = z * 2.0
    return {"x": x, "y": y, "z": z, "twice": twice, "top": concatenate([x, y, z, twice])}


def _equal_values() -> Graph:
    x, y = _parameter(), _parameter()
    a, b = x * 1.0, y * 1.0
    return {"x": x, "y": y, "a": a, "b": b, "top": a * b}


def _drawn(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    tensors = [_parameter(), _parameter(3.0)]
    tensors.append(tensors[0] * tensors[1])
    for _ in range(12):
        pair = [tensors[-1], tensors[int(rng.integers(len(tensors)))]]
        left, right = pair if rng.integers(2) else pair[::-1]
        tensors.append(left * right)
    return {f"t{number}": tensor for number, tensor in enumerate(tensors)}


def ask(answer: Any, *, graph: str, build: Callable[[], Graph]) -> Iterator[Observation]:
    """Yield observations of the order of a graph that is asked for twice, and whether the graph stays as it was."""
    names = build()
    for why in ("", "the same graph once more"):
        given = ({"why": why} if why else {}) | {"graph": graph, "root": list(names)[-1]}
        before = [_looks(tensor) for tensor in names.values()]
        yield about_to_try(given)
        yield from _look(answer(names[given["root"]]), names, given)
        unchanged = [_looks(tensor) for tensor in names.values()] == before
        yield Observation("whether the graph is as it was", unchanged, True, given)


def _look(order: Any, names: Graph, given: dict[str, Any]) -> Iterator[Observation]:
    """Yield observations of an order; any is right in which inputs stand before results."""
    kind = "a list or a tuple" if isinstance(order, list | tuple) else f"a {type(order).__name__}"
    yield Observation("what comes back", kind, "a list or a tuple", given)
    name_of = {id(tensor): name for name, tensor in names.items()}
    received = [name_of.get(id(tensor)) or _stranger(tensor) for tensor in order]
    given["came back"] = ", ".join(received) or "nothing"
    yield Observation("the tensors that come back, sorted by name", sorted(received), sorted(names), given)
    if sorted(received) != sorted(names):
        return
    for name, tensor in names.items():
        for parent in tensor.inputs:
            if id(parent) in name_of:
                early = name_of[id(parent)]
                first = min(early, name, key=received.index)
                yield Observation(f"which of {early} and {name} comes first", first, early, given)


def _stranger(thing: Any) -> str:
    """Return in words what is not one of the tensors that should come back."""
    if not isinstance(thing, Tensor):
        return f"something of type {type(thing).__name__}"
    return "a tensor of another graph" if thing.requires_grad else "a constant"


def _looks(tensor: Tensor) -> tuple[Any, ...]:
    return [id(parent) for parent in tensor.inputs], tensor.requires_grad, tensor.op, tensor._vjps, tensor.grad


def other_roots(answer: Any) -> Iterator[Observation]:
    """Yield observations of three roots in one graph, one after the other."""
    names = _shared()
    for root, behind in (("top", list(names)), ("left", ["x", "y", "left"]), ("right", ["y", "right"])):
        given = {"why": "three roots, one after the other", "graph": SHARED, "root": root}
        yield about_to_try(given)
        yield from _look(answer(names[root]), {name: names[name] for name in behind}, given)


def deep(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph that is deeper than Python's own stack."""
    tensors = [_parameter()]
    for _ in range(DEPTH):
        tensors.append(tensors[-1] + 1.0)
    given = {"graph": f"{DEPTH} additions in a row", "root": "the last sum"}
    yield about_to_try(given)
    order = list(answer(tensors[-1]))
    yield Observation("how many tensors come back", len(order), DEPTH + 1, given)
    in_order = [id(tensor) for tensor in order] == [id(tensor) for tensor in tensors]
    yield Observation("whether each comes after its input", in_order, True, given)


class _Counted(Tensor):
    """A tensor that counts how often its inputs, and those of others of its kind, are asked for."""

    __slots__ = ("behind",)
    asked = 0

    def __init__(self, *inputs: Tensor) -> None:
        super().__init__([1.0], requires_grad=True)
        self.behind = inputs
        self.op = "add" if inputs else None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Return the inputs.

        Raises:
            RuntimeError: if this has been asked for too often.
        """
        _Counted.asked += 1
        if _Counted.asked > PATIENCE:
            raise RuntimeError(f"the inputs of {DOUBLINGS + 1} tensors have been asked for {PATIENCE} times")
        return self.behind

    @inputs.setter
    def inputs(self, inputs: tuple[Tensor, ...]) -> None:
        self.behind = inputs


def doublings(answer: Any) -> Iterator[Observation]:
    """Yield observations of a graph in which there are too many ways to walk each of them."""
    _Counted.asked = 0
    tensors: list[Tensor] = [_Counted()]
    for _ in range(DOUBLINGS):
        tensors.append(_Counted(tensors[-1], tensors[-1]))
    given = {"graph": f"x is doubled {DOUBLINGS} times: y = x + x, z = y + y, ...", "root": "the last sum"}
    yield about_to_try(given)
    order = list(answer(tensors[-1]))
    yield Observation("how many tensors come back", len(order), DOUBLINGS + 1, given)
    in_order = [id(tensor) for tensor in order] == [id(tensor) for tensor in tensors]
    yield Observation("whether each comes after its input", in_order, True, given)


SHARED = "left = x * y; right = y + 1; top = left * right"

CASES: tuple[Case, ...] = (
    partial(ask, graph="x alone, which nothing was computed from", build=_leaf),
    partial(ask, graph="square = x * x", build=_square),
    partial(ask, graph="square = x * x; half = square * 0.5; part = 0.3 * half", build=_row),
    partial(ask, graph="left = (1 + 2) * x; top = left + x.detach()", build=_constants),
    partial(ask, graph=SHARED, build=_shared),
    partial(
        ask, graph="inner = exp(x); outer = tanh(inner); top = x * outer", build=partial(_shortcut, short_first=True)
    ),
    partial(
        ask, graph="inner = exp(x); outer = tanh(inner); top = outer * x", build=partial(_shortcut, short_first=False)
    ),
    partial(ask, graph="a = exp(x); b = x * a; c = a * b; top = x * c", build=partial(_shortcuts, short_first=True)),
    partial(ask, graph="a = exp(x); b = a * x; c = b * a; top = c * x", build=partial(_shortcuts, short_first=False)),
    partial(ask, graph="a = x * y; b = y * x; c = a * b; d = b * a; top = c + d", build=_crossed),
    partial(ask, graph="twice = z * 2; top = concatenate([x, y, z, twice])", build=_joined),
    partial(ask, graph="x and y, both 2; a = x * 1; b = y * 1; top = a * b", build=_equal_values),
    *(
        partial(ask, graph="each tensor is the one before times another one", build=partial(_drawn, seed=seed))
        for seed in range(5)
    ),
    other_roots,
    doublings,
    deep,
)


def order_results_first(root: Tensor) -> list[Tensor]:
    return topological_order(root)[::-1]


def order_by_recursion(root: Tensor) -> list[Tensor]:
    order: list[Tensor] = []
    seen: set[int] = set()

    def visit(tensor: Tensor) -> None:
        if id(tensor) not in seen and tensor.requires_grad:
            seen.add(id(tensor))
            for parent in tensor.inputs:
                visit(parent)
            order.append(tensor)

    visit(root)
    return order


def order_visiting_twice(root: Tensor) -> list[Tensor]:
    before = [tensor for parent in root.inputs if parent.requires_grad for tensor in order_visiting_twice(parent)]
    return [*before, root]


def order_with_constants(root: Tensor) -> list[Tensor]:
    return _by_pairs(root, lambda tensor: True)  # noqa: ARG005


def order_without_leaves(root: Tensor) -> list[Tensor]:
    return _by_pairs(root, lambda tensor: tensor.op is not None and tensor.requires_grad)


def _by_pairs(root: Tensor, wanted: Callable[[Tensor], bool]) -> list[Tensor]:
    """Return the wanted tensors; the stack holds pairs of a tensor and whether all behind it is done."""
    order: list[Tensor] = []
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        tensor, done = stack.pop()
        if done:
            order.append(tensor)
        elif wanted(tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            stack += [(tensor, True), *((parent, False) for parent in tensor.inputs)]
    return order


def order_by_distance(root: Tensor) -> list[Tensor]:
    order = [root]
    seen = {id(root)}
    for tensor in order:  # which grows meanwhile
        for parent in tensor.inputs:
            if parent.requires_grad and id(parent) not in seen:
                seen.add(id(parent))
                order.append(parent)
    return order[::-1]


def order_without_the_root(root: Tensor) -> list[Tensor]:
    return topological_order(root)[:-1]


def order_marking_too_early(root: Tensor) -> list[Tensor]:
    order: list[Tensor] = []
    seen = {id(root)}
    stack = [(root, False)]
    while stack:
        tensor, ready = stack.pop()
        if ready:
            order.append(tensor)
            continue
        stack.append((tensor, True))
        for parent in tensor.inputs:
            if parent.requires_grad and id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, False))
    return order


RUBRIC = Rubric(
    library=library_order,
    solution=topological_order,
    cases=CASES,
    mistakes=(
        Mistake(order_without_the_root, "root itself is missing. It belongs to the list, at the end."),
        Mistake(
            order_visiting_twice,
            "A tensor that is used twice is visited twice. Remember which ones have been seen; otherwise its gradient "
            "would be sent on twice, and a graph of forty doublings would take 2 to the power of 40 visits.",
        ),
        Mistake(order_results_first, "The order is the wrong way round: inputs come first, root comes last."),
        Mistake(
            order_with_constants,
            "Constants are in the list. Follow only inputs with requires_grad: to others no gradient flows.",
        ),
        Mistake(
            order_without_leaves,
            "The leaves are missing: tensors that were computed from nothing, but require a gradient. Theirs is the "
            "gradient that all this is for.",
        ),
        Mistake(
            order_by_distance,
            "This sorts by distance from the root (breadth first). With a shortcut in the graph, as in x * f(x), a "
            "tensor close to the root may still be an input of one farther away. Walk depth first.",
        ),
        Mistake(
            order_by_recursion,
            "The order is right, but the walk calls itself once for every op in a row, and Python allows only about a "
            "thousand nested calls. Keep a stack of your own: a list of (tensor, iterator over its inputs).",
        ),
        Mistake(
            order_marking_too_early,
            "A tensor is marked as seen when it is put on the stack, which may be long before its turn: another one "
            "that needs it, too, then finds it marked and is appended first. Mark a tensor when its turn has come.",
        ),
    ),
)
