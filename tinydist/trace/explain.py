"""A backward pass in slow motion: one rule at a time, each checked against the slope of its own op."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.tensor import Tensor, topological_order
from tinydist.trace.record import Step, record

Array = NDArray[Any]

STEP = 1e-6
"""Of the difference quotients, in units of the largest input entry or 1."""

TOLERANCE = {np.dtype(np.float64): 1e-4, np.dtype(np.float32): 1e-3}
"""How far a rule may be from the slope, relative to the terms that make it up, for gradients of each dtype."""


@dataclass(frozen=True)
class Check:
    """A rule held against the slope of its op, along one direction in one input.

    Attributes:
        input: name of the input.
        rule: what the contribution says the slope is.
        left, right: the slopes measured on either side, with all numbers in float64.
        tolerance: how far apart they may be.
    """

    input: str
    rule: float
    left: float
    right: float
    tolerance: float

    @property
    def slope(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def at_kink(self) -> bool:
        """Whether the slopes on the two sides differ, so that no derivative exists."""
        return bool(abs(self.left - self.right) > self.tolerance)

    @property
    def agrees(self) -> bool:
        """Whether the rule gives the slope; at a kink, whether it gives one between the two."""
        low, high = sorted((self.left, self.right))
        slack = self.tolerance
        return bool(low - slack <= self.rule <= high + slack if self.at_kink else abs(self.rule - self.slope) <= slack)

    def __str__(self) -> str:
        if self.at_kink:
            verdict = "which lies between" if self.agrees else "WHICH IS NEITHER"
            return (
                f"{self.input}: at a kink, slopes {self.left:.6g} and {self.right:.6g}; rule {self.rule:.6g}, {verdict}"
            )
        verdict = "agree" if self.agrees else "DIFFER"
        return f"{self.input}: slope {self.slope:.6g}, rule {self.rule:.6g}: they {verdict}"


@dataclass(frozen=True)
class Explanation:
    """One step of a backward pass in words.

    Attributes:
        position, count: which step it is, from 1, of how many.
        step: what happened.
        checks: one for each input that received a gradient; empty for a leaf.
    """

    position: int
    count: int
    step: Step
    checks: tuple[Check, ...]

    def __str__(self) -> str:
        step = self.step
        call = f" = {step.op}({', '.join(step.inputs)})" if step.op else ""
        parts = [("value", _short(step.value)), ("gradient", _short(step.gradient)), ("rule", step.rule)]
        for name, contribution in zip(step.inputs, step.contributions, strict=True):
            if contribution is not None:
                parts.append((f"to {name}", _short(contribution)))
        parts += [("checked", str(check)) for check in self.checks]
        width = max(len(label) for label, _ in parts)
        return "\n".join(
            [f"{self.position}/{self.count}  {step.name}{call}", *(f"     {a:{width}}  {b}" for a, b in parts)]
        )


def explain(
    output: Tensor, gradient: ArrayLike | None = None, names: Mapping[str, Tensor] | None = None
) -> Iterator[Explanation]:
    """Go through ``output.backward(gradient)`` one rule at a time.

    Each rule is checked on the spot. With v the gradient that came in and f the op, the contribution to an input must
    be the gradient of ``<v, f(inputs)>``, so along a random direction it must give the slope of that number, which is
    measured on both sides of the input, in float64. The leaves' ``grad`` and the graph are left as they were::

        for step in explain(loss):
            print(step)

    Args:
        output, gradient, names: as for :func:`tinydist.trace.record`.

    Raises:
        BackwardError, ShapeError, GraphFreedError: as :meth:`Tensor.backward`, before the first step.
    """
    nodes = topological_order(output)[::-1]
    leaves = [node for node in nodes if node.op is None]
    before = [leaf.grad for leaf in leaves]
    functions = [(node.function, node.inputs) for node in nodes]
    try:
        steps = record(output, gradient, names, retain_graph=True).steps
    finally:
        for leaf, grad in zip(leaves, before, strict=True):
            leaf.grad = grad
    rng = np.random.default_rng(0)
    for position, (step, (function, inputs)) in enumerate(zip(steps, functions, strict=True), start=1):
        checks = tuple(
            _check(step, i, function, inputs, rng) for i, c in enumerate(step.contributions) if c is not None and c.size
        )
        yield Explanation(position, len(steps), step, checks)


def _check(step: Step, i: int, function: Any, inputs: tuple[Tensor, ...], rng: np.random.Generator) -> Check:
    """Hold the contribution to input `i` against the slopes of ``<gradient, f(inputs)>`` in that input."""
    arrays = [tensor.data.astype(float) if tensor.dtype.kind == "f" else tensor.data for tensor in inputs]
    contribution = step.contributions[i]
    assert contribution is not None
    direction = rng.choice([-1.0, 1.0], contribution.shape) * rng.uniform(0.5, 1, contribution.shape)

    def loss(moved: Array) -> float:
        value, _ = function(*(moved if j == i else array for j, array in enumerate(arrays)))
        return float(np.sum(step.gradient * (value - step.value)))

    h = STEP * max(1.0, float(np.abs(arrays[i]).max()))
    here = loss(arrays[i])
    left = (here - loss(arrays[i] - h * direction)) / h
    right = (loss(arrays[i] + h * direction) - here) / h
    terms = contribution * direction
    tolerance = TOLERANCE[contribution.dtype] * max(float(np.abs(terms).sum()), abs(left), abs(right)) + 1e-9
    return Check(step.inputs[i], float(terms.sum()), left, right, tolerance)


def _short(array: Array) -> str:
    """Small arrays in full, large ones by shape and size."""
    if array.size <= 10:
        return " ".join(np.array2string(array, precision=4, suppress_small=False).split())
    zero = np.mean(array == 0)
    return f"{'×'.join(map(str, array.shape))}, |·| = {np.linalg.norm(array):.4g}, {zero:.0%} exactly zero"
