"""Every op of the table on every kind of number: narrow, wide, foreign, whole, tiny, huge, infinite, NaN."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from tinydist import Tensor, apply, ops
from tinydist.errors import DTypeError
from tinydist.ops.table import OPS

# Each op once, on its case with most entries.
LARGEST = [pytest.param(op, max(op.cases, key=lambda case: sum(map(math.prod, case.shapes))), id=op.name) for op in OPS]
every_op = pytest.mark.parametrize(("op", "case"), LARGEST)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])

WIDER = [] if np.dtype(np.longdouble) == np.float64 else [np.longdouble]
WHOLE = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.bool)
MOVE = {ops.reshape, ops.transpose, ops.index, ops.concatenate, ops.stack, ops.where}
"""These move entries, and keep their dtype."""


def options_of(case):
    return {key: np.asarray(value) if key == "labels" else value for key, value in case.options.items()}


def inputs_of(case, dtype=np.float64):
    rng = np.random.default_rng(1)
    return [np.asarray(rng.uniform(case.low, case.high, shape), dtype=dtype) for shape in case.shapes]


def named(op):
    """The op as its errors name it: a sparse input is no concern of who calls a linear layer."""
    return op.name.removeprefix("sparse_")


@every_op
@pytest.mark.parametrize("dtype", [np.float16, *WIDER, np.complex64, "U1", object])
def test_other_numbers_are_refused(op, case, dtype):
    inputs = [np.ones(shape).astype(dtype) for shape in case.shapes]
    with pytest.raises(DTypeError, match=f"^{named(op)} (computes in float32 or float64, got|holds real numbers, got)"):
        op.function(*inputs, **options_of(case))


@every_op
@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_numbers_do_not_wrap(op, case, dtype):
    """The largest that the dtype holds, or 2**20 if that is less, give what float64 gives, which holds it exactly."""
    most = 1 if dtype == np.bool else min(np.iinfo(dtype).max, 2**20)
    if op.function in (
        ops.exp,
        ops.power_of,
        ops.gelu,
        ops.silu,
        ops.elu,
    ):  # whose values at some hundred are beyond float64
        most = min(most, 200)
    inputs = [np.full(shape, most, dtype=dtype) for shape in case.shapes]
    received = op.function(*inputs, **options_of(case))[0]
    wanted = op.function(*(x.astype(np.float64) for x in inputs), **options_of(case))[0]
    assert received.dtype in ((dtype,) if op.function in MOVE else (np.int64, np.float64))
    np.testing.assert_allclose(received, wanted, rtol=1e-12)


@every_op
@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", ">i8"])
def test_the_byte_order_of_other_machines_changes_nothing(op, case, dtype):
    foreign = [np.ones(shape, dtype=dtype) for shape in case.shapes]
    native = [x.astype(x.dtype.newbyteorder("=")) for x in foreign]
    received, wanted = (op.function(*inputs, **options_of(case))[0] for inputs in (foreign, native))
    assert received.dtype.isnative
    np.testing.assert_array_equal(received, wanted, strict=True)


def views(x):
    """The same entries, read-only, at odd addresses, or backwards in memory."""
    frozen = x.copy()
    frozen.flags.writeable = False
    odd = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(x.dtype).reshape(x.shape)
    turned = x[::-1].copy()[::-1] if x.ndim else x
    return {"frozen": frozen, "odd": odd, "turned": turned, "columns first": x.copy(order="F")}


@every_op
@pytest.mark.parametrize("kind", ["frozen", "odd", "turned", "columns first"])
def test_the_place_in_memory_changes_nothing(op, case, kind):
    inputs = inputs_of(case)
    received = op.function(*(views(x)[kind] for x in inputs), **options_of(case))
    wanted = op.function(*inputs, **options_of(case))
    np.testing.assert_allclose(received[0], wanted[0], rtol=1e-14, strict=True)
    for ours, theirs in zip(received[1], wanted[1], strict=True):
        np.testing.assert_allclose(ours(wanted[0]), theirs(wanted[0]), rtol=1e-12, atol=1e-12)


@every_op
def test_a_mask_is_not_lost(op, case):
    inputs = [np.ma.masked_array(x, mask=np.ones(x.shape)) for x in inputs_of(case)]
    with pytest.raises(DTypeError, match=f"^{named(op)} would lose the mask of a masked array; .*filled"):
        op.function(*inputs, **options_of(case))


PICKS = {ops.index, ops.where}
"""These pick some entries, among which the first need not be."""


def gradients_with(op, case, inputs, position, entry):
    """The value and all gradients with another first entry in one input."""
    tensors = [Tensor(x.copy(), requires_grad=True) for x in inputs]
    tensors[position].data.reshape(-1)[0] = entry
    with np.errstate(all="ignore"):
        y = apply(op.function, *tensors, **options_of(case))
        y.backward(np.ones_like(y.data))
    return y.data, [tensor.grad for tensor in tensors]


@every_op
@both_precisions
def test_nan_goes_in_and_comes_out(op, case, dtype):
    """NaN in one entry is seen in the value, and in every gradient that differs from number to number in its place."""
    inputs = inputs_of(case, dtype)
    for position in range(len(inputs)):
        y, received = gradients_with(op, case, inputs, position, np.nan)
        if op.function not in PICKS:
            assert np.isnan(y).any()
        others = [gradients_with(op, case, inputs, position, entry)[1] for entry in (-3, 0.25, 1, 3)]
        for k, gradient in enumerate(received):
            if any(not np.array_equal(others[0][k], other[k], equal_nan=True) for other in others):
                assert np.isnan(gradient).any()


@pytest.mark.parametrize("name", ["relu", "abs"])
@pytest.mark.parametrize("size", [3, 2**16])
def test_nan_has_a_gradient_of_nan_at_any_size(name, size):
    x = Tensor(np.full(size, np.nan, dtype=np.float32), requires_grad=True)
    y = getattr(x, name)()
    y.sum().backward()
    assert np.isnan(y.data).all()
    assert np.isnan(x.grad).all()


@pytest.mark.parametrize("rows", [2, 2**15])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_of_logits_with_nan_or_infinity_has_a_loss_and_gradient_of_nan(rows, bad):
    x = Tensor(np.zeros((rows, 3), dtype=np.float32), requires_grad=True)
    x.data[1, 2] = bad
    loss = x.cross_entropy(np.zeros(rows, dtype=">i8"))
    loss.backward()
    assert np.isnan(loss.item())
    assert np.isnan(x.grad).any(axis=1).tolist() == [False, True, *[False] * (rows - 2)]
    assert np.isnan(x.grad[1]).all()


SLOPES: dict[Any, Any] = {
    ops.div: (lambda a, b: a / b, [(1e-23, 1e-23), (1e20, -1e25), (1e-30, 1e-20), (3.0, 1e-19), (1e-38, 1e-38)]),
    ops.exp: (mpmath.exp, [(-80.0,), (80.0,), (1e-40,)]),
    ops.log: (mpmath.log, [(1e-38,), (1e38,), (1.0,)]),
    ops.sqrt: (mpmath.sqrt, [(1e-38,), (1e38,)]),
    ops.sigmoid: (lambda x: 1 / (1 + mpmath.exp(-x)), [(-80.0,), (80.0,), (0.0,)]),
    ops.softplus: (lambda x: mpmath.log(1 + mpmath.exp(x)), [(-80.0,), (80.0,), (1e37,)]),
    ops.silu: (lambda x: x / (1 + mpmath.exp(-x)), [(-80.0,), (80.0,), (1e37,)]),
    ops.gelu: (lambda x: x * mpmath.ncdf(x), [(-8.0,), (8.0,), (1e37,)]),
    ops.elu: (lambda x: x if x > 0 else mpmath.expm1(x), [(-80.0,), (1e-30,), (-1e-30,)]),
}


@pytest.mark.parametrize(
    ("op", "point"),
    [pytest.param(op, p, id=f"{op.__name__}-{p}") for op, (_, points) in SLOPES.items() for p in points],
)
@both_precisions
def test_values_and_slopes_at_the_edges_are_those_of_many_digits(op, point, dtype):
    point = [dtype(x) for x in point]
    tensors = [Tensor(x, requires_grad=True) for x in point]
    y = apply(op, *tensors)
    y.backward()
    with mpmath.workdps(150):
        exact = [mpmath.mpf(float(x)) for x in point]
        wanted = [SLOPES[op][0](*exact)]
        for k in range(len(exact)):
            orders = tuple(int(i == k) for i in range(len(exact)))
            step = mpmath.mpf(10) ** -60 * max(abs(exact[k]), mpmath.mpf(10) ** -30)
            wanted.append(mpmath.diff(SLOPES[op][0], tuple(exact), orders, h=step))
        wanted = [float(w) for w in wanted]
    received = [y.item(), *(tensor.grad.item() for tensor in tensors)]
    tiny = float(np.finfo(dtype).tiny)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(received, np.asarray(wanted, dtype), rtol=200 * np.finfo(dtype).eps, atol=tiny)


@pytest.mark.parametrize("op", [op for op in ops.ACTIVATIONS.values() if op is not ops.sin], ids=lambda op: op.__name__)
@both_precisions
def test_activations_of_infinity_are_their_limits(op, dtype):
    x = np.array([np.inf, -np.inf], dtype=dtype)
    value, (vjp,) = op(x)
    limits = {ops.tanh: [1, -1], ops.leaky_relu: x, ops.elu: [np.inf, -1], ops.abs: np.abs(x), ops.square: np.abs(x)}
    slopes = {ops.tanh: [0, 0], ops.leaky_relu: [1, 0.01], ops.abs: [1, -1], ops.square: x}
    np.testing.assert_array_equal(value, np.asarray(limits.get(op, [np.inf, 0]), dtype=dtype), strict=True)
    np.testing.assert_array_equal(vjp(np.ones_like(x)), np.asarray(slopes.get(op, [1, 0]), dtype=dtype), strict=True)


@both_precisions
def test_the_mean_of_huge_numbers_is_finite(dtype):
    huge = 0.99 * np.finfo(dtype).max
    x = Tensor(np.full((2, 3), huge), requires_grad=True, dtype=dtype)
    np.testing.assert_allclose(x.mean(axis=1).data, [huge, huge], rtol=1e-6)


def test_logsumexp_of_infinities():
    rows = np.array([[-np.inf, -np.inf], [np.inf, 1e4], [-np.inf, 2.0], [1e4, 1e4]])
    np.testing.assert_allclose(Tensor(rows).logsumexp(axis=1).data, [-np.inf, np.inf, 2, 1e4 + np.log(2)], rtol=1e-15)


@pytest.mark.parametrize(
    ("op", "inputs", "options"),
    [
        (ops.add, ([2**61], [2**61]), {}),
        (ops.sub, ([2**61], [-(2**61)]), {}),
        (ops.mul, ([2**32], [2**30]), {}),
        (ops.neg, ([2**62],), {}),
        (ops.abs, ([-(2**63)],), {}),
        (ops.pow, ([2**31],), {"exponent": 2}),
        (ops.square, ([2**31],), {}),
        (ops.sum, ([2**61, 2**61],), {}),
        (ops.matmul, ([[2**61, 2**61]], [[1], [1]]), {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whole_numbers_beyond_int64_are_refused(op, inputs, options):
    with pytest.raises(DTypeError, match=f"^{op.__name__}: the result outgrows int64; compute in floats, with dtype="):
        op(*inputs, **options)
    fourth = [np.array(inputs[0]) // 4, *inputs[1:]]
    received, exact = (op(*(np.asarray(x, dtype) for x in fourth), **options)[0] for dtype in (np.int64, np.float64))
    assert received.dtype == np.int64
    np.testing.assert_array_equal(received, exact)


@pytest.mark.parametrize("name", ["relu", "max", "clamp"])
def test_whole_numbers_are_exact_up_to_the_end_of_int64_and_refused_beyond(name):
    x = Tensor(np.array([2**63 - 1], dtype=np.uint64))
    assert int(getattr(x, name)().data.max()) == 2**63 - 1
    x.data += np.uint64(1)
    with pytest.raises(DTypeError, match=f"^{name}: whole numbers have to fit into int64, got uint64 beyond it"):
        getattr(x, name)()


def test_results_of_whole_numbers_are_exact_below_a_limit_and_refused_from_it():
    x = Tensor([2**62 - 1024])
    assert (x + 512).item() == 2**62 - 512
    for compute in (lambda: x + 1024, lambda: 0 - x - 1024):
        with pytest.raises(DTypeError, match=r"^(add|sub): the result outgrows int64"):
            compute()
    assert (Tensor([2.0**62]) * 2).item() == 2.0**63


@pytest.mark.parametrize("dtype", [np.int8, np.uint64])
def test_no_whole_numbers_at_all_are_fine(dtype):
    x = Tensor(np.zeros((0, 3), dtype=dtype))
    assert [(y.shape, y.dtype) for y in (x + 1, x * x, -x, x.relu())] == [((0, 3), np.int64)] * 4


def test_a_conversion_to_whole_numbers_loses_nothing():
    assert Tensor([1.0, 2.0], dtype=np.uint8).dtype == np.uint8
    for data in ([1.5], [np.nan], [-1.0], [256]):
        with pytest.raises(DTypeError, match="would change the numbers; round"):
            Tensor(data, dtype=np.uint8)
