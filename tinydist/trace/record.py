"""The record of one backward pass, node by node."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.nn import Module, Sequential
from tinydist.ops.table import OPS
from tinydist.recording import Watcher, keeping_gradients, watching
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor, topological_order
from tinydist.trace.blame import NOBODY, blame, merge

Array = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One node of the graph in a backward pass.

    Attributes:
        name: the node's name: of the layer or parameter if known, else the op's name, numbered if there are several.
        op: name of the op that computed it; None for a leaf, such as a parameter.
        rule: the op's gradient rule in words; g is the gradient that comes in.
        value: a copy of what the op computed; for a leaf, of its data.
        gradient: the gradient that came in: of the loss with respect to `value`.
        inputs: names of the op's inputs, "constant" for one that needs no gradient.
        contributions: the gradient that went out to each input, None for a constant.
        zeroed_by: for each node that zeroed entries of `gradient`, the share of all entries that it zeroed. A node
            that names itself is where non-zero contributions met and cancelled, or where backward started with 0.
    """

    name: str
    op: str | None
    rule: str
    value: Array
    gradient: Array
    inputs: tuple[str, ...]
    contributions: tuple[Array | None, ...]
    zeroed_by: dict[str, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the value."""
        return self.value.shape

    @property
    def size_in_words(self) -> str:
        """Return the shape, such as "3×4" or "number"."""
        return "×".join(map(str, self.shape)) or "number"

    @property
    def range_in_words(self) -> str:
        """Return the value if it is one number, else its smallest and its largest entry."""
        if self.value.size == 0:
            return "empty"
        low, high = self.value.min(), self.value.max()
        return f"{low:.3g}" if self.value.size == 1 else f"{low:.3g} … {high:.3g}"

    @property
    def norm(self) -> float:
        """Return the Euclidean length of the gradient that came in."""
        return float(np.linalg.norm(self.gradient))

    @property
    def zero_share(self) -> float:
        """Return the share of the entries of the gradient that are exactly zero; 0 if it has none."""
        return float(np.mean(self.gradient == 0)) if self.gradient.size else 0.0


@dataclass(frozen=True)
class Trace:
    """The steps of one backward pass, from the output back to the parameters."""

    steps: tuple[Step, ...]

    @property
    def names(self) -> list[str]:
        """Return the names of the steps, from the output back."""
        return [step.name for step in self.steps]

    def __getitem__(self, name: str) -> Step:
        """Return the step of that name.

        Raises:
            KeyError: naming the steps there are.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"unknown step {name!r}; this trace has {', '.join(self.names)}")

    def __str__(self) -> str:
        """Return a table with one line a node."""
        rows = [("node", "op", "shape", "value", "|gradient|", "zero", "zeroed by")]
        rows += [
            (
                step.name,
                step.op or "leaf",
                step.size_in_words,
                step.range_in_words,
                f"{step.norm:.3g}",
                f"{step.zero_share:.0%}",
                ", ".join(f"{name} {share:.0%}" for name, share in step.zeroed_by.items()),
            )
            for step in self.steps
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)


def record(
    output: Tensor,
    gradient: ArrayLike | None = None,
    names: Mapping[str, Tensor] | None = None,
    retain_graph: bool = False,
) -> Trace:
    """Run ``output.backward(gradient)`` and record every node it goes through.

    The pass is a real one: gradients are added to the leaves' ``grad``, and the graph is freed unless retained.

    Args:
        output: usually a loss.
        gradient, retain_graph: as for :meth:`Tensor.backward`.
        names: what to call tensors, such as ``dict(model.named_parameters())``; others are called by their op,
            numbered from the leaves on if there are several.

    Raises:
        BackwardError, ShapeError, GraphFreedError: as :meth:`Tensor.backward`.
    """
    recorder = _Recorder(tensor_names(output, names or {}))
    with watching(recorder):
        output.backward(gradient, retain_graph)
    return Trace(tuple(recorder.steps))


def record_model(model: Module, x: Array | SparseMatrix, labels: Array) -> Trace:
    """Record the backward pass of a model's cross-entropy; nodes carry the names of its layers and parameters.

    The model's gradients are left as they were.

    Args:
        model: maps (batch, features) to logits (batch, classes); layers are named if it is a ``Sequential``.
        x: (batch, features).
        labels: class numbers, (batch,).
    """
    loss, names = named_loss(model, x, labels)
    with keeping_gradients(model.parameters()):
        return record(loss, names=names)


def named_loss(model: Module, x: Array | SparseMatrix, labels: Array) -> tuple[Tensor, dict[str, Tensor]]:
    """Return a model's cross-entropy, and the tensors behind it by the names of the layers and parameters.

    Args:
        model, x, labels: as for :func:`record_model`.
    """
    names = dict(model.named_parameters())
    out: Any = x
    for name, layer in model.children() if isinstance(model, Sequential) else [("model", model)]:
        names[name] = out = layer(out)
    names["loss"] = out.cross_entropy(labels)
    return names["loss"], names


class _Recorder(Watcher):
    """A watcher that records one backward pass."""

    def __init__(self, names: dict[Tensor, str]) -> None:
        self.steps: list[Step] = []
        self._names = names
        self._blame: dict[Tensor, Array] = {}  # number of the step that zeroed each entry of the tensor's gradient
        self._rng = np.random.default_rng(0)

    def computed(self, op: str, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Do nothing: the graph was built before, and what a rule computes on the way is no part of it."""

    def pulled_back(self, tensor: Tensor, gradient: Array, contributions: Sequence[Array | None]) -> None:
        if tensor not in self._names:  # a rule of your own may run a backward pass inside
            return
        this = len(self.steps)
        above = self._blame.pop(tensor, np.full(gradient.shape, NOBODY))
        above = np.where(gradient != 0, NOBODY, np.where(above == NOBODY, this, above))
        numbers, counts = np.unique(above[above != NOBODY], return_counts=True)
        shares = dict(zip(numbers.tolist(), (counts / above.size).tolist(), strict=True))
        name = self._names[tensor]
        self.steps.append(
            Step(
                name=name,
                op=tensor.op,
                rule=_rule(tensor),
                value=tensor.data.copy(),  # optimisers change parameters in place
                gradient=gradient,
                inputs=tuple(self._names.get(parent, "constant") for parent in tensor.inputs),
                contributions=tuple(contributions),
                zeroed_by={self.steps[n].name if n < this else name: share for n, share in shares.items()},
            )
        )
        for parent, rule, contribution in zip(tensor.inputs, tensor._vjps or (), contributions, strict=True):
            if contribution is not None:
                blamed = blame(rule, contribution, above, this, gradient.dtype, self._rng)
                earlier = self._blame.get(parent)
                self._blame[parent] = blamed if earlier is None else merge(earlier, blamed)


def _rule(tensor: Tensor) -> str:
    """Return the gradient rule behind a tensor in words, from the op table."""
    if tensor.op is None:
        return "kept as .grad"
    function = getattr(tensor.function, "func", None)  # by the function itself: your own op may be called relu, too
    return next((op.rule for op in OPS if op.function is function), "a rule of your own")


def tensor_names(output: Tensor, given: Mapping[str, Tensor]) -> dict[Tensor, str]:
    """Return a name for every tensor behind `output`; those that would have the same name are numbered.

    Args:
        output: usually a loss.
        given: names that are known, each with its tensor.
    """
    names = {tensor: name for name, tensor in given.items()}
    unnamed = [tensor for tensor in topological_order(output) if tensor not in names]
    kinds = Counter(tensor.op or "leaf" for tensor in unnamed)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))
    for tensor in unnamed:
        kind = tensor.op or "leaf"
        name = kind if kinds[kind] == 1 else f"{kind}#{next(numbers[kind])}"
        while name in given:
            name = f"{kind}#{next(numbers[kind])}"
        names[tensor] = name
    return names
