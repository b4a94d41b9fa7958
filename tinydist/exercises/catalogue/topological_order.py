"""Exercise topological_order: the graph in the order in which the backward pass needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.tensor import Tensor, topological_order

DEPTH = 5000
"""Ops in a row; Python's own stack holds about a thousand calls."""


def check_topological_order(order_of: Any) -> Iterator[Observation]:
    x, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    yield from _ask_order(order_of, "x alone, which nothing was computed from", {"x": x})
    square = x * x
    yield from _ask_order(order_of, "square = x * x", {"x": x, "square": square})
    half = square * 0.5
    yield from _ask_order(order_of, "square = x * x; half = square * 0.5", {"x": x, "square": square, "half": half})
    left, right = x * y, y + 1.0
    top = left * right
    names = {"x": x, "y": y, "left": left, "right": right, "top": top}
    yield from _ask_order(order_of, "left = x * y; right = y + 1; top = left * right", names)
    inner = x.exp()
    outer = inner.tanh()
    skip = x * outer
    names = {"x": x, "inner": inner, "outer": outer, "skip": skip}
    yield from _ask_order(order_of, "inner = exp(x); outer = tanh(inner); skip = x * outer", names)
    deep, given = x, {"graph": f"{DEPTH} additions in a row"}
    for _ in range(DEPTH):
        deep = deep + 1.0
    yield about_to_try(given)
    yield Observation("how many tensors come back", len(order_of(deep)), DEPTH + 1, given)


def _ask_order(order_of: Any, graph: str, names: dict[str, Tensor]) -> Iterator[Observation]:
    """Yield observations of an order; any is right in which inputs stand before results."""
    name_of = {id(tensor): name for name, tensor in names.items()}
    given = {"graph": graph, "root": list(names)[-1]}
    yield about_to_try(given)
    order = order_of(names[given["root"]])
    if not isinstance(order, list):
        yield Observation("what comes back", f"a {type(order).__name__}", "a list of tensors", given)
    received = [name_of.get(id(tensor), "a constant") for tensor in order]
    given["came back"] = ", ".join(received) or "nothing"
    yield Observation("the tensors in the list, sorted by name", sorted(received), sorted(names), given)
    for tensor in names.values():
        for parent in tensor.inputs:
            if id(parent) in name_of:
                early, late = name_of[id(parent)], name_of[id(tensor)]
                first = early if received.index(early) < received.index(late) else late
                yield Observation(f"which of {early} and {late} comes first", first, early, given)


def order_results_first(root: Tensor) -> list[Tensor]:
    return order_by_recursion(root)[::-1]


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
    order: list[Tensor] = []
    seen: set[int] = set()

    def visit(tensor: Tensor) -> None:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            for parent in tensor.inputs:
                visit(parent)
            order.append(tensor)

    visit(root)
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
    return order_by_recursion(root)[:-1]


TOPOLOGICAL_ORDER = Exercise(
    name="topological_order",
    title="the graph, inputs before results",
    library=topological_order,
    lesson="02_the_graph",
    task="""
    tensor.inputs are the tensors that it was computed from (none for a leaf), tensor.requires_grad says whether
    gradients flow to it. List all tensors that need a gradient and that root was computed from, root included; each
    once, and each after all of its own inputs.

    Look out: a tensor may be reached in several ways, and may be far away: Python allows about a thousand nested
    calls, a deep graph needs more.
    """,
    hints=(
        "A tensor may be appended when all of its inputs have been: a depth-first walk that appends on the way out.",
        "Write it as a recursive function first. Keep the ids of visited tensors in a set.",
        "Then replace the calls by a stack of pairs (tensor, iterator over its inputs): take the next input from the "
        "last pair and push it; when there is none left, append the tensor and pop the pair.",
    ),
    check=check_topological_order,
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
            order_by_distance,
            "This sorts by distance from the root (breadth first). With a shortcut in the graph, as in x * f(x), a "
            "tensor close to the root may still be an input of one farther away. Walk depth first.",
        ),
        Mistake(
            order_by_recursion,
            "The order is right, but the walk calls itself once for every op in a row, and Python allows only about a "
            "thousand nested calls. Keep a stack of your own: a list of (tensor, iterator over its inputs).",
        ),
    ),
)
