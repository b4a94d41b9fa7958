"""Exercise gradcheck: comparison of gradient rules with measured slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import DTypeError, GradientCheckError
from tinydist.exercises.plain_gradcheck import gradcheck as plain_gradcheck
from tinydist.exercises.probes import numbers, raised
from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric, about_to_try
from tinydist.gradcheck import central_difference
from tinydist.gradcheck import gradcheck as library_gradcheck
from tinydist.recording import no_grad
from tinydist.tensor import Tensor, apply

Array = NDArray[Any]
Function = Callable[..., Tensor]


def gradcheck(
    function: Function,
    *inputs: ArrayLike,
    projections: int = 3,
    step: float = 1e-6,
    rtol: float = 1e-7,
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    arrays = [np.asarray(x) for x in inputs]
    if any(x.dtype != np.float64 for x in arrays):
        raise DTypeError("gradcheck needs float64")
    rng = np.random.default_rng(seed)
    tensors: list[Any] = [Tensor(x, requires_grad=True) for x in arrays]
    output = function(*tensors)
    v = rng.normal(size=output.shape)
    output.backward(v)

    def check_input(position: int) -> None:
        def loss(moved: np.ndarray) -> float:
            with no_grad():
                values = function(*map(Tensor, [*arrays[:position], moved, *arrays[position + 1 :]]))
            return float(np.sum(v * values.data))

        x = arrays[position]
        u = rng.normal(size=x.shape)
        expected = central_difference(loss, x, u, step)
        received = np.sum(tensors[position].grad * u)
        if not abs(expected - received) <= atol + rtol * abs(expected):
            raise GradientCheckError(f"input {position}: measured slope {expected}, by the gradient {received}")

    for _ in range(projections):
        for position in range(len(arrays)):
            check_input(position)


def ask(
    answer: Any, *, rule: str, function: Function, inputs: tuple[Array, ...], expected: str, **options: float
) -> Iterator[Observation]:
    """Yield observations of a check: its verdict, and whether the inputs stay as they were.

    Args:
        answer: the function under check.
        rule: what is checked, in words.
        function: what is checked.
        inputs: at which it is checked.
        expected: name of the error, or "no error".
        options: keyword arguments of the function under check.
    """
    received = [x.copy() for x in inputs]
    given: dict[str, Any] = {"op": rule, "inputs": ", ".join(f"{x.dtype} {x.shape}" for x in inputs)} | options
    yield about_to_try(given)
    call = partial(answer, function, *received, **options)
    what = raised(call, GradientCheckError, DTypeError, AssertionError)
    yield Observation("the error", what, expected, given)
    for position, (x, before) in enumerate(zip(received, inputs, strict=True)):
        yield Observation(f"input {position}, which must stay as it was", x, before, given)


def measuring(answer: Any) -> Iterator[Observation]:
    """Yield observations of the calls by which an answer measures."""
    inputs = {"x": numbers(1, 3), "y": numbers(2, 3)}
    moved: list[list[str]] = []
    weight = Tensor(2.0, requires_grad=True)

    def product(*tensors: Tensor) -> Tensor:
        output = tensors[0] * tensors[1] * weight
        if not output.requires_grad:
            pairs = zip(inputs, tensors, strict=True)
            moved.append([name for name, tensor in pairs if not np.array_equal(tensor.data, inputs[name])])
        return output

    given = {"op": "x y w, where w is a parameter; it notes how it is called", **inputs}
    yield about_to_try(given)
    answer(product, *(x.copy() for x in inputs.values()))
    both = any(len(names) > 1 for names in moved)
    yield Observation("whether x and y were moved together", both, False, given)
    for name in inputs:
        enough = moved.count([name]) >= 2
        yield Observation(f"whether two calls or more moved {name} and recorded no graph", enough, True, given)


def _square(spoil: Callable[[Array], Array] = lambda gradient: gradient) -> Function:
    return partial(apply, lambda x: (x * x, (lambda g: spoil(2 * g * x),)))


def _cube() -> Function:
    return partial(apply, lambda x: (x**3, (lambda g: 3 * g * x**2,)))


def _line(slope: float, factor: float = 1.0) -> Function:
    return partial(apply, lambda x: (slope * x, (lambda g: factor * slope * g,)))


def _product(of_x: float = 1.0, of_y: float = 1.0) -> Function:
    return partial(apply, lambda x, y: (x * y, (lambda g: of_x * g * y, lambda g: of_y * g * x)))


def _sum_of_three(factor: float = 1.0) -> Function:
    return partial(apply, lambda x, y, z: (x + y + z, (lambda g: g, lambda g: g, lambda g: factor * g)))


def _one_entry_wrong(gradient: Array, entry: int) -> Array:
    gradient.flat[entry] *= 2
    return gradient


def _two_lines(factor: float) -> Function:
    rules = lambda g: factor * 1e6 * g, lambda g: 1e-3 * g
    return partial(apply, lambda x, y: (1e6 * x + 1e-3 * y, rules))


def _total(spoil: Callable[[Array], Array] = lambda gradient: gradient) -> Function:
    return partial(apply, lambda x: (np.sum(x * x), (lambda g: spoil(2 * g * x),)))


def _rolled(gradient: Array) -> Array:
    return np.roll(gradient, 1)


def tried(rule: str, function: Function, expected: str, *inputs: Array, **options: float) -> Case:
    """Return a case of :func:`ask`."""
    return partial(ask, rule=rule, function=function, inputs=inputs, expected=expected, **options)


RIGHT, WRONG, REFUSED = "no error", "GradientCheckError", "DTypeError"
X, ORIGIN = np.array([0.5, -1.0]), np.array([0.0])
TWELVE, MANY = np.sqrt(np.arange(1.0, 13)), numbers(2, 6, 10, low=0.5, high=1.5)
A, B = numbers(3, 2, 3), numbers(4, 3, 4)

# Of a line through the origin the central difference is exact, whatever the direction: so tolerances can be tested.
# Roots do not cancel each other by chance, even along a direction of 1 and -1. Where a rule is right the values are
# small, so that their rounding stays below atol even if the slope along some direction is nearly 0.
CASES = (
    tried("x², with the rule 2 g x", _square(), RIGHT, X),
    tried("x², with the rule g x: half of the truth", _square(lambda v: v / 2), WRONG, X),
    tried("x², with the rule 2.002 g x: 0.1% too much", _square(lambda v: 1.001 * v), WRONG, X),
    tried("x², with the rule 1.998 g x: 0.1% too little", _square(lambda v: 0.999 * v), WRONG, X),
    tried("x², with the rule -2 g x: the sign is flipped", _square(lambda v: -v), WRONG, X),
    tried("x², with the rule 0", _square(lambda v: 0 * v), WRONG, X),
    tried("exp(3 x), with the right rule", lambda x: (x * 3.0).exp(), RIGHT, np.array([0.3, -0.4, 0.1])),
    tried("x y, with the right rules", _product(), RIGHT, X, X[::-1]),
    tried("x y, in which the rule of x is 0.1% wrong", _product(of_x=1.001), WRONG, X, X),
    tried("x y, in which the rule of y is 0.1% wrong", _product(of_y=1.001), WRONG, X, X),
    tried("x y, in which the signs of both rules are flipped", _product(-1, -1), WRONG, X, X),
    tried("x y, in which one rule is too large and one too small", _product(1.001, 0.999), WRONG, X, X),
    tried("x + y + z, with the right rules", _sum_of_three(), RIGHT, X, X, X),
    tried("x + y + z, in which the rule of z is 0.1% wrong", _sum_of_three(1.001), WRONG, X, X, X),
    tried("x² on 12 entries, each of which receives the gradient of the one before", _square(_rolled), WRONG, TWELVE),
    tried(
        "x² on 12 entries, all of which receive the mean gradient",
        _square(lambda v: np.full_like(v, v.mean())),
        WRONG,
        TWELVE,
    ),
    tried(
        "3 x, with the rule 3 mean(g): right if all entries of g are equal",
        partial(apply, lambda x: (3 * x, (lambda g: np.full_like(g, 3 * g.mean()),))),
        WRONG,
        TWELVE,
    ),
    *(
        tried(
            f"x², with {which} of 60 entries twice the truth",
            _square(partial(_one_entry_wrong, entry=entry)),
            WRONG,
            MANY,
        )
        for which, entry in (("the last", -1), ("the first", 0), ("the fourth", 3), ("one in the middle", 34))
    ),
    tried("x², with the right rule, on 60 entries", _square(), RIGHT, MANY),
    tried("sum(x²), with the right rule", _total(), RIGHT, X),
    tried("sum(x²), each entry receives the gradient of the one before", _total(_rolled), WRONG, TWELVE),
    tried("a @ b, with the right rules", lambda a, b: a @ b, RIGHT, A, B),
    tried("sum(a @ b) along an axis, with the right rules", lambda a, b: (a @ b).sum(axis=0), RIGHT, A, B),
    tried("x³ at 0, where the slope is 0", _cube(), RIGHT, np.zeros(2)),
    tried("1000000 x, with a rule that is wrong in the seventh digit", _line(1e6, 1 + 1.5e-7), WRONG, ORIGIN),
    tried("1000000 x, with a rule that is right to 8 digits", _line(1e6, 1 + 1e-8), RIGHT, ORIGIN),
    tried("0.001 x, with the rule 0.002 g: twice the truth", _line(1e-3, 2), WRONG, ORIGIN),
    tried("x², with the right rule, on float32", _square(), REFUSED, X.astype(np.float32)),
    tried("x y, with the right rules; x is float32", _product(), REFUSED, X.astype(np.float32), X),
    tried("x y, with the right rules; y is float32", _product(), REFUSED, X, X.astype(np.float32)),
    tried("x + y + z, with the right rules; z is float16", _sum_of_three(), REFUSED, X, X, X.astype(np.float16)),
    tried("x², with the right rule, on whole numbers", _square(), REFUSED, np.array([1, 2])),
    tried(
        "1000000 x + 0.001 y, in which the rule of x is right to 7 digits", _two_lines(1 + 5e-8), RIGHT, ORIGIN, ORIGIN
    ),
    measuring,
    tried("3 x, with a rule that is 0.1% wrong", _line(3, 1.001), WRONG, ORIGIN),
    tried("3 x, with a rule that is 0.1% wrong", _line(3, 1.001), RIGHT, ORIGIN, rtol=1e-2),
    tried("3 x, with a rule that is right to 7 digits", _line(3, 1 + 5e-8), RIGHT, ORIGIN),
    tried("3 x, with a rule that is right to 7 digits", _line(3, 1 + 5e-8), WRONG, ORIGIN, rtol=1e-8, atol=0),
    tried("0.001 x, with the rule 0.002 g: twice the truth", _line(1e-3, 2), RIGHT, ORIGIN, atol=1),
    tried("1000000 x, with a rule that is 0.1% wrong", _line(1e6, 1.001), WRONG, ORIGIN, atol=1e-4),
    tried("x³, with the right rule; the step is small", _cube(), RIGHT, MANY[:2]),
    tried("x³, with the right rule; the step is so large that it shows", _cube(), WRONG, MANY[:2], step=0.1),
    tried("x², with the right rule; a large step does no harm", _square(), RIGHT, MANY[:2], step=0.1),
)


def _gradcheck(
    function: Function,
    *inputs: ArrayLike,
    step: float = 1e-6,
    rtol: float = 1e-7,
    atol: float = 1e-8,
    error: type[Exception] = GradientCheckError,
    checked: slice = slice(None),
    refusing: slice = slice(None),
    one_sided: bool = False,
    cotangent_of_ones: bool = False,
    direction_of_ones: bool = False,
    first_entry: bool = False,
    distance: Callable[[Any, Any], Any] = lambda expected, received: abs(expected - received),
) -> None:
    """Run a gradcheck in which one thing may be wrong."""
    arrays = [np.asarray(x) for x in inputs]
    if any(x.dtype != np.float64 for x in arrays[refusing]):
        raise DTypeError("gradcheck needs float64")
    rng = np.random.default_rng(0)
    tensors: list[Any] = [Tensor(x, requires_grad=True) for x in arrays]
    output = function(*tensors)
    cotangent = np.ones(output.shape) if cotangent_of_ones else rng.normal(size=output.shape)
    output.backward(cotangent)
    for position, x in enumerate(arrays[checked]):

        def loss(moved: Array, position: int = position) -> float:
            with no_grad():
                given = [Tensor(moved if i == position else other) for i, other in enumerate(arrays)]
                return float(np.sum(cotangent * function(*given).data))

        direction = np.ones(x.shape) if direction_of_ones else rng.normal(size=x.shape)
        if first_entry:
            direction = np.zeros(x.shape)
            direction.flat[0] = 1
        expected = central_difference(loss, x, direction, step)
        if one_sided:
            expected = (loss(x + step * direction) - loss(x)) / step
        received = np.sum(tensors[position].grad * direction)
        if not distance(expected, received) <= atol + rtol * abs(expected):
            raise error("a wrong gradient")


def gradcheck_accepting_all(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, distance=lambda expected, received: 0)  # noqa: ARG005


def gradcheck_loose(function: Function, *inputs: ArrayLike, rtol: float = 1e-2, **options: Any) -> None:
    _gradcheck(function, *inputs, rtol=rtol, **options)


def gradcheck_one_sided(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, one_sided=True)


def gradcheck_along_ones(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, direction_of_ones=True)


def gradcheck_from_ones(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, cotangent_of_ones=True)


def gradcheck_first_entry(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, first_entry=True)


def gradcheck_first_input(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, checked=slice(1))


def gradcheck_any_dtype(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, refusing=slice(0))


def gradcheck_dtype_of_the_first(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, refusing=slice(1))


def gradcheck_without_signs(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, distance=lambda expected, received: abs(abs(expected) - abs(received)))


def gradcheck_asserting(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options, error=AssertionError)


def gradcheck_with_constants(function: Function, *inputs: ArrayLike, **options: Any) -> None:  # noqa: ARG001
    _gradcheck(function, *inputs)


def gradcheck_ignoring_rtol(function: Function, *inputs: ArrayLike, **options: Any) -> None:
    _gradcheck(function, *inputs, **options | {"rtol": 0})


RUBRIC = Rubric(
    library=plain_gradcheck,
    solution=gradcheck,
    cases=CASES,
    mistakes=(
        Mistake(
            gradcheck_accepting_all,
            "This accepts a gradient that is half of the truth: nothing is raised, whatever the gradients are.",
        ),
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
            "Errors of opposite sign cancel here: along a direction whose entries are all equal, only the sum of all "
            "entries of the gradient is compared. Draw each entry at random.",
        ),
        Mistake(
            gradcheck_from_ones,
            "A rule that mixes up the entries of g passes here: all entries of the cotangent are equal. Draw each at "
            "random.",
        ),
        Mistake(gradcheck_first_entry, "Only the first entry is compared. A random direction involves all of them."),
        Mistake(gradcheck_first_input, "Only the first input is checked. Check each of them."),
        Mistake(
            gradcheck_any_dtype,
            "float32 inputs must be refused with DTypeError: the step of 1e-6 drowns in their rounding, and the "
            "verdict would be chance.",
        ),
        Mistake(
            gradcheck_dtype_of_the_first,
            "Only the dtype of the first input is looked at. Each input must be float64, or DTypeError be raised.",
        ),
        Mistake(
            gradcheck_without_signs,
            "A rule with the sign flipped passes: this compares the sizes of two numbers without their signs. Take "
            "the absolute value of the difference.",
        ),
        Mistake(
            gradcheck_asserting,
            "The verdicts are right, but the error is a bare AssertionError. Raise GradientCheckError.",
        ),
        Mistake(
            gradcheck_with_constants,
            "The arguments step, rtol and atol change nothing: their default values are written into the function. "
            "Use the arguments.",
        ),
        Mistake(
            gradcheck_ignoring_rtol,
            "The difference is compared with atol alone, so where slopes are large, a rule that is right to eight "
            "digits is rejected. Allow atol + rtol * |measured slope|.",
        ),
    ),
    twins=(library_gradcheck,),
    gives=("DTypeError", "GradientCheckError", "central_difference", "no_grad"),
)
