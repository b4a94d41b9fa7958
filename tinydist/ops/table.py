"""The op table: every op, its textbook formula, the inputs it is tested on and the gradients chosen at its kinks.

An op listed here is tested for values, gradients, broadcasting and dtypes by ``tests/ops/test_table.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from tinydist import ops
from tinydist.sparse import SparseMatrix

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Case:
    """Inputs to test an op on: one array per shape, drawn uniformly from ``[low, high)``, and the op's options."""

    shapes: Shapes
    low: float = -2.0
    high: float = 2.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kink:
    """A point without a derivative, and the gradient the op gives there for an incoming gradient of 1."""

    inputs: tuple[Any, ...]
    gradients: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Op:
    """One differentiable operation.

    Attributes:
        function: the op itself, arrays to ``(value, vjps)``.
        rule: its gradient rule in words; `g` is the incoming gradient.
        formula: the value as a textbook writes it, given an array module (NumPy or one that follows it).
        cases: inputs to test it on.
        kinks: the chosen gradients at points without a derivative.
    """

    function: Callable[..., ops.Result]
    rule: str
    formula: Callable[..., Any]
    cases: tuple[Case, ...]
    kinks: tuple[Kink, ...] = ()

    @property
    def name(self) -> str:
        """Return the op's name, that of its function."""
        return self.function.__name__


def _unary(low: float = -2.0, high: float = 2.0, /, **options: Any) -> tuple[Case, ...]:
    return tuple(Case((shape,), low, high, options) for shape in [(), (5,), (1, 3), (2, 3, 4)])


def _binary(low: float = -2.0, high: float = 2.0) -> tuple[Case, ...]:
    pairs = [
        ((3,), (3,)),
        ((2, 3), ()),
        ((), (4,)),
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((4, 1, 2), (3, 1)),
        ((0, 3), (3,)),
    ]
    return tuple(Case(shapes, low, high) for shapes in pairs)


def _reduction() -> tuple[Case, ...]:
    axes: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"keepdims": True}]
    return (Case(((),)), *(Case(((2, 3, 4),), options=options) for options in axes))


def _sparse(rows: int, columns: int, scale: float = 1.0, shift: float = 0.0) -> SparseMatrix:
    """Return a matrix in which three of ten pixels are non-zero."""
    entries = np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns) % 10
    return SparseMatrix(np.where(entries % 3 == 0, entries, 0).astype(np.uint8), scale, shift)


def _distance_formula(xp: ModuleType, x: Any, center: Any, weight: Any, floor: float = 0.0) -> Any:
    squares = xp.sum(weight[None] * (x[:, None] - center[None]) ** 2, axis=2)
    return xp.sqrt(xp.maximum(squares, floor))


def _conv2d_formula(xp: ModuleType, x: Any, weight: Any, bias: Any = 0.0, stride: int = 1, padding: int = 0) -> Any:
    """Return the convolution as a sum over the kernel's entries: the image moved by an entry's place, times it."""
    x = xp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), "constant")
    _, _, height, width = weight.shape
    last_row, last_column = x.shape[2] - height + 1, x.shape[3] - width + 1
    terms = [
        xp.einsum("bcyx,oc->boyx", x[:, :, i : i + last_row : stride, j : j + last_column : stride], weight[:, :, i, j])
        for i in range(height)
        for j in range(width)
    ]
    return sum(terms) + xp.reshape(bias, (-1, 1, 1))


def _whole_windows(xp: ModuleType, x: Any, size: int) -> Any:
    """Return the whole windows of images, (batch, channels, rows, size, columns, size)."""
    rows, columns = x.shape[2] // size, x.shape[3] // size
    return xp.reshape(x[:, :, : rows * size, : columns * size], (*x.shape[:2], rows, size, columns, size))


def _pooling() -> tuple[Case, ...]:
    shapes_and_sizes = [((2, 3, 4, 6), 2), ((1, 2, 7, 5), 3), ((2, 1, 3, 3), 1), ((0, 2, 4, 4), 2)]
    return tuple(Case((shape,), options={"size": size}) for shape, size in shapes_and_sizes)


def _log_softmax_formula(xp: ModuleType, x: Any, axis: int = -1) -> Any:
    return x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))


def _cross_entropy_formula(xp: ModuleType, logits: Any, labels: Any) -> Any:
    return -xp.mean(_log_softmax_formula(xp, logits)[xp.arange(len(labels)), labels])


def _gelu_formula(xp: ModuleType, x: Any) -> Any:
    """Return ``x Φ(x)``, with Φ by Gauss-Legendre quadrature of the density from 0 to x, for any array module."""
    points, weights = np.polynomial.legendre.leggauss(40)
    density = sum(w * xp.exp(-((x * (p + 1) / 2) ** 2) / 2) for p, w in zip(points, weights, strict=True))
    return x * (0.5 + x / 2 * density / (2 * np.pi) ** 0.5)


OPS: tuple[Op, ...] = (
    Op(ops.add, "g to both", lambda _, a, b: a + b, _binary()),
    Op(ops.sub, "g to the first, -g to the second", lambda _, a, b: a - b, _binary()),
    Op(ops.mul, "g times the other factor", lambda _, a, b: a * b, _binary()),
    Op(ops.div, "g / b to a, -g a / b² to b", lambda _, a, b: a / b, _binary(0.5, 2.0)),
    Op(
        ops.maximum,
        "g to the larger, half each where they tie",
        lambda xp, a, b: xp.maximum(a, b),
        _binary(),
        (Kink((1.0, 1.0), (0.5, 0.5)), Kink((0.0, -0.0), (0.5, 0.5))),
    ),
    Op(ops.neg, "-g", lambda _, x: -x, _unary()),
    Op(
        ops.pow,
        "g p x^(p-1)",
        lambda _, x, exponent: x**exponent,
        (*_unary(exponent=3), *_unary(exponent=0), *_unary(0.5, 2.0, exponent=-1.5)),
        (Kink((0.0,), (0.0,), {"exponent": 0.5}), Kink((0.0,), (0.0,), {"exponent": 0})),
    ),
    Op(
        ops.power_of,
        "g b^x log b",
        lambda _, x, base: base**x,
        (*_unary(base=2), *_unary(base=0.3), *_unary(base=1.0)),
    ),
    Op(ops.exp, "g e^x", lambda xp, x: xp.exp(x), _unary()),
    Op(ops.log, "g / x", lambda xp, x: xp.log(x), _unary(0.5, 3.0)),
    Op(ops.sqrt, "g / (2 √x), 0 at 0", lambda xp, x: xp.sqrt(x), _unary(0.5, 3.0), (Kink((0.0,), (0.0,)),)),
    Op(ops.abs, "g sign(x), 0 at 0", lambda xp, x: xp.abs(x), _unary(), (Kink((0.0,), (0.0,)), Kink((-0.0,), (0.0,)))),
    Op(
        ops.relu,
        "g where x > 0, else 0",
        lambda xp, x: xp.maximum(x, 0),
        _unary(),
        (Kink((0.0,), (0.0,)), Kink((-0.0,), (0.0,))),
    ),
    Op(
        ops.clamp,
        "g strictly between the limits, else 0",
        lambda xp, x, low=-np.inf, high=np.inf: xp.minimum(xp.maximum(x, low), high),
        (*_unary(low=-1.0, high=0.5), *_unary(low=0.0), *_unary(high=0.3)),
        (Kink((0.0,), (0.0,), {"low": 0.0}), Kink((1.0,), (0.0,), {"high": 1.0})),
    ),
    Op(ops.tanh, "g (1 - tanh² x)", lambda xp, x: xp.tanh(x), _unary()),
    Op(ops.sigmoid, "g σ(x) (1 - σ(x))", lambda xp, x: 1 / (1 + xp.exp(-x)), _unary()),
    Op(ops.gelu, "g (Φ(x) + x φ(x)), with the normal distribution Φ and its density φ", _gelu_formula, _unary()),
    Op(
        ops.gelu_tanh,
        "g (s + x s (1 - s) 2u'), with s = σ(2u) and u = √(2/π) (x + 0.044715 x³)",
        lambda xp, x: x / 2 * (1 + xp.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
        _unary(),
    ),
    Op(ops.silu, "g (σ(x) + x σ(x) (1 - σ(x)))", lambda xp, x: x / (1 + xp.exp(-x)), _unary()),
    Op(
        ops.leaky_relu,
        "g where x > 0, else a small share of it",
        lambda xp, x, slope=0.01: xp.where(x > 0, x, slope * x),
        (*_unary(), *_unary(slope=0.2)),
        (Kink((0.0,), (0.01,)), Kink((-0.0,), (0.2,), {"slope": 0.2})),
    ),
    Op(ops.elu, "g where x > 0, else g e^x", lambda xp, x: xp.where(x > 0, x, xp.exp(x) - 1), _unary()),
    Op(ops.softplus, "g σ(x)", lambda xp, x: xp.log(1 + xp.exp(x)), _unary()),
    Op(ops.sin, "g cos x", lambda xp, x: xp.sin(x), _unary()),
    Op(ops.square, "2 g x", lambda _, x: x**2, _unary()),
    Op(ops.sum, "g to every entry", lambda xp, x, **options: xp.sum(x, **options), _reduction()),
    Op(ops.mean, "g / count to every entry", lambda xp, x, **options: xp.mean(x, **options), _reduction()),
    Op(
        ops.max,
        "g to the largest entry, shared equally by ties",
        lambda xp, x, **options: xp.max(x, **options),
        _reduction(),
        (Kink(([1.0, 2.0, 2.0],), ([0.0, 0.5, 0.5],)),),
    ),
    Op(
        ops.min,
        "g to the smallest entry, shared equally by ties",
        lambda xp, x, **options: xp.min(x, **options),
        _reduction(),
        (Kink(([1.0, 1.0, 2.0],), ([0.5, 0.5, 0.0],)),),
    ),
    Op(
        ops.logsumexp,
        "g softmax(x)",
        lambda xp, x, **options: xp.log(xp.sum(xp.exp(x), **options)),
        _reduction(),
    ),
    Op(
        ops.reshape,
        "g in the old shape",
        lambda xp, x, shape: xp.reshape(x, shape),
        (Case(((2, 6),), options={"shape": (3, -1)}), Case(((),), options={"shape": (1, 1)})),
    ),
    Op(
        ops.transpose,
        "g with the axes put back",
        lambda xp, x, axes=None: xp.transpose(x, axes and [axis % x.ndim for axis in axes]),
        (Case(((2, 3, 4),)), *(Case(((2, 3, 4),), options={"axes": axes}) for axes in [(1, 2, 0), (0, -1, 1)])),
    ),
    Op(
        ops.index,
        "g added up at the entries picked",
        lambda _, x, key: x[key],
        tuple(
            Case(((4, 3),), options={"key": key})
            for key in [2, (1, 2), slice(1, 3), (..., 0), ([0, 0, 3], [1, 1, 2]), (slice(None), [2, 0, 2]), None]
        ),
    ),
    Op(
        ops.concatenate,
        "each input its own slice of g",
        lambda xp, *arrays, axis=0: xp.concatenate(arrays, axis=axis),
        (Case(((2, 3), (1, 3), (4, 3))), Case(((2, 3), (2, 1)), options={"axis": -1}), Case(((0, 2), (3, 2)))),
    ),
    Op(
        ops.stack,
        "each input its own slice of g",
        lambda xp, *arrays, axis=0: xp.stack(arrays, axis=axis),
        (
            Case(((2, 3), (2, 3))),
            Case(((), (), ())),
            Case(((2, 3), (2, 3)), options={"axis": -1}),
        ),
    ),
    Op(
        ops.where,
        "g to the entry picked, 0 to the other",
        lambda _, a, b, condition: a * condition + b * ~condition,
        tuple(
            Case(shapes, options={"condition": np.array([[True], [False]])})
            for shapes in [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 4)), ((4,), ())]
        ),
    ),
    Op(
        ops.matmul,
        "g Bᵀ to A, Aᵀ g to B",
        lambda xp, a, b: xp.matmul(a, b),
        tuple(
            Case(s)
            for s in [((2, 3), (3, 4)), ((1, 1), (1, 1)), ((5, 2, 3), (5, 3, 2)), ((2, 3), (4, 3, 2)), ((0, 3), (3, 2))]
        ),
    ),
    Op(
        ops.linear,
        "g W to x, gᵀ x to W, Σ g over the batch to b",
        lambda xp, x, weight, bias=0: xp.dot(x, weight.T) + bias,
        tuple(
            Case(s) for s in [((5, 3), (2, 3), (2,)), ((5, 3), (2, 3)), ((1, 1), (1, 1), (1,)), ((0, 3), (2, 3), (2,))]
        ),
    ),
    Op(
        ops.sparse_linear,
        "gᵀ x to W, Σ g over the batch to b; x is constant",
        lambda xp, weight, bias=0, *, x: xp.dot(x.dense().astype(float), weight.T) + bias,
        tuple(
            Case(shapes, options={"x": x})
            for x in (_sparse(70, 5), _sparse(3, 5, scale=0.5, shift=-1.0))
            for shapes in [((2, 5), (2,)), ((17, 5),), ((140, 5), (140,))]
        ),
    ),
    Op(
        ops.conv2d,
        "g through the kernel turned by 180° to x, Σ g x over all windows to W, Σ g over batch and positions to b",
        _conv2d_formula,
        (
            Case(((2, 2, 5, 4), (3, 2, 3, 2), (3,))),
            Case(((2, 1, 4, 4), (2, 1, 2, 2))),
            Case(((1, 2, 6, 7), (2, 2, 3, 3), (2,)), options={"stride": 2, "padding": 1}),
            Case(((1, 1, 8, 8), (1, 1, 3, 2)), options={"stride": 3}),
            Case(((2, 1, 3, 3), (1, 1, 3, 3), (1,))),
            Case(((0, 1, 3, 3), (2, 1, 2, 2), (2,))),
        ),
    ),
    Op(
        ops.max_pool2d,
        "g to the largest entry of the window, shared equally by ties",
        lambda xp, x, size: xp.max(_whole_windows(xp, x, size), axis=(3, 5)),
        _pooling(),
        (
            Kink(([[[[1.0, 2.0], [2.0, 0.0]]]],), ([[[[0.0, 0.5], [0.5, 0.0]]]],), {"size": 2}),
            Kink(([[[[0.0, -0.0], [-1.0, -1.0]]]],), ([[[[0.5, 0.5], [0.0, 0.0]]]],), {"size": 2}),
        ),
    ),
    Op(
        ops.avg_pool2d,
        "g / size² to every entry of the window",
        lambda xp, x, size: xp.mean(_whole_windows(xp, x, size), axis=(3, 5)),
        _pooling(),
    ),
    Op(
        ops.weighted_distance,
        "with u = g / d: Σ u w (x - c) to x, -w Σ u (x - c) to c, ½ Σ u (x - c)² to w; 0 where the distance is floored",
        _distance_formula,
        (
            Case(((6, 4), (3, 4), (3, 4)), 0.5, 2.0),
            Case(((1, 1), (1, 1), (1, 1)), 0.5, 2.0),
            Case(((70, 5), (2, 5), (2, 5)), -1.0, 2.0, {"floor": 0.25}),
            Case(((0, 2), (3, 2), (3, 2))),
        ),
        (
            Kink(([[1.0, 2.0]], [[1.0, 2.0]], [[1.0, 1.0]]), ([[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]])),
            Kink(([[3.0]], [[1.0]], [[-1.0]]), ([[0.0]], [[0.0]], [[0.0]]), {"floor": 1e-12}),
        ),
    ),
    Op(
        ops.softmax,
        "p (g - Σ g p), with p = softmax(x)",
        lambda xp, x, axis=-1: xp.exp(x) / xp.sum(xp.exp(x), axis=axis, keepdims=True),
        (Case(((5,),)), Case(((3, 4),)), Case(((3, 4),), options={"axis": 0}), Case(((2, 1),))),
    ),
    Op(
        ops.log_softmax,
        "g - softmax(x) Σ g",
        _log_softmax_formula,
        (Case(((5,),)), Case(((3, 4),)), Case(((3, 4),), options={"axis": 0}), Case(((2, 1),))),
    ),
    Op(
        ops.cross_entropy,
        "g (softmax(x) - onehot) / batch",
        _cross_entropy_formula,
        (Case(((3, 4),), options={"labels": [0, 3, 1]}), Case(((1, 2),), options={"labels": [1]})),
    ),
)
"""Every op, in the order in which the package's modules define them."""
