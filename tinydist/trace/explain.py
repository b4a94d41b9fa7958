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
"""By how much an entry is moved to measure a slope: this share of it or of 1, whichever is smaller."""


@dataclass(frozen=True)
class Check:
    """A rule held against the slope of its op, along one direction in one input.

    Attributes:
        input: name of the input.
        rule: what the contribution says the slope is.
        left, right: the slopes measured on either side, in float64; NaN on a side on which the op is not defined.
        at_kink: whether the two differ however small the step, or only one of them exists: there is no derivative.
        tolerance: how far apart slope and rule may be.
    """

    input: str
    rule: float
    left: float
    right: float
    at_kink: bool
    tolerance: float

    @property
    def slope(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def agrees(self) -> bool:
        """Whether the rule gives the slope; at a kink, whether it gives one between the two.

        Where the op is defined on one side only, as sqrt is at 0, any finite number will do.
        """
        if not self.at_kink:
            return bool(abs(self.rule - self.slope) <= self.tolerance)
        if np.isnan(self.slope):
            return bool(np.isfinite(self.rule))
        low, high = sorted((self.left, self.right))
        return bool(low - self.tolerance <= self.rule <= high + self.tolerance)

    def __str__(self) -> str:
        if not self.at_kink:
            verdict = "they agree" if self.agrees else "they DIFFER"
            return f"{self.input}: slope {self.slope:.6g}, rule {self.rule:.6g}: {verdict}"
        verdict = "which lies between" if self.agrees else "WHICH IS NEITHER"
        if np.isnan(self.slope):
            verdict = "with nothing to compare" if self.agrees else "WHICH IS NO NUMBER"
        return f"{self.input}: at a kink, slopes {self.left:.6g} and {self.right:.6g}; rule {self.rule:.6g}, {verdict}"


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
    be the gradient of ``<v, f(inputs)>``, so along any direction it must give the slope of that number, which is
    measured on both sides of the input, in float64. The direction has the contribution's signs, so that its terms add
    up, and random lengths. The leaves' ``grad`` and the graph are left as they were::

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
    x, contribution = arrays[i], step.contributions[i]
    assert contribution is not None
    signs = np.where(contribution == 0, rng.choice([-1.0, 1.0], x.shape), np.sign(contribution))
    lengths = np.where(x == 0, 1, np.minimum(np.abs(x), 1)) * rng.uniform(0.5, 1, x.shape)
    direction = signs * lengths

    def loss(moved: Array) -> float:
        value, _ = function(*(moved if j == i else array for j, array in enumerate(arrays)))
        return float(np.sum(step.gradient * (value - step.value)))

    def slopes(h: float) -> tuple[float, float]:
        here = loss(x)
        return (here - loss(x - h * direction)) / h, (loss(x + h * direction) - here) / h

    with np.errstate(all="ignore"):  # the op may not be defined on one side
        left, right = slopes(STEP)
        near_left, near_right = slopes(STEP / 10)
    terms = contribution * direction
    tolerance = _tolerance(contribution.dtype, max(float(np.abs(terms).sum()), abs(left), abs(right)), step.gradient)
    gap, near_gap = abs(right - left), abs(near_right - near_left)  # where the slope is smooth they shrink with h
    at_kink = near_gap > max(tolerance, gap / 2) or np.isnan(left) != np.isnan(right)
    return Check(step.inputs[i], float(terms.sum()), left, right, bool(at_kink), tolerance)


def _tolerance(dtype: np.dtype[Any], size: float, gradient: Array) -> float:
    """How far a rule may be from the slope: relative to its terms, and the rounding of the numbers that cancelled.

    Args:
        dtype: in which the rule computed.
        size: of the terms that make up the slope.
        gradient: the one that came in.
    """
    epsilon = float(np.finfo(dtype).eps)
    return max(1e-4, 3 * epsilon**0.5) * size + max(1e-9, 4 * epsilon) * float(np.abs(gradient).sum(dtype=float))


def _short(array: Array) -> str:
    """Small arrays in full, large ones by shape and size."""
    if array.size <= 10:
        return " ".join(np.array2string(array, precision=4, suppress_small=False).split())
    zero = np.mean(array == 0)
    return f"{'×'.join(map(str, array.shape))}, |·| = {np.linalg.norm(array):.4g}, {zero:.0%} exactly zero"
