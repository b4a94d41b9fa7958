"""Every op, on every case of the op table, against its textbook formula."""

import inspect
import pkgutil
from importlib import import_module

import autograd.numpy as anp
import numpy as np
import pytest

from tinydist import Tensor, apply, gradcheck, ops
from tinydist.ops.table import OPS

HELPERS = {"broadcastable", "normal_cdf", "reduced_axes", "unbroadcast"}


def label(op, case):
    return "-".join([op.name, *(f"{key}={value}" for key, value in case.options.items())])


CASES = [pytest.param(op, c, id=f"{label(op, c)}-{'x'.join(map(str, c.shapes))}") for op in OPS for c in op.cases]
KINKS = [pytest.param(op, kink, id=f"{label(op, kink)}-at={kink.inputs}") for op in OPS for kink in op.kinks]


def options_of(case):
    return {key: np.asarray(value) if key == "labels" else value for key, value in case.options.items()}


def inputs_of(case, dtype=np.float64):
    rng = np.random.default_rng(1)
    return [np.asarray(rng.uniform(case.low, case.high, shape), dtype=dtype) for shape in case.shapes]


def cotangent_of(value):
    return np.asarray(np.random.default_rng(2).normal(size=np.shape(value)), dtype=np.asarray(value).dtype)


def gradients_of(op, case, inputs):
    """The value, and the gradients after an incoming gradient that is not 1."""
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    result = apply(op.function, *tensors, **options_of(case))
    result.backward(cotangent_of(result.data))
    return result.data, [tensor.grad for tensor in tensors]


def test_every_op_is_in_the_table():
    modules = [import_module(f"tinydist.ops.{m.name}") for m in pkgutil.iter_modules(ops.__path__) if m.name != "table"]
    defined = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    listed = [op.name for op in OPS]
    assert not defined - HELPERS - set(listed), "add these to the op table, in ops/table.py"
    assert sorted(listed) == sorted(defined - HELPERS)
    assert all(getattr(ops, op.name) is op.function for op in OPS)


@pytest.mark.parametrize(("op", "case"), CASES)
def test_value_is_the_formula(op, case):
    inputs = inputs_of(case)
    value, vjps = op.function(*inputs, **options_of(case))
    np.testing.assert_allclose(value, op.formula(np, *inputs, **options_of(case)), rtol=1e-13, atol=1e-15, strict=True)
    assert len(vjps) == len(inputs)


@pytest.mark.parametrize(("op", "case"), CASES)
def test_gradient_is_that_of_autograd(op, case, autograd_gradients):
    inputs = inputs_of(case)
    value, gradients = gradients_of(op, case, inputs)
    expected = autograd_gradients(lambda *x: op.formula(anp, *x, **options_of(case)), inputs, cotangent_of(value))
    for received, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-11, atol=1e-13, strict=True)


@pytest.mark.parametrize(("op", "case"), CASES)
def test_gradient_is_that_of_finite_differences(op, case):
    gradcheck(lambda *tensors: apply(op.function, *tensors, **options_of(case)), *inputs_of(case))


@pytest.mark.parametrize(("op", "case"), CASES)
def test_float32_stays_float32_and_close_to_float64(op, case):
    single = inputs_of(case, np.float32)
    value, gradients = gradients_of(op, case, single)
    wide_value, wide_gradients = gradients_of(op, case, [x.astype(np.float64) for x in single])
    for received, wide in zip([value, *gradients], [wide_value, *wide_gradients], strict=True):
        assert received.dtype == np.float32
        tolerance = 100 * np.finfo(np.float32).eps * max(1, np.abs(wide).max(initial=0))
        np.testing.assert_allclose(received, wide, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("op", "case"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_rule_keeps_shape_and_dtype_and_leaves_what_it_reads(op, case, dtype):
    inputs = inputs_of(case, dtype)
    value, vjps = op.function(*inputs, **options_of(case))
    g = cotangent_of(value)
    received = [vjp(g) for vjp in vjps]
    assert [(r.shape, r.dtype) for r in received] == [(x.shape, x.dtype) for x in inputs]
    fresh_value, _ = op.function(*inputs_of(case, dtype), **options_of(case))
    for read, fresh in zip(
        [*inputs, value, g], [*inputs_of(case, dtype), fresh_value, cotangent_of(value)], strict=True
    ):
        np.testing.assert_array_equal(read, fresh)


@pytest.mark.parametrize(("op", "kink"), KINKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kink_has_the_decided_gradient(op, kink, dtype):
    tensors = [Tensor(x, requires_grad=True, dtype=dtype) for x in kink.inputs]
    result = apply(op.function, *tensors, **kink.options)
    result.backward(np.ones_like(result.data))
    for tensor, wanted in zip(tensors, kink.gradients, strict=True):
        np.testing.assert_array_equal(tensor.grad, np.asarray(wanted, dtype=dtype), strict=True)
