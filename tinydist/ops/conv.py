"""Convolution and pooling of images. Conventions as in :mod:`tinydist.ops.elementwise`.

Images are (batch, channels, height, width), weights (out_channels, channels, kh, kw), as PyTorch stores them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinydist import kernels
from tinydist.arrays import as_floats
from tinydist.errors import ShapeError
from tinydist.ops.elementwise import Array, Result

__all__ = ["avg_pool2d", "conv2d", "max_pool2d"]


def conv2d(x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0) -> Result:
    """Compute the cross-correlation of images and a weight, which is laid on every window, multiplied and summed.

    ``y[n, o, r, s] = b[o] + sum_cij x[n, c, r stride + i, s stride + j] weight[o, c, i, j]``, with x padded by zeros.
    In neural networks this is called a convolution; a convolution proper would turn the weight by 180° first.

    With g the gradient of y: each pixel of x receives, for every window it lay in, g times the entry of the weight
    that lay on it; each entry of the weight g times the pixel it lay on, summed over all windows and the batch; the
    bias the sum of g over the batch and all positions.

    Args:
        x: (batch, channels, height, width).
        weight: (out_channels, channels, kh, kw).
        bias: (out_channels,); none by default.
        stride: pixels from one window to the next.
        padding: zeros added on each of the four sides of x.

    Returns:
        y, (batch, out_channels, rows, columns), with rows = (height + 2 padding - kh) // stride + 1 and columns alike.

    Raises:
        ShapeError: unless the shapes fit together and the weight fits into the padded image.
        TypeError: unless stride and padding are whole numbers.
        ValueError: if stride is below 1 or padding below 0.
    """
    x, weight, *biases = as_floats("conv2d", x, weight, *([] if bias is None else [bias]))
    _check_conv2d(x.shape, weight.shape, biases[0].shape if biases else None, stride, padding)
    start = biases[0] if biases else np.zeros(len(weight), dtype=weight.dtype)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    inside = slice(padding, padding + x.shape[2]), slice(padding, padding + x.shape[3])

    vjps = (
        lambda g: kernels.conv2d_vjp_x(g, weight, padded.shape, stride)[:, :, *inside],
        lambda g: kernels.conv2d_vjp_weight(g, padded, weight.shape, stride),
        _sum_per_channel,
    )
    return kernels.conv2d(padded, weight, start, stride), vjps[:2] if bias is None else vjps


def _sum_per_channel(g: Array) -> Array:
    """Return the sums over the batch and all positions: (batch, channels, rows, columns) to (channels,)."""
    over_batch = kernels.column_sums(g.reshape(len(g), math.prod(g.shape[1:])))
    return over_batch.reshape(g.shape[1], -1).sum(axis=1)


def max_pool2d(x: Array, size: int) -> Result:
    """Compute the largest entry of every window; windows lie side by side, so each side shrinks by the factor `size`.

    With g the gradient: g to the largest entry of the window, shared equally by entries that tie (as in
    :func:`tinydist.ops.reduce.max`), 0 to all others; NaN to all of a window that has a NaN.

    Args:
        x: (batch, channels, height, width).
        size: side of a window in pixels. Rows and columns that do not fill one at the lower and right edge are dropped.

    Returns:
        (batch, channels, height // size, width // size).

    Raises:
        ShapeError: unless x has four axes and a window fits into it.
        TypeError: unless size is a whole number.
        ValueError: if size is below 1.
    """
    (x,) = as_floats("max_pool2d", x)
    _check_pool2d("max_pool2d", x.shape, size)
    y = kernels.max_pool2d(x, size)
    return y, (lambda g: kernels.max_pool2d_vjp(g, x, y, size),)


def avg_pool2d(x: Array, size: int) -> Result:
    """Compute the mean of every window; windows, arguments, result and errors are those of :func:`max_pool2d`.

    With g the gradient: every entry of the window receives ``g / size**2``, dropped rows and columns 0.
    """
    (x,) = as_floats("avg_pool2d", x)
    _check_pool2d("avg_pool2d", x.shape, size)
    y = kernels.avg_pool2d(x, size)
    if np.isinf(y).any():  # the sum of a window may have overflowed, unlike its mean
        y = kernels.avg_pool2d(x / size**2, size) * size**2
    return y, (lambda g: kernels.avg_pool2d_vjp(g, x.shape, size),)


def _check_whole(name: str, **options: Any) -> None:
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}: {option} is one whole number for all sides and directions, got {value!r}")


def _check_conv2d(
    x: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None, stride: int, padding: int
) -> None:
    _check_whole("conv2d", stride=stride, padding=padding)
    if stride < 1 or padding < 0:
        raise ValueError(f"conv2d: stride must be from 1 and padding from 0, got stride={stride}, padding={padding}")
    if len(x) != 4 or len(weight) != 4 or x[1] != weight[1] or 0 in weight or (bias is not None and bias != weight[:1]):
        raise ShapeError(
            f"conv2d: got x {x}, weight {weight}, bias {bias}; expected x (batch, channels, height, width), weight "
            "(out_channels, channels, kh, kw), not empty, and bias (out_channels,) or none. "
            "Rows of pixels become images by reshape(batch, channels, height, width)"
        )
    if x[2] + 2 * padding < weight[2] or x[3] + 2 * padding < weight[3]:
        raise ShapeError(
            f"conv2d: a weight of {weight[2]} x {weight[3]} does not fit into an image of {x[2]} x {x[3]} with "
            f"padding {padding}; take a smaller weight, a larger image or more padding"
        )


def _check_pool2d(name: str, x: tuple[int, ...], size: int) -> None:
    _check_whole(name, size=size)
    if size < 1:
        raise ValueError(f"{name}: size must be from 1, got {size}")
    if len(x) != 4:
        raise ShapeError(
            f"{name}: got x {x}; expected (batch, channels, height, width). "
            "Rows of pixels become images by reshape(batch, channels, height, width)"
        )
    if min(x[2:]) < size:
        raise ShapeError(
            f"{name}: a window of {size} x {size} does not fit into an image of {x[2]} x {x[3]}; take a smaller size"
        )
