"""Exercise gradcheck: comparison of gradient rules with measured slopes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import DTypeError, GradientCheckError
from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import numbers, raised
from tinydist.gradcheck import central_difference, gradcheck
from tinydist.recording import no_grad
from tinydist.tensor import Tensor, apply

Array = NDArray[Any]


def check_gradcheck(gradcheck: Any) -> Iterator[Observation]:
    """Yield observations on rules that are right, and on rules with a known fault."""
    x = np.array([0.5, -1.0])

    def ask(rule: str, function: Callable[..., Tensor], expected: str, *inputs: Array) -> Iterator[Observation]:
        given = {"op": rule, "inputs": ", ".join(f"{i.dtype} {i.shape}" for i in inputs)}
        yield about_to_try(given)
        what = raised(lambda: gradcheck(function, *inputs), GradientCheckError, DTypeError, AssertionError)
        yield Observation("the error", what, expected, given)

    def square(spoil: Callable[[Array], Array]) -> Callable[[Tensor], Tensor]:
        return functools.partial(apply, lambda x: (x * x, (lambda g: spoil(2 * g * x),)))

    def only_one(gradient: Array) -> Array:
        gradient.flat[-1] *= 1.001
        return gradient

    def product(x: Tensor, y: Tensor) -> Tensor:
        return apply(lambda x, y: (x * y, (lambda g: g * y, lambda g: 1.001 * g * x)), x, y)

    right, wrong = "no error", "GradientCheckError"
    yield from ask("x², with the rule 2 g x", square(lambda v: v), right, x)
    yield from ask("x², with the rule g x: half of the truth", square(lambda v: v / 2), wrong, x)
    yield from ask("x², with the rule 2.002 g x: 0.1% too much", square(lambda v: 1.001 * v), wrong, x)
    yield from ask("exp(3 x), with the right rule", lambda x: (x * 3.0).exp(), right, numbers(1, 3))
    yield from ask("x y, in which the rule of y is 0.1% wrong", product, wrong, x, x)
    swapped = square(lambda v: v[::-1].copy())
    yield from ask("x² on two entries, which receive each other's gradient", swapped, wrong, np.array([1.0, 2.0]))
    yield from ask("x², with one entry of 60 that is 0.1% wrong", square(only_one), wrong, numbers(2, 6, 10, low=0.5))
    yield from ask("x², with the right rule, on float32", square(lambda v: v), "DTypeError", x.astype(np.float32))


def _gradcheck(
    function: Callable[..., Tensor],
    *inputs: ArrayLike,
    rtol: float = 1e-7,
    one_sided: bool = False,
    ones: bool = False,
    first_entry: bool = False,
    first_input: bool = False,
    any_dtype: bool = False,
) -> None:
    """Run a gradcheck in which one thing may be wrong."""
    arrays = [np.asarray(x) for x in inputs]
    if not any_dtype and any(x.dtype != np.float64 for x in arrays):
        raise DTypeError("gradcheck needs float64")
    rng = np.random.default_rng(0)
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    output = function(*tensors)
    cotangent = np.ones(output.shape) if ones else rng.normal(size=output.shape)
    output.backward(cotangent)
    for position, x in enumerate(arrays[:1] if first_input else arrays):

        def loss(moved: Array, position: int = position) -> float:
            with no_grad():
                given = [Tensor(moved if i == position else other) for i, other in enumerate(arrays)]
                return float(np.sum(cotangent * function(*given).data))

        direction = np.ones(x.shape) if ones else rng.normal(size=x.shape)
        if first_entry:
            direction = np.zeros(x.shape)
            direction.flat[0] = 1
        expected = central_difference(loss, x, direction)
        if one_sided:
            expected = (loss(x + 1e-6 * direction) - loss(x)) / 1e-6
        gradient = tensors[position].grad
        received = float(np.sum((0 if gradient is None else gradient) * direction))
        if not abs(expected - received) <= 1e-8 + rtol * abs(expected):
            raise GradientCheckError("a wrong gradient")


def gradcheck_accepting_all(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, rtol=1e9)


def gradcheck_loose(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, rtol=1e-2)


def gradcheck_one_sided(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, one_sided=True)


def gradcheck_along_ones(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, ones=True)


def gradcheck_first_entry(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, first_entry=True)


def gradcheck_first_input(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, first_input=True)


def gradcheck_any_dtype(function: Callable[..., Tensor], *inputs: ArrayLike) -> None:
    _gradcheck(function, *inputs, any_dtype=True, rtol=1e-2 if np.asarray(inputs[0]).dtype == np.float32 else 1e-7)


GRADCHECK = Exercise(
    name="gradcheck",
    title="find wrong gradient rules",
    library=gradcheck,
    lesson="01_a_gradient",
    task="""
    The check behind all gradients here. Draw a random cotangent v with the shape of the output; then
    L(x) = sum(v * function(x)) is a single number, and output.backward(v) leaves its gradient in x.grad. Along a random
    direction u, L must rise by sum(gradient * u), which central_difference measures. Do this for each input.

    Raise GradientCheckError if the two disagree by more than atol + rtol * |measured slope|, and DTypeError if an
    input is not float64. You may leave `projections` at one direction, and say little in the errors.

    Look out: measure inside `with no_grad():`, so that no graph is recorded, and move one input at a time.
    """,
    hints=(
        "Write a function loss(moved): it puts `moved` in the place of one input and returns the number L. That is "
        "what central_difference takes.",
        "The direction must be random: along (1, 1, ...) errors of opposite sign cancel, along one axis all other "
        "entries go unchecked.",
        "abs(expected - received) <= atol + rtol * abs(expected) is False for nan, too; so raise if not that.",
    ),
    check=check_gradcheck,
    mistakes=(
        Mistake(gradcheck_accepting_all, "This accepts a gradient that is half of the truth: nothing is raised."),
        Mistake(
            gradcheck_loose,
            "The tolerance is too wide: a rule that is 0.1% wrong passes. In float64 the measured slope has seven "
            "right digits or more, so rtol can be as small as 1e-7.",
        ),
        Mistake(
            gradcheck_one_sided,
            "This rejects a right rule: one-sided differences are only right to about six digits where the function is "
            "curved. Use central_difference.",
        ),
        Mistake(
            gradcheck_along_ones,
            "Errors of opposite sign cancel here: with ones as cotangent and direction only the sum of all gradients "
            "is compared. Draw both at random.",
        ),
        Mistake(gradcheck_first_entry, "Only the first entry is compared. A random direction involves all of them."),
        Mistake(gradcheck_first_input, "Only the first input is checked. Check each of them."),
        Mistake(
            gradcheck_any_dtype,
            "float32 inputs must be refused with DTypeError: the step of 1e-6 drowns in their rounding, and the "
            "verdict would be chance.",
        ),
    ),
    gives=("DTypeError", "GradientCheckError", "central_difference", "no_grad"),
)
