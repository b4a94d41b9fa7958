"""Tensor: a NumPy array that remembers how it was computed, and can run the chain rule backwards.

An op is a plain function from arrays to ``(value, vjps)`` (see :mod:`tinydist.ops`). :func:`apply` runs one on
tensors and stores the vjps on the result; :meth:`Tensor.backward` visits the graph in reverse topological order
and adds up what they return. That is all there is to reverse-mode differentiation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinydist import ops, rules
from tinydist.arrays import as_real, constant, option
from tinydist.errors import BackwardError, DTypeError, GraphFreedError, ShapeError
from tinydist.recording import is_recording, watchers
from tinydist.snapshots import Snapshot
from tinydist.sparse import SparseMatrix
from tinydist.values import Values, array_of

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


class Tensor(Values):
    """An array, and the graph behind it.

    Args:
        data: anything NumPy makes an array of. An array is kept as it is, not copied, unless it has the byte order of
            other machines.
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
        DTypeError: if the data are not real numbers, or floats other than float32 and float64, or a masked array; if
            `dtype` would change whole numbers; if they require a gradient and are not floating-point.
    """

    __slots__ = ("__weakref__", "_recorded", "_vjps", "data", "function", "grad", "inputs", "op", "requires_grad")

    def __init__(self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None) -> None:
        if isinstance(data, Tensor):
            raise TypeError("Tensor takes an array, got a Tensor; use tensor.detach() for one that shares its data")
        if isinstance(data, SparseMatrix):
            raise TypeError("Tensor takes an array, got a SparseMatrix, which only a linear layer reads; use x.dense()")
        self.data: Array = as_real("Tensor", data, dtype)
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
        self._recorded: tuple[Snapshot, ...] = ()  # of the inputs and of the result, as the rules have seen them

    # --- the backward pass ---------------------------------------------------------------------------------------

    def backward(self, gradient: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add to the ``grad`` of every leaf the gradient of this tensor with respect to that leaf.

        Args:
            gradient: gradient of the final loss with respect to this tensor, same shape; 1 by default, which
                only a tensor with a single entry allows.
            retain_graph: keep the graph for another backward pass instead of freeing its arrays.

        Raises:
            BackwardError: if nothing here requires a gradient, `gradient` is needed and missing, or the data of a
                tensor in the graph were changed after an op had computed or read them. No leaf's ``grad`` has changed
                after this or any of these errors.
            ShapeError: if `gradient` has another shape than this tensor, or a rule's gradient than its input.
            TypeError, DTypeError: if a rule does not return an array of real numbers, or a tensor that requires a
                gradient was given data that are not floating-point.
            GraphFreedError: if an earlier pass has freed part of the graph.
        """
        gradients = {id(self): self._seed(gradient)}
        order = topological_order(self)
        known: dict[int, Snapshot] = {}
        for tensor in order:
            if tensor.op is None:
                continue
            if tensor._vjps is None:
                raise GraphFreedError(
                    f"the graph behind this tensor was freed by an earlier backward pass (at op '{tensor.op}'); "
                    "call that one with retain_graph=True, or compute the value again"
                )
            rules.check_unchanged(tensor, known)
        leaves = []
        while order:
            tensor = order.pop()
            g = gradients.pop(id(tensor))
            contributions = rules.pull_back(tensor, g)
            for watcher in watchers():
                watcher.pulled_back(tensor, g, contributions)
            if tensor._vjps is None:
                leaves.append((tensor, g))
            for parent, contribution in zip(tensor.inputs, contributions, strict=True):
                if contribution is not None:
                    earlier = gradients.get(id(parent))
                    gradients[id(parent)] = contribution if earlier is None else earlier + contribution
            if not retain_graph:
                tensor.inputs, tensor._vjps, tensor._recorded = (), None, ()
        for leaf, g in leaves:
            leaf.grad = g.copy(order="K") if leaf.grad is None else leaf.grad + g

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
        seed = as_real("backward", array_of(gradient), self.dtype)
        if seed.shape != self.shape:
            raise ShapeError(f"backward got a gradient of shape {seed.shape} for a tensor of shape {self.shape}")
        return seed

    def detach(self) -> Tensor:
        """Return a tensor outside the graph, which shares the data of this one."""
        return Tensor(self.data)

    # --- ops: each method runs the op of that name in tinydist.ops ------------------------------------------------

    __add__, __radd__ = _method(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = _method(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = _method(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = _method(ops.div), _reflected(ops.div)
    __matmul__, __rmatmul__ = _method(ops.matmul), _reflected(ops.matmul)
    __neg__, __abs__ = _method(ops.neg), _method(ops.abs)
    exp, log, sqrt, abs = _method(ops.exp), _method(ops.log), _method(ops.sqrt), _method(ops.abs)
    relu, tanh, sigmoid = _method(ops.relu), _method(ops.tanh), _method(ops.sigmoid)
    maximum = _method(ops.maximum)
    weighted_distance = _method(ops.weighted_distance)

    def __getitem__(self, key: Any) -> Tensor:
        key = tuple(map(array_of, key)) if isinstance(key, tuple) else array_of(key)
        return apply(ops.index, self, key=key)

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.__getitem__, range(len(self)))

    def __pow__(self, exponent: float) -> Tensor:
        return apply(ops.pow, self, exponent=exponent)

    def __rpow__(self, base: float) -> Tensor:
        return apply(ops.power_of, self, base=base)

    def clamp(self, low: float | None = None, high: float | None = None) -> Tensor:
        """Limit every entry to ``[low, high]``."""
        return apply(ops.clamp, self, low=low, high=high)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Add up the entries along `axis`, all by default."""
        return apply(ops.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Average the entries along `axis`, all by default."""
        return apply(ops.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the largest entry along `axis`, of all by default."""
        return apply(ops.max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the smallest entry along `axis`, of all by default."""
        return apply(ops.min, self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the logarithm of the sum of exponentials along `axis`, of all by default."""
        return apply(ops.logsumexp, self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Arrange the same entries, in row-major order, under a new shape."""
        return apply(ops.reshape, self, shape=_sizes(shape))

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Permute the axes, reverse them by default."""
        return apply(ops.transpose, self, axes=_sizes(axes) or None)

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return self.transpose()

    def softmax(self, axis: int = -1) -> Tensor:
        """Return the exponentials of the entries, in shares of their sum along `axis`."""
        return apply(ops.softmax, self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """Return the logarithm of the softmax along `axis`."""
        return apply(ops.log_softmax, self, axis=axis)

    def cross_entropy(self, labels: ArrayLike) -> Tensor:
        """Return the mean cross-entropy, in nats, of logits (batch, classes) and labels, integers (batch,)."""
        return apply(ops.cross_entropy, self, labels=array_of(labels))


Operand = Tensor | ArrayLike


def concatenate(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis."""
    return apply(ops.concatenate, *tensors, axis=axis)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    return apply(ops.stack, *tensors, axis=axis)


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """Pick the entry of `a` where the condition is true, else that of `b`; all broadcast."""
    return apply(ops.where, a, b, condition=array_of(condition))


def apply(op: Callable[..., ops.Result], *inputs: Operand, **options: Any) -> Tensor:
    """Run an op on tensors and record it, unless nothing requires a gradient.

    Args:
        op: a function from arrays (and `options`) to ``(value, vjps)``, as in :mod:`tinydist.ops`, or your own.
        inputs: tensors; arrays and numbers count as constants. A Python number takes the dtype of the tensors.
        options: passed to `op`; never differentiated.

    Raises:
        TypeError: if `op` does not return a value and one vjp for each input.
    """
    tensors = _as_tensors(inputs)
    name = rules.name_of(op)
    for key, value in options.items():
        if isinstance(value, Tensor):
            instead = "give its .data, or pass it as an input"
            if key == "exponent":
                instead = "for a tensor exponent write (b * a.log()).exp()"
            raise TypeError(f"option '{key}' of '{name}' is a tensor, but options are constants; {instead}")
    options = {key: option(value) for key, value in options.items()}
    value, vjps = rules.run(op, [tensor.data for tensor in tensors], options)
    result = Tensor(value)
    if is_recording() and any(tensor.requires_grad for tensor in tensors):
        if result.dtype.kind != "f":
            raise DTypeError(f"op '{name}' made {result.dtype}, which has no gradient, of an input that requires one")
        result.requires_grad = True
        result.op = name
        result.function = functools.partial(op, **options)
        result.inputs = tensors
        result._vjps = vjps
        result._recorded = rules.recorded(op, (*tensors, result))
    for watcher in watchers():
        watcher.computed(name, tensors, result)
    return result


def _as_tensors(inputs: Sequence[Operand]) -> tuple[Tensor, ...]:
    """Return the inputs of an op, in which arrays and numbers count as constants."""
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.ndim)]
    return tuple([x if isinstance(x, Tensor) else Tensor(constant(x, dtypes)) for x in inputs])


def _sizes(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Return one tuple of sizes for the arguments of f(2, 3) and of f((2, 3)) alike."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments


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
