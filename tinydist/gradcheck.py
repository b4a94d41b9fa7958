"""Check gradient rules against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import DTypeError, GradientCheckError
from tinydist.recording import no_grad
from tinydist.tensor import Tensor

Array = NDArray[Any]


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
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    """Compare the backward pass of `function` with central differences, in float64.

    A random cotangent v turns the output into a scalar L(x) = <v, function(x)>. Backward gives its gradient; its
    slope along a random direction u must be <gradient, u> (a random projection, which costs two evaluations
    however many entries the inputs have). Only if a projection disagrees is every entry compared, to name the
    worst one. Stay away from kinks: at one, the difference quotient and a chosen subgradient need not agree.

    Args:
        function: takes as many tensors as there are `inputs`, returns one.
        inputs: float64 arrays, each checked.
        projections: random directions per input.
        step: size of the finite step, in units of the inputs.
        rtol: allowed error relative to the expected slope. The default finds a single entry that is 0.1% wrong
            among hundreds; one among many thousands can be lost in the sum, so check big functions at small sizes.
        atol: allowed absolute error, for slopes near 0.
        seed: of the random directions.

    Raises:
        DTypeError: if an input or the output is not float64: in float32, rounding hides finite differences.
        GradientCheckError: names the function, the input, the index, the expected and the received gradient.
    """
    arrays = [np.asarray(x) for x in inputs]
    for position, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise DTypeError(f"gradcheck needs float64, but input {position} is {x.dtype}; use array.astype(float)")
    rng = np.random.default_rng(seed)
    name = getattr(function, "__name__", repr(function))
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    output = function(*tensors)
    if output.dtype != np.float64:
        raise DTypeError(f"{name} turned float64 inputs into {output.dtype}; ops must preserve the dtype")
    cotangent = rng.normal(size=output.shape)
    if output.requires_grad:
        output.backward(cotangent)

    def loss(position: int, moved: Array) -> float:
        """Return L with one input moved."""
        inputs = [moved if i == position else x for i, x in enumerate(arrays)]
        with no_grad():
            return float(np.sum(cotangent * function(*map(Tensor, inputs)).data))

    def slope(position: int, direction: Array) -> float:
        return central_difference(partial(loss, position), arrays[position], direction, step)

    def agree(expected: float, received: float) -> bool:
        return bool(np.abs(expected - received) <= atol + rtol * np.abs(expected))

    for position, (x, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        gradient = np.zeros_like(x) if tensor.grad is None else tensor.grad
        for _ in range(projections):
            direction = rng.normal(size=x.shape)
            expected, received = slope(position, direction), float(np.sum(gradient * direction))
            if not agree(expected, received):
                _report_worst_entry(name, position, gradient, partial(slope, position), expected, received)


def _report_worst_entry(
    name: str,
    position: int,
    gradient: Array,
    slope: Callable[[Array], float],
    projected: float,
    received: float,
) -> None:
    """Raise an error that names the entry whose gradient differs most from its own central difference."""
    numeric = np.empty_like(gradient)
    for index in np.ndindex(gradient.shape):
        unit = np.zeros_like(gradient)
        unit[index] = 1
        numeric[index] = slope(unit)
    error = np.abs(numeric - gradient)
    worst = np.unravel_index(np.argmax(error), gradient.shape)
    where = ", ".join(str(int(i)) for i in worst)
    raise GradientCheckError(
        f"{name}: the gradient of input {position} is wrong at index [{where}]: "
        f"expected {numeric[worst]:.9g} (central difference), received {gradient[worst]:.9g}. "
        f"Along a random direction the slope is {projected:.9g}, the gradient says {received:.9g}."
    )
