"""A backward pass explained one rule at a time, each checked against the slope of its own op."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.recording import keeping_gradients
from tinydist.tensor import Tensor, topological_order
from tinydist.trace.compare import WIDTH, entries
from tinydist.trace.record import Step, record

Array = NDArray[Any]

STEP = 1e-6
"""Step by which an entry is moved to measure a slope: this share of the entry or of 1, whichever is smaller."""


@dataclass(frozen=True)
class Check:
    """A rule compared with the slope of its op, along one direction in one input.

    Attributes:
        input: name of the input.
        rule: the slope according to the contribution.
        left, right: the slopes measured on either side, in float64; where the op is not defined on one side, as sqrt is
            not left of 0, that side counts as 0.
        at_kink: whether the two differ however small the step, or one is missing: there is no derivative.
        tolerance: how far the rule may be from the slope in the middle; at a kink it may have any value in between.
    """

    input: str
    rule: float
    left: float
    right: float
    at_kink: bool
    tolerance: float

    @property
    def slope(self) -> float:
        """Return the central difference, the mean of the slopes on both sides."""
        return (self.left + self.right) / 2

    @property
    def agrees(self) -> bool:
        """Return whether the rule gives the slope; at a kink, whether it gives one between the two."""
        return bool(np.isfinite(self.rule) and abs(self.rule - self.slope) <= self.tolerance)

    def __str__(self) -> str:
        if self.at_kink:
            verdict = "which lies between" if self.agrees else "WHICH IS NEITHER"
            return (
                f"{self.input}: at a kink, slopes {self.left:.6g} and {self.right:.6g}; rule {self.rule:.6g}, {verdict}"
            )
        verdict = "they agree" if self.agrees else "they DIFFER"
        return f"{self.input}: slope {self.slope:.6g}, rule {self.rule:.6g}: {verdict}"


@dataclass(frozen=True)
class Explanation:
    """One step of a backward pass in words.

    Attributes:
        position, count: number of the step, from 1, and of all steps.
        step: the recorded step.
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
        lines = [f"{self.position}/{self.count}  {step.name}{call}"]
        for label, words in parts:
            start = f"     {label:{width}}  "
            broken = textwrap.wrap(words, WIDTH - len(start), break_long_words=False, break_on_hyphens=False)
            lines.append(start + f"\n{' ' * len(start)}".join(broken))
        return "\n".join(lines)


def explain(
    output: Tensor, gradient: ArrayLike | None = None, names: Mapping[str, Tensor] | None = None
) -> Iterator[Explanation]:
    """Go through ``output.backward(gradient)`` one rule at a time, and yield an explanation of each step.

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
    functions = [(node.function, node.inputs) for node in nodes]
    with keeping_gradients([node for node in nodes if node.op is None]):
        steps = record(output, gradient, names, retain_graph=True).steps
    rng = np.random.default_rng(0)
    for position, (step, (function, inputs)) in enumerate(zip(steps, functions, strict=True), start=1):
        checks = tuple(
            _check(step, i, function, inputs, rng) for i, c in enumerate(step.contributions) if c is not None and c.size
        )
        yield Explanation(position, len(steps), step, checks)


def _check(step: Step, i: int, function: Any, inputs: tuple[Tensor, ...], rng: np.random.Generator) -> Check:
    """Compare the contribution to input `i` with the slopes of ``<gradient, f(inputs)>`` in that input."""
    arrays = [tensor.data.astype(float) if tensor.dtype.kind == "f" else tensor.data for tensor in inputs]
    x, contribution = arrays[i], step.contributions[i]
    assert contribution is not None
    signs = np.where(contribution == 0, rng.choice([-1.0, 1.0], x.shape), np.sign(contribution))
    lengths = np.where(x == 0, 1, np.minimum(np.abs(x), 1)) * rng.uniform(0.5, 1, x.shape)
    direction = signs * lengths

    def value(moved: Array) -> Array:
        return function(*(moved if j == i else array for j, array in enumerate(arrays)))[0]

    def slopes(h: float) -> tuple[Array, Array]:
        """Return the left and right slopes of every entry of the value, times its gradient."""
        here = value(x)
        return step.gradient * (here - value(x - h * direction)) / h, step.gradient * (
            value(x + h * direction) - here
        ) / h

    with np.errstate(all="ignore"):  # the op may not be defined on one side
        left, right = slopes(STEP)
        near_left, near_right = slopes(STEP / 10)
    one_sided = np.isnan(left) != np.isnan(right)
    left, right = (np.where(one_sided & np.isnan(side), 0, side) for side in (left, right))
    terms, epsilon = contribution * direction, float(np.finfo(contribution.dtype).eps)
    tolerance = max(1e-4, 3 * epsilon**0.5) * max(_size(terms), abs(float(left.sum())), abs(float(right.sum())))
    tolerance += max(1e-9, 4 * epsilon) * _size(step.gradient)  # what remains of numbers that nearly cancelled
    gap, near_gap = _size(right - left), _size(near_right - near_left)  # at smooth places they shrink with the step
    at_kink = bool(one_sided.any() or near_gap > max(tolerance, gap / 2))
    if at_kink:
        tolerance += gap / 2
    return Check(step.inputs[i], float(terms.sum()), float(left.sum()), float(right.sum()), at_kink, tolerance)


def _size(terms: Array) -> float:
    """Return the sum of the magnitudes of terms that are added up, leaving out those that are not numbers."""
    return float(np.nansum(np.abs(terms), dtype=float))


def _short(array: Array) -> str:
    """Return small arrays in full, with the shape, large ones by shape, length and share of zeros."""
    if array.size <= 10:
        return (f"{_shape(array)}: " if array.ndim > 1 else "") + " ".join(entries(array))
    zero = np.mean(array == 0)
    return f"{_shape(array)}, |·| = {np.linalg.norm(array):.4g}, {zero:.0%} exactly zero"


def _shape(array: Array) -> str:
    return "×".join(map(str, array.shape))
