"""gradcheck passes right gradients and finds wrong ones, which are planted here."""

import re

import numpy as np
import pytest

from tinydist import Tensor, apply, gradcheck
from tinydist.errors import DTypeError, GradientCheckError
from tinydist.gradcheck import central_difference
from tinydist.nn import Module

X = np.random.default_rng(0).uniform(0.5, 2, (3, 4))
Y = np.random.default_rng(1).uniform(0.5, 2, (3, 4))


def product_with(spoil):
    """The function (x, y) -> x * y whose gradient with respect to y passes through `spoil`."""

    def mul(x, y):
        return x * y, (lambda g: g * y, lambda g: spoil(g * x))

    def product(x, y):
        return apply(mul, x, y)

    return product


def spoiled_at(index, factor):
    def spoil(gradient):
        gradient = gradient.copy()
        gradient[index] *= factor
        return gradient

    return spoil


# --- the difference quotient ---------------------------------------------------------------------------------------


def test_central_difference_is_the_slope_along_the_direction():
    matrix = np.array([[2.0, 1.0], [1.0, -3.0]])
    x, direction = np.array([0.5, -1.0]), np.array([2.0, 1.0])
    expected = direction @ (matrix @ x)  # of x·Ax/2 along d: d·Ax, and exactly so, since third derivatives vanish
    assert central_difference(lambda v: v @ matrix @ v / 2, x, direction) == pytest.approx(expected, rel=1e-9)
    assert central_difference(lambda v: v @ matrix @ v / 2, x, direction, step=0.5) == pytest.approx(
        expected, rel=1e-14
    )


def test_the_length_of_the_direction_counts():
    assert central_difference(np.sum, np.ones(3), np.full(3, 10.0)) == pytest.approx(30)
    assert central_difference(np.sum, np.ones(3), np.zeros(3)) == 0


def test_the_error_shrinks_with_the_square_of_the_step():
    steps = np.array([1e-1, 1e-2, 1e-3])
    errors = [central_difference(np.exp, np.array(1.0), np.array(1.0), step) - np.e for step in steps]
    np.testing.assert_allclose(errors, np.e / 6 * steps**2, rtol=0.01)  # h² f''' / 6
    assert central_difference(np.exp, np.array(1.0), np.array(1.0)) == pytest.approx(np.e, rel=1e-9)


def test_at_a_kink_the_central_difference_is_the_mean_of_both_slopes():
    assert central_difference(np.abs, np.array(0.0), np.array(1.0)) == 0
    assert central_difference(lambda v: np.maximum(v, 0), np.array(0.0), np.array(1.0)) == 0.5


def test_central_difference_leaves_x_alone():
    x = X.copy()
    central_difference(np.sum, x, np.ones_like(x))
    np.testing.assert_array_equal(x, X)


# --- right and wrong gradients -------------------------------------------------------------------------------------


def test_right_gradients_pass():
    gradcheck(product_with(lambda gradient: gradient), X, Y)


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (5, 4, 3)])
def test_any_shape_passes(shape):
    gradcheck(lambda x: (x * x).exp(), np.full(shape, 0.5))


@pytest.mark.parametrize("constant", [[1.0, 2.0], [0.0, 0.0], []], ids=str)
@pytest.mark.parametrize("shape", [(3,), (10, 12)])
def test_a_constant_has_gradient_0(constant, shape):
    gradcheck(lambda _: Tensor(constant, dtype=float), np.ones(shape))
    with pytest.raises(GradientCheckError, match=r"expected 0 \(central difference\), received 0.001"):
        gradcheck(lambda x: apply(lambda _: (np.array(constant), (lambda _: np.full(shape, 1e-3),)), x), np.ones(shape))


@pytest.mark.parametrize("factor", [1.001, 0.999, -1])
def test_a_gradient_wrong_everywhere_is_found(factor):
    with pytest.raises(GradientCheckError):
        gradcheck(product_with(lambda gradient: factor * gradient), X, Y)


@pytest.mark.parametrize("index", list(np.ndindex(X.shape)))
def test_a_single_entry_wrong_by_a_thousandth_is_found_and_named(index):
    with pytest.raises(GradientCheckError) as error:
        gradcheck(product_with(spoiled_at(index, 1.001)), X, Y)
    where = re.escape(f"product: the gradient of input 1 is wrong at index [{index[0]}, {index[1]}]: ")
    found = re.match(where + r"expected (\S+) \(central difference\), received (\S+)\. ", str(error.value))
    assert found, str(error.value)
    expected, received = map(float, found.groups())
    assert received / expected == pytest.approx(1.001, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_one_wrong_entry_among_hundreds_is_found(seed):
    x, y = np.random.default_rng(seed).uniform(0.5, 2, (2, 20, 30))
    with pytest.raises(GradientCheckError, match=r"input 1 is wrong at index \[7, 11\]"):
        gradcheck(product_with(spoiled_at((7, 11), 1.001)), x, y, seed=seed)


@pytest.mark.parametrize("others", [1, 2])
@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_named_before_others_that_are_wrong(factor, others):
    spoil = spoiled_at((1, 2), factor)
    with pytest.raises(GradientCheckError, match=r"input 1 is wrong at index \[1, 2\]: .* received (nan|-?inf)"):
        gradcheck(product_with(lambda gradient: spoil(others * gradient)), X, Y)


def test_gradients_of_which_none_is_finite_are_found():
    with pytest.raises(GradientCheckError, match=r"input 1 is wrong at index \[0, 0\]: .* received nan"):
        gradcheck(product_with(lambda gradient: np.nan * gradient), X, Y)


@pytest.mark.parametrize("factors", [(1.01, 1.1), (1.1, 1.01), (0.5, 1), (1.0, -1.0)])
@pytest.mark.parametrize("x", [(1.0, 1.0), (1e-3, 1e3)])
def test_the_entry_that_is_wrong_by_the_largest_share_is_named(factors, x):
    worst = int(np.argmax(np.abs(np.subtract(factors, 1))))
    with pytest.raises(GradientCheckError) as error:
        gradcheck(curve("square", np.array(factors)), x)
    found = re.search(r"wrong at index \[(\d)\]: expected (\S+) .* received (\S+)\. ", str(error.value))
    assert int(found[1]) == worst
    slope = 2 * x[worst]  # of sum(v x²), with one v for each entry
    assert float(found[3]) / float(found[2]) == pytest.approx(factors[worst], rel=1e-6)
    assert float(found[2]) == pytest.approx(slope * np.random.default_rng(0).normal(size=2)[worst], rel=1e-6)


def test_a_lost_graph_is_found():
    with pytest.raises(GradientCheckError, match=r"input 0 is wrong .* received 0\."):
        gradcheck(lambda x: Tensor(x.data**2), X)


def test_a_function_without_a_name_is_shown():
    class Lost(Module):
        def forward(self, x):
            return Tensor(x.data**2)

    with pytest.raises(GradientCheckError, match=r"^Lost\(\): the gradient of input 0 is wrong"):
        gradcheck(Lost(), X)


def test_an_input_left_out_of_the_graph_is_found():
    with pytest.raises(GradientCheckError, match=r"input 1 is wrong .* received 0\."):
        gradcheck(lambda x, y: x * y.data, X, Y)


def test_gradients_of_swapped_inputs_are_found():
    def swapped(x, y):
        return x * y, (lambda g: g * x, lambda g: g * y)

    with pytest.raises(GradientCheckError, match="input 0"):
        gradcheck(lambda x, y: apply(swapped, x, y), X, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_only_float64_is_checked(dtype):
    with pytest.raises(DTypeError, match=f"needs float64, but input 1 is {np.dtype(dtype)}"):
        gradcheck(lambda x, y: x * y, X, Y.astype(dtype))


def test_a_function_that_changes_the_dtype_is_found():
    def narrow(x):
        return x.astype(np.float32), (lambda g: g.astype(np.float64),)

    def narrowed(x):
        return apply(narrow, x)

    with pytest.raises(DTypeError, match="narrowed turned float64 inputs into float32"):
        gradcheck(narrowed, X)


def test_inputs_are_left_alone():
    x = X.copy()
    gradcheck(lambda x: x.tanh(), x)
    np.testing.assert_array_equal(x, X)


# --- points of any size --------------------------------------------------------------------------------------------

CURVES = {
    "square": (lambda x: x * x, lambda x: 2 * x),
    "log": (np.log, lambda x: 1 / x),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "sine": (np.sin, np.cos),
    "far from zero": (lambda x: 1e6 + x, np.ones_like),
}
NEEDS_ANOTHER_STEP = {
    "close to zero": (lambda x: 1 + x, np.ones_like, [1e-13, 2e-16]),
    "curved within a share of 1e-9": (lambda x: np.sin(1e9 * x), lambda x: 1e9 * np.cos(1e9 * x), [1.0, 1.3]),
}


def curve(name, factor=1.0):
    function, slope, *_ = (CURVES | NEEDS_ANOTHER_STEP)[name]
    return lambda x: apply(lambda x: (function(x), (lambda g: factor * g * slope(x),)), x)


@pytest.mark.parametrize("shape", [(3,), (10, 12)])
@pytest.mark.parametrize("size", [1e-3, 1, 1e3, 1e6])
@pytest.mark.parametrize("name", CURVES)
def test_a_right_gradient_passes_and_a_thousandth_is_found_at_any_size(name, size, shape):
    x = size * np.random.default_rng(0).uniform(0.5, 2, shape)
    gradcheck(curve(name), x)
    for factor in (1.001, 0.999):
        with pytest.raises(GradientCheckError):
            gradcheck(curve(name, factor), x)


@pytest.mark.parametrize("name", NEEDS_ANOTHER_STEP)
def test_a_right_gradient_passes_and_a_thousandth_is_found_where_other_steps_are_needed(name):
    *_, x = NEEDS_ANOTHER_STEP[name]
    gradcheck(curve(name), x)
    for factor in (1.001, 0.999):
        with pytest.raises(GradientCheckError):
            gradcheck(curve(name, factor), x)


@pytest.mark.parametrize("entry", range(4))
def test_a_small_entry_does_not_drown_among_large_ones(entry):
    x, factor = np.array([1e-3, 1, 1e3, 1e6]), np.ones(4)
    gradcheck(curve("square"), x)
    factor[entry] = 1.001
    with pytest.raises(GradientCheckError, match=rf"wrong at index \[{entry}\]"):
        gradcheck(curve("square", factor), x)


@pytest.mark.parametrize("factor", [1, 0.5, 10])
@pytest.mark.parametrize("shape", [(3,), (10, 12)])
def test_nothing_can_be_told_beside_an_offset_that_hides_the_change(factor, shape):
    with pytest.raises(ValueError, match="cannot tell at this point whether the gradient of input 0 is right"):
        gradcheck(beside(1e14, factor), np.random.default_rng(0).uniform(0.5, 2, shape))


def beside(offset, factor=1.0):
    return lambda x: apply(lambda x: (x + offset, (lambda g: factor * g,)), x)


def test_what_atol_allows_need_not_be_told():
    gradcheck(beside(1e14), [1.0], atol=10)


def test_the_step_that_tells_most_counts():
    gradcheck(beside(1e5), [1.0])
    with pytest.raises(GradientCheckError):  # at most 1e-5 could be told by the first step, 1e-8 by a longer one
        gradcheck(beside(1e5, 1 + 1e-6), [1.0])


def test_what_can_be_told_to_a_tenth_is_checked():
    gradcheck(beside(3e11), [1.0])  # whose last digits are 3e11 · 2.2e-16 / 0.001 = 7% of the change by 0.001
    with pytest.raises(GradientCheckError):
        gradcheck(beside(3e11, 1.5), [1.0])
    with pytest.raises(ValueError, match="cannot tell at this point"):
        gradcheck(beside(6e11), [1.0])


@pytest.mark.parametrize(
    "x", [[0.0, 0.0], [40.0, 50.0], [30.0, 1.0], [17.0, 17.3], [32.0, 33.0], [-40.0, 37.0], [1e-9, 1e9]]
)
@pytest.mark.parametrize("op", ["sigmoid", "tanh", "log_softmax", "logsumexp", "relu", "sqrt"])
def test_slopes_of_almost_0_are_no_false_alarm(op, x):
    gradcheck(lambda x: getattr(abs(x) + 1 if op == "sqrt" else x, op)(), np.add(x, 1e-9))


# --- what it costs and allows --------------------------------------------------------------------------------------


def recorded(function):
    """The function, and a list of the inputs that it is called with."""
    inputs = []

    def recording(x):
        inputs.append(x.data.tolist())
        return function(x)

    return recording, inputs


@pytest.mark.parametrize(
    ("entries", "settings", "quotients"), [(64, {}, 64), (65, {}, 3), (1000, {}, 3), (1000, {"projections": 1}, 1)]
)
def test_a_few_evaluations_do_for_a_large_input(entries, settings, quotients):
    exponential, inputs = recorded(lambda x: x.exp())
    gradcheck(exponential, np.linspace(1, 2, entries), **settings)
    assert len(inputs) == 2 + 4 * quotients  # backward, again, then with the step and half of it on both sides


@pytest.mark.parametrize(("settings", "step"), [({}, 1e-6), ({"step": 1e-5}, 1e-5)])
def test_the_step_is_a_share_of_the_entry_or_of_1(settings, step):
    exponential, inputs = recorded(lambda x: x.exp())
    gradcheck(exponential, [0.0, -4.0], **settings)
    shares = np.array([step, -step, step / 2, -step / 2])
    np.testing.assert_allclose(inputs[2:6], [[share, -4] for share in shares], rtol=1e-12)
    np.testing.assert_allclose(inputs[6:], [[0, -4 + 4 * share] for share in shares], rtol=1e-12)


SLOPE = 2 * abs(np.random.default_rng(0).normal())  # of v x² at 1, for the v that gradcheck draws


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("settings", "allowed"),
    [({}, 1e-7), ({"rtol": 0.01}, 0.01), ({"rtol": 0, "atol": 0.01}, 0.01 / SLOPE), ({"atol": 2}, 2 / SLOPE)],
    ids=str,
)
def test_an_error_within_the_tolerance_is_allowed_and_no_larger_one(settings, allowed, sign):
    gradcheck(curve("square", 1 + 0.98 * sign * allowed), [1.0], **settings)
    with pytest.raises(GradientCheckError):
        gradcheck(curve("square", 1 + 1.02 * sign * allowed), [1.0], **settings)


# --- functions that cannot be checked ------------------------------------------------------------------------------


def test_a_function_that_draws_numbers_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="gives another output when it is called again"):
        gradcheck(lambda x: x * rng.normal(), X)


@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
def test_only_the_last_digits_may_differ_from_call_to_call(size):
    def drifting(by):
        factors = iter([1.0])
        return lambda x: x * next(factors, 1 + by)

    for sign in (1, -1):
        gradcheck(drifting(sign * 0.9e-12), size * X)
        with pytest.raises(ValueError, match="gives another output when it is called again"):
            gradcheck(drifting(sign * 1.1e-12), size * X)


@pytest.mark.parametrize(("inputs", "projections"), [((), 3), ((X,), 0), ((np.ones(100),), 0)])
def test_there_is_something_to_check(inputs, projections):
    with pytest.raises(ValueError, match="needs an input and a projection, got"):
        gradcheck(lambda *_: Tensor(1.0), *inputs, projections=projections)


def test_a_function_that_changes_its_input_is_refused():
    def greedy(x):
        y = x * 2
        x.data[0] = 0
        return y

    before = X.copy()
    with pytest.raises(ValueError, match="greedy changes its input 0"):
        gradcheck(greedy, X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("output", [1.0, None, np.ones(2), (Tensor(1.0),)], ids=str)
def test_a_function_returns_a_tensor(output):
    with pytest.raises(TypeError, match=f"must return a tensor, got a {type(output).__name__}"):
        gradcheck(lambda _: output, X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_have_no_slope(value):
    with pytest.raises(ValueError, match=r"output of .* has a NaN or an infinity"):
        gradcheck(lambda x: x * Tensor(value), X)
    with pytest.raises(ValueError, match="input 1 has a NaN or an infinity"):
        gradcheck(lambda x, y: x * y, X, X * value)


@pytest.mark.parametrize("step", [0, -1e-6, float("nan"), float("inf")])
def test_a_step_is_above_0_and_finite(step):
    with pytest.raises(ValueError, match=f"needs a finite step above 0, got {step}"):
        gradcheck(lambda x: x * 2, X, step=step)
