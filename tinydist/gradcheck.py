"""Check gradient rules against finite differences."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import DTypeError, GradientCheckError
from tinydist.recording import no_grad
from tinydist.tensor import Tensor

Array = NDArray[Any]

SINGLY = 64
"""Entries up to which an input is checked entry by entry; a larger one is checked along random directions first."""

EPSILON = sys.float_info.epsilon

SURE = 1e-8
"""Uncertainty of a slope, as a share of it, at which no other step is tried."""

BLIND = 0.1
"""Uncertainty of a slope from which a gradient that is wrong altogether might pass."""

STEPS = (
    (True, 1.0),  # what was asked for
    (True, 1e3),  # for large outputs that change little, whose last digits a small step hardly moves
    (False, 1.0),  # for entries near 0 beside other numbers of about 1, as in 1 + x
    (True, 1e-3),  # for functions that curve within a small share of the entry, such as sin(1,000 x)
    (True, 1e-6),  # and those that curve within a tiny one
)
"""Steps that are tried, one after the other: whether in units of the entry or of 1, and multiples of the given step."""


def central_difference(function: Callable[[Array], float], x: Array, direction: Array, step: float = 1e-6) -> float:
    """Return the slope of `function` at `x` along `direction`: ``(f(x + h d) - f(x - h d)) / 2h``.

    Its error shrinks with h² (the one-sided quotient's only with h), until rounding takes over.

    Args:
        function: from an array to a number.
        x: the point, float64.
        direction: d, same shape as `x`; its length counts.
        step: h.
    """
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


def gradcheck(
    function: Callable[..., Tensor],
    *inputs: ArrayLike,
    projections: int = 3,
    step: float = 1e-6,
    rtol: float = 1e-7,
    atol: float = 0.0,
    seed: int = 0,
) -> None:
    """Compare the backward pass of `function` with central differences, in float64.

    A random cotangent v turns the output into a scalar L(x) = <v, function(x)>. Backward gives its gradient; its
    slope along any direction u must be <gradient, u>. In an input of up to :data:`SINGLY` entries the slope of each is
    compared. In a larger one the slope along random directions is, which costs a few evaluations however many entries
    there are; only if one disagrees, or is too uncertain to tell, is every entry compared.

    A step is a share of the entry, so that x = 0.001 and x = 1,000 are checked alike. Where this is too much or too
    little for the function, other steps are tried, and the quotient counts whose own error, as far as it shows with
    half the step and in the digits of the output, is smallest. Stay away from kinks: at one, the difference quotient
    and a chosen subgradient need not agree.

    Args:
        function: takes as many tensors as there are `inputs`, returns one.
        inputs: float64 arrays, each checked.
        projections: random directions for each large input.
        step: size of the finite step, as a share of the entry; of 1 for an entry of 0.
        rtol: allowed error relative to the expected slope, besides that of the quotient. The default finds a single
            entry that is 0.1% wrong among hundreds of its size; one among many thousands can be lost in the sum, so
            check big functions at small sizes.
        atol: allowed absolute error of a slope, besides.
        seed: of the random cotangent and directions.

    Raises:
        DTypeError: if an input or the output is not float64: in float32, rounding hides finite differences.
        TypeError: if the function does not return a tensor.
        ValueError: if an input, the output or the step is not finite, or the function changes its inputs or gives
            another output when it is called again; if there is nothing to check; or if no entry of an input changes the
            output by more than its last digits.
        GradientCheckError: names the function, the input, the index, the expected and the received gradient.
    """
    if not 0 < step < math.inf:
        raise ValueError(f"gradcheck needs a finite step above 0, got {step}")
    if not inputs or projections < 1:
        raise ValueError(
            f"gradcheck needs an input and a projection, got {len(inputs)} and {projections}: none to check"
        )
    arrays = [np.array(x) for x in inputs]
    for position, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise DTypeError(f"gradcheck needs float64, but input {position} is {x.dtype}; use array.astype(float)")
        if not np.isfinite(x).all():
            raise ValueError(f"gradcheck needs finite numbers, but input {position} has a NaN or an infinity")
    rng = np.random.default_rng(seed)
    name = getattr(function, "__name__", repr(function))
    tensors = [Tensor(x.copy(), requires_grad=True) for x in arrays]
    output = function(*tensors)
    _check_output(name, output)
    for position, (x, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        if not np.array_equal(x, tensor.data):
            raise ValueError(f"{name} changes its input {position}; a function under check must leave it as it is")
    cotangent = rng.normal(size=output.shape)

    def values(position: int, moved: Array) -> Array:
        """Return the terms of L with one input moved."""
        with no_grad():
            return cotangent * function(*(Tensor(moved if i == position else x) for i, x in enumerate(arrays))).data

    terms = cotangent * output.data
    last_digits = 1e-12 * np.abs(terms).max(initial=0)  # which may differ with the order of sums, by threads
    if not np.allclose(terms, values(0, arrays[0]), rtol=0, atol=last_digits):
        raise ValueError(
            f"{name} gives another output when it is called again with the same inputs, so it has no slope; "
            "fix the seed of what it draws"
        )
    if output.requires_grad:
        output.backward(cotangent)

    def agree(slope: _Slope) -> bool:
        return slope.gap <= atol + rtol * abs(slope.expected) + 2 * slope.error

    for position, (x, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        gradient = np.zeros_like(x) if tensor.grad is None else tensor.grad
        compare = partial(_measured, partial(values, position), x, gradient, step, terms)
        slopes = (compare(rng.normal(size=x.shape)) for _ in range(projections))
        if x.size <= SINGLY or not all(agree(slope) and slope.uncertainty <= 100 * rtol for slope in slopes):
            _check_entries(name, position, gradient, compare, agree)


def _check_output(name: str, output: Any) -> None:
    if not isinstance(output, Tensor):
        raise TypeError(f"{name} must return a tensor, got a {type(output).__name__}")
    if output.dtype != np.float64:
        raise DTypeError(f"{name} turned float64 inputs into {output.dtype}; ops must preserve the dtype")
    if not np.isfinite(output.data).all():
        raise ValueError(f"the output of {name} has a NaN or an infinity at these inputs; check it where it is defined")


@dataclass(frozen=True)
class _Slope:
    """A slope along some direction.

    Attributes:
        length: the direction's largest entry.
        expected: by differences.
        received: by the gradient.
        error: how far `expected` may be off.
        noise: a received slope that the last digits of the output hide wherever it is measured.
    """

    length: float
    expected: float
    received: float
    error: float
    noise: float

    @property
    def gap(self) -> float:
        """Return how far the two slopes are apart."""
        return abs(self.expected - self.received)

    @property
    def uncertainty(self) -> float:
        """Return the error as a share of the expected slope."""
        return self.share(self.error)

    def share(self, part: float) -> float:
        """Return `part` as a share of the expected slope; infinity for NaN."""
        share = part / max(abs(self.expected), sys.float_info.min)
        return math.inf if math.isnan(share) else share


def _measured(
    values: Callable[[Array], Array], x: Array, gradient: Array, step: float, terms: Array, direction: Array
) -> _Slope:
    """Return the slope of the sum of `values` at `x`, by the difference quotient of the smallest uncertainty.

    Args:
        values: from the input to the terms of the sum.
        x, gradient: same shape.
        step: the step to begin with.
        terms: the values at `x`.
        direction: same shape as `x`, in units of its entries.
    """
    quotient: Callable[..., Any] = central_difference  # here of arrays: entries that do not move cancel exactly
    sizes = np.where(x == 0, 1, np.abs(x))
    slopes = []
    for in_sizes, factor in STEPS:
        unit, h = sizes if in_sizes else np.ones_like(x), factor * step
        along = direction * unit
        with np.errstate(all="ignore"):
            change, with_half = (quotient(values, x, along, length) for length in (h, h / 2))
            moved = change != 0
            seen = terms[moved] if moved.any() else terms
            digits = np.abs(seen).sum() + np.abs(change * np.max(sizes / unit)).sum()
            error = abs(float(change.sum() - with_half.sum())) + float(EPSILON * digits / h)
            received = float(np.sum(gradient * along, where=direction != 0))
        reach = np.abs(along * np.maximum(1, np.abs(x))).max()
        noise = float(10 * EPSILON * np.abs(seen).max(initial=0) * reach)
        slopes.append(_Slope(float(np.abs(along).max()), float(change.sum()), received, error, noise))
        if slopes[-1].uncertainty <= SURE:
            break
    return min(slopes, key=lambda slope: slope.uncertainty)


def _check_entries(
    name: str,
    position: int,
    gradient: Array,
    compare: Callable[[Array], _Slope],
    agree: Callable[[_Slope], bool],
) -> None:
    """Raise an error that names the entry whose gradient is furthest from its central difference, if any is wrong.

    Raise another one if even the steepest entry agrees only because nothing can be measured there.
    """
    slopes = {}
    for index in np.ndindex(gradient.shape):
        unit = np.zeros_like(gradient)
        unit[index] = 1
        slopes[index] = compare(unit)
    wrong = {index: slope.share(slope.gap) for index, slope in slopes.items() if not agree(slope)}
    if wrong:
        index = max(wrong, key=lambda index: wrong[index])
        expected = slopes[index].expected / slopes[index].length
        raise GradientCheckError(
            f"{name}: the gradient of input {position} is wrong at index [{', '.join(map(str, index))}]: "
            f"expected {expected:.9g} (central difference), received {gradient[index]:.9g}. "
            "Check the rule of each op in it by itself"
        )
    steepest = max(slopes.values(), key=lambda slope: abs(slope.received), default=None)
    if (
        steepest is not None
        and not agree(replace(steepest, error=0.0))
        and steepest.uncertainty > BLIND
        and abs(steepest.received) > steepest.noise
    ):
        raise ValueError(
            f"{name}: cannot tell at this point whether the gradient of input {position} is right, because the output "
            "hardly changes in its last digits; take away what it adds to a large number, or check another point"
        )
