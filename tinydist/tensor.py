"""Tensor: a NumPy array that remembers how it was computed, and can run the chain rule backwards.

An op is a plain function from arrays to ``(value, vjps)`` (see :mod:`tinydist.ops`). :func:`apply` runs one on
tensors and stores the vjps on the result; :meth:`Tensor.backward` visits the graph in reverse topological order
and adds up what they return. That is all there is to reverse-mode differentiation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinydist import ops
from tinydist.errors import BackwardError, DTypeError, GraphFreedError, ShapeError
from tinydist.recording import is_recording, watchers
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None


def _method(op: Callable[..., ops.Result]) -> Callable[..., Tensor]:
    """Return the op as a method: tensor.op(...)."""

    @functools.wraps(op)
    def method(self: Tensor, *inputs: Operand, **options: Any) -> Tensor:
        return apply(op, self, *inputs, **options)

    return method


def _reflected(op: Callable[..., ops.Result]) -> Callable[[Tensor, Operand], Tensor]:
    """Return the op as the method that Python calls for `other op tensor`."""
    return lambda self, other: apply(op, other, self)


class Tensor:
    """An array, and the graph behind it.

    Args:
        data: anything NumPy makes an array of. An array is kept as it is, not copied.
        requires_grad: whether :meth:`backward` should compute a gradient for it; floating-point data only.
        dtype: convert to this dtype; by default the dtype of `data` is kept.

    Attributes:
        data: the values.
        grad: for a tensor made with ``requires_grad=True``, the sum of the gradients of all backward passes
            since it was last None; same shape and dtype as `data`.
        op: name of the op that computed this tensor, None for a leaf.
        function: that op with its options, from the inputs' arrays to ``(value, vjps)``; None for a leaf.
        inputs: the tensors it was computed from, empty for a leaf and for a freed graph.

    Raises:
        TypeError: if `data` is a Tensor or a SparseMatrix.
        DTypeError: if the data are not real numbers, or require a gradient and are not floating-point.
    """

    __slots__ = ("__weakref__", "_vjps", "data", "function", "grad", "inputs", "op", "requires_grad")
    __array_ufunc__ = None  # so that `array + tensor` calls Tensor.__radd__ instead of looping over the array

    def __init__(self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None) -> None:
        if isinstance(data, Tensor):
            raise TypeError("Tensor takes an array, got a Tensor; use tensor.detach() for one that shares its data")
        if isinstance(data, SparseMatrix):
            raise TypeError("Tensor takes an array, got a SparseMatrix, which only a linear layer reads; use x.dense()")
        self.data: Array = np.asarray(data, dtype=dtype)
        if self.data.dtype.kind not in "fiub":
            raise DTypeError(f"Tensor holds real numbers, got data of dtype {self.data.dtype}")
        if requires_grad and self.data.dtype.kind != "f":
            raise DTypeError(
                f"only floating-point tensors have gradients, got dtype {self.data.dtype}; "
                "pass dtype=float, or write the numbers with a decimal point"
            )
        self.requires_grad = requires_grad
        self.grad: Array | None = None
        self.op: str | None = None
        self.function: Callable[..., ops.Result] | None = None
        self.inputs: tuple[Tensor, ...] = ()
        self._vjps: ops.Vjps | None = None

    # --- the backward pass ---------------------------------------------------------------------------------------

    def backward(self, gradient: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add to the ``grad`` of every leaf the gradient of this tensor with respect to that leaf.

        Args:
            gradient: gradient of the final loss with respect to this tensor, same shape; 1 by default, which
                only a tensor with a single entry allows.
            retain_graph: keep the graph for another backward pass instead of freeing its arrays.

        Raises:
            BackwardError: if nothing here requires a gradient, or `gradient` is needed and missing.
            ShapeError: if `gradient` has another shape than this tensor, or a rule's gradient than its input.
            GraphFreedError: if an earlier pass has freed part of the graph.
        """
        gradients = {id(self): self._seed(gradient)}
        order = topological_order(self)
        for tensor in order:
            if tensor.op is not None and tensor._vjps is None:
                raise GraphFreedError(
                    f"the graph behind this tensor was freed by an earlier backward pass (at op '{tensor.op}'); "
                    "call that one with retain_graph=True, or compute the value again"
                )
        while order:
            tensor = order.pop()
            g = gradients.pop(id(tensor))
            contributions = tensor._pull_back(g)
            for watcher in watchers():
                watcher.pulled_back(tensor, g, contributions)
            if tensor._vjps is None:
                tensor.grad = g.copy() if tensor.grad is None else tensor.grad + g
            for parent, contribution in zip(tensor.inputs, contributions, strict=True):
                if contribution is not None:
                    earlier = gradients.get(id(parent))
                    gradients[id(parent)] = contribution if earlier is None else earlier + contribution
            if not retain_graph:
                tensor.inputs, tensor._vjps = (), None

    def _seed(self, gradient: ArrayLike | None) -> Array:
        if not self.requires_grad:
            raise BackwardError(
                "this tensor depends on nothing that requires a gradient; "
                "make a parameter with Tensor(data, requires_grad=True) and compute outside no_grad()"
            )
        if gradient is None:
            if self.size != 1:
                raise BackwardError(
                    f"backward() without a gradient needs a tensor with one entry, such as a loss; this one has "
                    f"shape {self.shape}. Reduce it (.sum(), .mean()) or pass a gradient of that shape"
                )
            return np.ones_like(self.data)
        seed = np.asarray(_array(gradient), dtype=self.dtype)
        if seed.shape != self.shape:
            raise ShapeError(f"backward got a gradient of shape {seed.shape} for a tensor of shape {self.shape}")
        return seed

    def _pull_back(self, g: Array) -> list[Array | None]:
        """Return the gradient of each input, given that of this tensor; None for an input that requires none."""
        pairs = zip(self.inputs, self._vjps or (), strict=True)
        return [self._checked(vjp(g), parent) if parent.requires_grad else None for parent, vjp in pairs]

    def _checked(self, contribution: Array, parent: Tensor) -> Array:
        if np.shape(contribution) != parent.shape:
            raise ShapeError(
                f"the gradient rule of '{self.op}' returned shape {np.shape(contribution)} for an input of shape "
                f"{parent.shape}; they must be equal (did the rule forget to undo a broadcast?)"
            )
        return np.asarray(contribution, dtype=parent.dtype)

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="Tensor(", threshold=20, precision=4)
        notes = [f"dtype={self.dtype}"] if self.dtype != np.float64 else []
        notes += [f"op={self.op}"] if self.op else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({', '.join([values, *notes])})"

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("NumPy would lose this tensor's gradient; use a Tensor method, or .data for the bare array")

    def item(self) -> float:
        """Return the single entry as a Python number, or raise a ValueError if there is not exactly one."""
        return self.data.item()

    def detach(self) -> Tensor:
        """Return a tensor outside the graph, which shares the data of this one."""
        return Tensor(self.data)

    # --- ops: each method runs the op of that name in tinydist.ops ------------------------------------------------

    __add__, __radd__ = _method(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = _method(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = _method(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = _method(ops.div), _reflected(ops.div)
    __matmul__, __rmatmul__ = _method(ops.matmul), _reflected(ops.matmul)
    __neg__ = _method(ops.neg)
    exp, log, sqrt, abs = _method(ops.exp), _method(ops.log), _method(ops.sqrt), _method(ops.abs)
    relu, tanh, sigmoid = _method(ops.relu), _method(ops.tanh), _method(ops.sigmoid)
    maximum = _method(ops.maximum)
    weighted_distance = _method(ops.weighted_distance)

    def __pow__(self, exponent: float) -> Tensor:
        return apply(ops.pow, self, exponent=exponent)

    def __getitem__(self, key: Any) -> Tensor:
        key = tuple(map(_array, key)) if isinstance(key, tuple) else _array(key)
        return apply(ops.index, self, key=key)

    def clamp(self, low: float | None = None, high: float | None = None) -> Tensor:
        return apply(ops.clamp, self, low=low, high=high)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(ops.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(ops.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(ops.max, self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        return apply(ops.reshape, self, shape=_sizes(shape))

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        return apply(ops.transpose, self, axes=_sizes(axes) or None)

    @property
    def T(self) -> Tensor:
        return self.transpose()

    def log_softmax(self, axis: int = -1) -> Tensor:
        return apply(ops.log_softmax, self, axis=axis)

    def cross_entropy(self, labels: ArrayLike) -> Tensor:
        return apply(ops.cross_entropy, self, labels=np.asarray(_array(labels)))


Operand = Tensor | ArrayLike


def concatenate(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis."""
    return apply(ops.concatenate, *tensors, axis=axis)


def apply(op: Callable[..., ops.Result], *inputs: Operand, **options: Any) -> Tensor:
    """Run an op on tensors and record it, unless nothing requires a gradient.

    Args:
        op: a function from arrays (and `options`) to ``(value, vjps)``, as in :mod:`tinydist.ops`, or your own.
        inputs: tensors; arrays and numbers count as constants. A Python number takes the dtype of the tensors.
        options: passed to `op`; never differentiated.

    Raises:
        TypeError: if `op` does not return a value and one vjp for each input.
    """
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor | np.ndarray)]
    tensors = tuple(x if isinstance(x, Tensor) else Tensor(_constant(x, dtypes)) for x in inputs)
    outcome = op(*(tensor.data for tensor in tensors), **options)
    if not isinstance(outcome, tuple) or len(outcome) != 2 or len(outcome[1]) != len(tensors):
        raise TypeError(
            f"op '{_name(op)}' must return (value, vjps) with one vjp for each of its {len(tensors)} inputs, "
            "such as: return x**2, (lambda g: 2 * g * x,)"
        )
    value, vjps = outcome
    result = Tensor(value)
    if is_recording() and any(tensor.requires_grad for tensor in tensors):
        result.requires_grad = True
        result.op = _name(op)
        result.function = functools.partial(op, **options)
        result.inputs = tensors
        result._vjps = vjps
    for watcher in watchers():
        watcher.computed(_name(op), tensors, result)
    return result


def _name(op: Callable[..., Any]) -> str:
    return getattr(op, "__name__", repr(op))


def _array(x: Any) -> Any:
    """Return the array of a tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def _sizes(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Return one tuple of sizes for the arguments of f(2, 3) and of f((2, 3)) alike."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments


def _constant(x: ArrayLike, dtypes: list[np.dtype[Any]]) -> ArrayLike:
    """Return a Python number in the dtype it takes beside arrays of these dtypes; anything else as it is."""
    if isinstance(x, bool | int | float) and dtypes:
        return np.asarray(x, dtype=np.result_type(*dtypes, x))
    return x


def topological_order(root: Tensor) -> list[Tensor]:
    """Return `root`, and all tensors behind it that require a gradient, inputs before results.

    A depth-first walk with a stack of its own, so the depth of the graph is not limited by Python's.
    """
    order: list[Tensor] = []
    seen = {id(root)}
    stack = [(root, iter(root.inputs))]
    while stack:
        tensor, remaining = stack[-1]
        for parent in remaining:
            if parent.requires_grad and id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, iter(parent.inputs)))
                break
        else:
            order.append(tensor)
            stack.pop()
    return order
