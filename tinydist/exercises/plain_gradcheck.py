"""The textbook check of gradient rules: one step for all entries. The library's own also chooses the step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from tinydist.errors import DTypeError, GradientCheckError
from tinydist.gradcheck import Array, central_difference
from tinydist.recording import no_grad
from tinydist.tensor import Tensor


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
    however many entries the inputs have). Stay away from kinks: at one, the difference quotient and a chosen
    subgradient need not agree.

    Args:
        function: takes as many tensors as there are `inputs`, returns one.
        inputs: float64 arrays, each checked.
        projections: random directions per input.
        step: size of the finite step, in units of the inputs.
        rtol: allowed error relative to the expected slope.
        atol: allowed absolute error, for slopes near 0.
        seed: of the random cotangent and directions.

    Raises:
        DTypeError: if an input is not float64: in float32, rounding hides finite differences.
        GradientCheckError: names the input, the expected and the received slope.
    """
    arrays = [np.asarray(x) for x in inputs]
    for position, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise DTypeError(f"gradcheck needs float64, but input {position} is {x.dtype}; use array.astype(float)")
    rng = np.random.default_rng(seed)
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    output = function(*tensors)
    cotangent = rng.normal(size=output.shape)
    if output.requires_grad:
        output.backward(cotangent)

    def loss(position: int, moved: Array) -> float:
        """Return L with one input moved."""
        with no_grad():
            moved_inputs = [Tensor(moved if i == position else x) for i, x in enumerate(arrays)]
            return float(np.sum(cotangent * function(*moved_inputs).data))

    for position, (x, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        gradient = np.zeros_like(x) if tensor.grad is None else tensor.grad
        for _ in range(projections):
            direction = rng.normal(size=x.shape)
            expected = central_difference(partial(loss, position), x, direction, step)
            received = float(np.sum(gradient * direction))
            if not abs(expected - received) <= atol + rtol * abs(expected):
                raise GradientCheckError(
                    f"the gradient of input {position} is wrong: along a random direction the slope is "
                    f"{expected:.9g}, the gradient says {received:.9g}"
                )
