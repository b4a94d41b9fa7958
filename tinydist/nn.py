"""The layers: those of "Neural Networks Learn Distance Metrics" (Linear, OffsetL2, Activation, Neg), then convolution.

Each layer is a :class:`tinydist.module.Module`: its fields are declared in the class, its formula is in ``forward``.
"""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinydist import ops
from tinydist.errors import ShapeError
from tinydist.module import Module, Sequential
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor, apply

__all__ = [
    "Activation",
    "AvgPool2d",
    "Conv2d",
    "Flatten",
    "Linear",
    "MaxPool2d",
    "Module",
    "Neg",
    "OffsetL2",
    "Sequential",
    "Unflatten",
    "linear",
]


def linear(x: Tensor | SparseMatrix, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute the affine map ``x weight^T + bias``, for a dense or sparse `x`.

    Shapes: (batch, in), (out, in) and (out,) give (batch, out).
    """
    parameters = (weight,) if bias is None else (weight, bias)
    if isinstance(x, SparseMatrix):
        return apply(ops.sparse_linear, *parameters, x=x)
    return apply(ops.linear, x, *parameters)


class Linear(Module):
    """Affine map ``y = x W^T + b``: a projection on each row of W.

    Weight and bias start uniform in ``±1/sqrt(in_features)``.

    Args:
        in_features: size of an input row.
        out_features: size of an output row.
        bias: whether there is a b.
        rng: source of the initial weights.
        dtype: of the parameters.

    Attributes:
        weight: (out_features, in_features).
        bias: (out_features,), or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        bound = 1 / np.sqrt(in_features)
        self.weight = Tensor(rng.uniform(-bound, bound, (out_features, in_features)), requires_grad=True, dtype=dtype)
        self.bias = Tensor(rng.uniform(-bound, bound, out_features), requires_grad=True, dtype=dtype) if bias else None

    def forward(self, x: Tensor | SparseMatrix) -> Tensor:
        """Map (batch, in_features) to (batch, out_features).

        Raises:
            ShapeError: if x has another shape.
        """
        in_features = self.weight.shape[1]
        if x.ndim != 2 or x.shape[1] != in_features:
            raise ShapeError(f"{self!r} takes x of shape (batch, {in_features}), got {x.shape}")
        return linear(x, self.weight, self.bias)

    def describe(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}, bias={self.bias is not None}"


class OffsetL2(Module):
    """Weighted distance of each row from a learned prototype per class (arXiv 2502.02103).

    Two forms, with one prototype ``mu_i`` and one row of scales ``alpha_i`` for each class i:

    * ``"program"``, the default: ``y_i = sqrt(max(sum_k alpha_ik (x_k - mu_ik)^2, 1e-12))``. This is what the
      author's program computes and what the published numbers come from. alpha is not squared and may turn negative.
    * ``"paper"``: ``y_i = ||alpha_i * (x - mu_i)||_2``, as the paper writes it.

    At zero distance (at or below the floor) the gradient is 0. mu starts as Normal(0, 0.1), alpha as 1.

    Args:
        in_features: size of an input row.
        out_features: number of prototypes, one for each class.
        form: "program" or "paper".
        rng: source of the initial prototypes.
        dtype: of the parameters.

    Attributes:
        mu, alpha: (out_features, in_features).

    Raises:
        ValueError: if the form is unknown.
    """

    form: str
    mu: Tensor
    alpha: Tensor

    FLOOR: ClassVar[float] = 1e-12
    """Smallest squared distance in the program's form, hence a smallest distance of 1e-6."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        form: str = "program",
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if form not in ("program", "paper"):
            raise ValueError(f"unknown form {form!r} of OffsetL2; expected 'program' or 'paper'")
        self.form = form
        self.mu = Tensor(rng.normal(0, 0.1, (out_features, in_features)), requires_grad=True, dtype=dtype)
        self.alpha = Tensor(np.ones((out_features, in_features)), requires_grad=True, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_features) to the distances (batch, out_features).

        Raises:
            ShapeError: if x has another shape.
        """
        in_features = self.mu.shape[1]
        if x.ndim != 2 or x.shape[1] != in_features:
            raise ShapeError(f"{self!r} takes x of shape (batch, {in_features}), got {x.shape}")
        if self.form == "paper":
            return x.weighted_distance(self.mu, self.alpha * self.alpha)
        return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)

    def with_weights(self, mu: NDArray[Any], alpha: NDArray[Any]) -> OffsetL2:
        """Return a layer of the same form with these prototypes and scales, both (out_features, in_features)."""
        changed = copy.copy(self)
        changed.mu, changed.alpha = Tensor(mu), Tensor(alpha)
        return changed

    def with_exchanged_prototypes(self) -> OffsetL2:
        """Return a layer in which each class has the prototype of the class before it, the first that of the last."""
        return self.with_weights(np.roll(self.mu.data, 1, axis=0), self.alpha.data)

    def describe(self) -> str:
        out_features, in_features = self.mu.shape
        return f"{in_features}, {out_features}, form={self.form!r}"


class Activation(Module):
    """An elementwise function without parameters, which turns pre-activations into activations of the same shape.

    Args:
        name: key of :data:`tinydist.ops.activations.ACTIVATIONS`, such as "ReLU" or "Abs".

    Raises:
        ValueError: if the name is unknown.
    """

    name: str

    def __init__(self, name: str) -> None:
        if name not in ops.ACTIVATIONS:
            raise ValueError(f"unknown activation {name!r}; expected one of {', '.join(ops.ACTIVATIONS)}")
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of every entry, any shape."""
        return apply(ops.ACTIVATIONS[self.name], x)

    def describe(self) -> str:
        return repr(self.name)


class Neg(Module):
    """``-x``: turns a distance (small means close) into a logit (large means likely)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``-x``, any shape."""
        return -x


class Conv2d(Module):
    """Cross-correlation of images with learned kernels, see :func:`tinydist.ops.conv.conv2d`.

    Weight and bias start uniform in ``±1/sqrt(in_channels kernel_size²)``.

    Args:
        in_channels: channels of an input image.
        out_channels: number of kernels, each of which makes one channel of the output.
        kernel_size: side of a kernel.
        stride: pixels from one window to the next.
        padding: zeros added on each of the four sides of an image.
        bias: whether a number is added to every channel of the output.
        rng: source of the initial weights.
        dtype: of the parameters.

    Attributes:
        weight: (out_channels, in_channels, kernel_size, kernel_size).
        bias: (out_channels,), or None.
    """

    stride: int
    padding: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.stride, self.padding = stride, padding
        self.weight = Tensor(rng.uniform(-bound, bound, shape), requires_grad=True, dtype=dtype)
        self.bias = Tensor(rng.uniform(-bound, bound, out_channels), requires_grad=True, dtype=dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, rows, columns).

        Raises:
            ShapeError: if x is not a batch of images with so many channels.
        """
        in_channels = self.weight.shape[1]
        if x.ndim != 4 or x.shape[1] != in_channels:
            raise ShapeError(f"{self!r} takes x of shape (batch, {in_channels}, height, width), got {x.shape}")
        parameters = (self.weight,) if self.bias is None else (self.weight, self.bias)
        return apply(ops.conv2d, x, *parameters, stride=self.stride, padding=self.padding)

    def describe(self) -> str:
        out_channels, in_channels, kernel_size, _ = self.weight.shape
        sizes = f"{in_channels}, {out_channels}, {kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{sizes}, bias={self.bias is not None}"


class MaxPool2d(Module):
    """Maximum of every window of side `size`, see :func:`tinydist.ops.conv.max_pool2d`."""

    size: int

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width) to (batch, channels, height // size, width // size)."""
        return apply(ops.max_pool2d, x, size=self.size)

    def describe(self) -> str:
        return f"{self.size}"


class AvgPool2d(Module):
    """Mean of every window of side `size`, see :func:`tinydist.ops.conv.avg_pool2d`."""

    size: int

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width) to (batch, channels, height // size, width // size)."""
        return apply(ops.avg_pool2d, x, size=self.size)

    def describe(self) -> str:
        return f"{self.size}"


class Flatten(Module):
    """Each sample's entries in one row."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, ...) to (batch, entries of a sample)."""
        return x.reshape(len(x), math.prod(x.shape[1:]))


class Unflatten(Module):
    """Each row as an image of this shape, the reverse of :class:`Flatten`.

    Args:
        channels, height, width: of an image.
    """

    image_shape: tuple[int, int, int]

    def __init__(self, channels: int, height: int, width: int) -> None:
        self.image_shape = (channels, height, width)

    def forward(self, x: Tensor | SparseMatrix) -> Tensor:
        """Map (batch, channels height width) to (batch, channels, height, width).

        Raises:
            ShapeError: unless the rows have that many entries.
            TypeError: if x is a SparseMatrix.
        """
        pixels = math.prod(self.image_shape)
        if isinstance(x, SparseMatrix):
            raise TypeError("a SparseMatrix holds rows, not images; make it dense with Tensor(x.dense())")
        if x.ndim != 2 or x.shape[1] != pixels:
            raise ShapeError(f"{self!r} takes x of shape (batch, {pixels}), got {x.shape}")
        return x.reshape(len(x), *self.image_shape)

    def describe(self) -> str:
        return ", ".join(map(str, self.image_shape))
