"""Convolution and pooling of images, and their vector-Jacobian products.

Every window of an image is laid out as a column of a matrix ("im2col"); then a convolution is a matrix product, whose
loops are in :mod:`tinydist.kernels.rows`. NumPy has to lay out the windows of the whole batch, kh kw times the memory
of the images; the numba kernels lay out one image at a time, which stays in the cache.

Threads share out fixed chunks of the images. What is summed over the batch has one partial sum for each chunk, and
these are added in order: the same bits at any number of threads.

Images are not padded here: the op gives them with their margin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinydist.kernels.chunks import CHUNKS, sum_chunks
from tinydist.kernels.jit import kernel
from tinydist.kernels.memory import empty
from tinydist.kernels.rows import LANES, add_dense

Array = NDArray[Any]


def _windows(x: Array, size: tuple[int, ...], stride: int) -> Array:
    """Return a view of every window of this size, (batch, channels, rows, columns, height, width)."""
    return sliding_window_view(x, size, axis=(2, 3))[:, :, ::stride, ::stride]


def conv2d_numpy(x: Array, weight: Array, bias: Array, stride: int) -> Array:
    """Return the cross-correlation of images and a weight: every window times the weight, summed, plus the bias.

    Args:
        x: (batch, channels, height, width).
        weight: (out_channels, channels, kh, kw).
        bias: (out_channels,).
        stride: pixels from one window to the next.

    Returns:
        (batch, out_channels, rows, columns).
    """
    windows = _windows(x, weight.shape[2:], stride)
    products = np.tensordot(weight, windows, axes=((1, 2, 3), (1, 4, 5)))  # (out_channels, batch, rows, columns)
    return np.ascontiguousarray(products.swapaxes(0, 1)) + bias[:, None, None]


def conv2d_vjp_x_numpy(g: Array, weight: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of x: each pixel receives g through every entry of the weight that lay on it.

    Args:
        g: gradient of the output of :func:`conv2d_numpy`, (batch, out_channels, rows, columns).
        weight: (out_channels, channels, kh, kw).
        shape: of x, (batch, channels, height, width).
        stride: pixels from one window to the next.

    Returns:
        (batch, channels, height, width), in the dtype of g.
    """
    gradient = np.zeros(shape, dtype=g.dtype)
    last_row, last_column = ((size - 1) * stride + 1 for size in g.shape[2:])
    for i, j in np.ndindex(weight.shape[2:]):
        touched = gradient[:, :, i : i + last_row : stride, j : j + last_column : stride]
        touched += np.einsum("boyx,oc->bcyx", g, weight[:, :, i, j])
    return gradient


def conv2d_vjp_weight_numpy(g: Array, x: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of the weight: each entry receives g times the pixel it lay on, summed over all windows.

    Args:
        g: gradient of the output of :func:`conv2d_numpy`, (batch, out_channels, rows, columns).
        x: (batch, channels, height, width).
        shape: of the weight, (out_channels, channels, kh, kw).
        stride: pixels from one window to the next.

    Returns:
        (out_channels, channels, kh, kw).
    """
    return np.tensordot(g, _windows(x, shape[2:], stride), axes=((0, 2, 3), (0, 2, 3)))


@kernel()
def _lay_out(image: Array, height: int, width: int, stride: int, rows: int, columns: int, windows: Array) -> None:
    """Write each window of an image, (channels, height, width), into a column of `windows`."""
    k = 0
    for channel in range(image.shape[0]):
        for i in range(height):
            for j in range(width):
                for row in range(rows):
                    for column in range(columns):
                        windows[k, row * columns + column] = image[channel, row * stride + i, column * stride + j]
                k += 1


@kernel()
def _put_back(windows: Array, height: int, width: int, stride: int, rows: int, columns: int, image: Array) -> None:
    """Add each column of `windows` to the window of the image that it belongs to."""
    k = 0
    for channel in range(image.shape[0]):
        for i in range(height):
            for j in range(width):
                for row in range(rows):
                    for column in range(columns):
                        image[channel, row * stride + i, column * stride + j] += windows[k, row * columns + column]
                k += 1


@kernel(parallel=True)
def _conv2d(x: Array, weight: Array, bias: Array, stride: int, y: Array) -> None:
    batch = x.shape[0]
    outputs, channels, height, width = weight.shape
    rows, columns = y.shape[2:]
    size, positions = channels * height * width, rows * columns
    values = weight.reshape(-1)
    flat = y.reshape(batch, outputs, positions)
    for chunk in prange(CHUNKS):
        windows = np.empty((size, positions), dtype=x.dtype)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            _lay_out(x[n], height, width, stride, rows, columns, windows)
            for output in range(outputs):
                flat[n, output] = bias[output]
                add_dense(flat[n], output, windows, 0, values, output * size, 1, size)


def conv2d_numba(x: Array, weight: Array, bias: Array, stride: int) -> Array:
    """Return the cross-correlation, as :func:`conv2d_numpy`; all arrays have to be of one dtype."""
    rows, columns = ((x.shape[axis] - weight.shape[axis]) // stride + 1 for axis in (2, 3))
    y = empty((len(x), len(weight), rows, columns), x.dtype)
    _conv2d(*map(np.ascontiguousarray, (x, weight, bias)), stride, y)
    return y


@kernel(parallel=True)
def _conv2d_vjp_x(g: Array, weight: Array, stride: int, gradient: Array) -> None:
    batch, outputs, rows, columns = g.shape
    channels, height, width = weight.shape[1:]
    size, positions = channels * height * width, rows * columns
    values = weight.reshape(-1)
    flat = g.reshape(batch, outputs, positions)
    for chunk in prange(CHUNKS):
        windows = np.empty((size, positions), dtype=g.dtype)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            windows[:] = 0
            for k in range(size):
                add_dense(windows, k, flat[n], 0, values, k, size, outputs)
            gradient[n] = 0
            _put_back(windows, height, width, stride, rows, columns, gradient[n])


def conv2d_vjp_x_numba(g: Array, weight: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of x, as :func:`conv2d_vjp_x_numpy`; all arrays have to be of one dtype."""
    gradient = empty(shape, g.dtype)
    _conv2d_vjp_x(np.ascontiguousarray(g), np.ascontiguousarray(weight), stride, gradient)
    return gradient


@kernel(parallel=True)
def _conv2d_vjp_weight(g: Array, x: Array, height: int, width: int, stride: int, partial: Array) -> Array:
    batch, outputs, rows, columns = g.shape
    positions = rows * columns
    values = g.reshape(-1)
    for chunk in prange(CHUNKS):
        partial[chunk] = 0
        windows = np.zeros((positions, partial.shape[2]), dtype=g.dtype)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            _lay_out(x[n], height, width, stride, rows, columns, windows.T)
            for output in range(outputs):
                first = (n * outputs + output) * positions
                add_dense(partial[chunk], output, windows, 0, values, first, 1, positions)
    return sum_chunks(partial)


def conv2d_vjp_weight_numba(g: Array, x: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of the weight, as :func:`conv2d_vjp_weight_numpy`; all arrays have to be of one dtype.

    Windows are rows here, filled up with zeros to whole vectors: the sums of a row stay in registers.
    """
    outputs, size = shape[0], shape[1] * shape[2] * shape[3]
    partial = empty((CHUNKS, outputs, -(-size // LANES) * LANES), g.dtype)
    total = _conv2d_vjp_weight(np.ascontiguousarray(g), np.ascontiguousarray(x), *shape[2:], stride, partial)
    return np.ascontiguousarray(total[:, :size]).reshape(shape)


def _blocks(x: Array, size: int) -> Array:
    """Return the whole windows of side `size`, (batch, channels, rows, size, columns, size)."""
    batch, channels, height, width = x.shape
    rows, columns = height // size, width // size
    whole = x[:, :, : rows * size, : columns * size]
    return whole.reshape(batch, channels, rows, size, columns, size)


def _spread(blocks: Array, shape: tuple[int, ...]) -> Array:
    """Return images of this shape, put together from blocks, with 0 beyond the last whole window."""
    batch, channels, rows, size, columns, _ = blocks.shape
    images = np.zeros(shape, dtype=blocks.dtype)
    whole = blocks.reshape(batch, channels, rows * size, columns * size)
    images[:, :, : rows * size, : columns * size] = whole
    return images


def max_pool2d_numpy(x: Array, size: int) -> Array:
    """Return the largest entry of every window, or NaN if the window has a NaN.

    Args:
        x: (batch, channels, height, width).
        size: side of a window in pixels, and pixels from one window to the next.

    Returns:
        (batch, channels, height // size, width // size).
    """
    return _blocks(x, size).max(axis=(3, 5))


def max_pool2d_vjp_numpy(g: Array, x: Array, y: Array, size: int) -> Array:
    """Return the gradient of x: g to the largest entry of each window, shared equally by entries that tie.

    A window whose maximum is NaN receives NaN.

    Args:
        g: gradient of the maxima, (batch, channels, rows, columns).
        x: (batch, channels, height, width).
        y: the maxima, of the shape of g.
        size: side of a window in pixels.

    Returns:
        (batch, channels, height, width).
    """
    largest = y[:, :, :, None, :, None]
    is_max = _blocks(x, size) == largest
    ties = np.maximum(is_max.sum(axis=(3, 5), dtype=g.dtype), 1)
    other = np.where(np.isnan(largest), largest, 0)
    return _spread(np.where(is_max, (g / ties)[:, :, :, None, :, None], other), x.shape)


def avg_pool2d_numpy(x: Array, size: int) -> Array:
    """Return the mean of every window; arguments and result have the shapes of :func:`max_pool2d_numpy`."""
    return _blocks(x, size).mean(axis=(3, 5))


def avg_pool2d_vjp_numpy(g: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of x: every entry of a window receives an equal share of g.

    Args:
        g: gradient of the means, (batch, channels, rows, columns).
        shape: of x, (batch, channels, height, width).
        size: side of a window in pixels.

    Returns:
        (batch, channels, height, width).
    """
    share = (g / size**2)[:, :, :, None, :, None]
    return _spread(np.broadcast_to(share, (*g.shape[:3], size, g.shape[3], size)), shape)


@kernel(parallel=True)
def _max_pool2d(x: Array, size: int, y: Array) -> None:
    planes, rows, columns = y.shape
    for chunk in prange(CHUNKS):
        for n in range(planes * chunk // CHUNKS, planes * (chunk + 1) // CHUNKS):
            for row in range(rows):
                for column in range(columns):
                    largest = x[n, row * size, column * size]
                    for i in range(row * size, (row + 1) * size):
                        for j in range(column * size, (column + 1) * size):
                            if x[n, i, j] > largest or np.isnan(x[n, i, j]):
                                largest = x[n, i, j]
                    y[n, row, column] = largest


@kernel(parallel=True)
def _max_pool2d_vjp(g: Array, x: Array, y: Array, size: int, gradient: Array) -> None:
    planes, rows, columns = y.shape
    for chunk in prange(CHUNKS):
        for n in range(planes * chunk // CHUNKS, planes * (chunk + 1) // CHUNKS):
            gradient[n, rows * size :] = 0  # pixels that fill no window
            gradient[n, :, columns * size :] = 0
            for row in range(rows):
                for column in range(columns):
                    largest = y[n, row, column]
                    ties = 0
                    for i in range(row * size, (row + 1) * size):
                        for j in range(column * size, (column + 1) * size):
                            ties += x[n, i, j] == largest
                    share = g[n, row, column] / g.dtype.type(max(ties, 1))
                    other = largest if np.isnan(largest) else x.dtype.type(0)
                    for i in range(row * size, (row + 1) * size):
                        for j in range(column * size, (column + 1) * size):
                            gradient[n, i, j] = share if x[n, i, j] == largest else other


@kernel(parallel=True)
def _avg_pool2d(x: Array, size: int, y: Array) -> None:
    planes, rows, columns = y.shape
    count = x.dtype.type(size * size)
    for chunk in prange(CHUNKS):
        for n in range(planes * chunk // CHUNKS, planes * (chunk + 1) // CHUNKS):
            for row in range(rows):
                for column in range(columns):
                    total = x.dtype.type(0)
                    for i in range(row * size, (row + 1) * size):
                        for j in range(column * size, (column + 1) * size):
                            total += x[n, i, j]
                    y[n, row, column] = total / count


@kernel(parallel=True)
def _avg_pool2d_vjp(g: Array, size: int, gradient: Array) -> None:
    planes, rows, columns = g.shape
    count = g.dtype.type(size * size)
    for chunk in prange(CHUNKS):
        for n in range(planes * chunk // CHUNKS, planes * (chunk + 1) // CHUNKS):
            gradient[n] = 0
            for row in range(rows):
                for column in range(columns):
                    share = g[n, row, column] / count
                    for i in range(row * size, (row + 1) * size):
                        for j in range(column * size, (column + 1) * size):
                            gradient[n, i, j] = share


def _planes(images: Array) -> Array:
    """Return images, (batch, channels, height, width), as (batch * channels, height, width), C-contiguous."""
    return np.ascontiguousarray(images).reshape(images.shape[0] * images.shape[1], *images.shape[2:])


def max_pool2d_numba(x: Array, size: int) -> Array:
    """Return the largest entry of every window, as :func:`max_pool2d_numpy`."""
    y = empty((*x.shape[:2], x.shape[2] // size, x.shape[3] // size), x.dtype)
    _max_pool2d(_planes(x), size, _planes(y))
    return y


def max_pool2d_vjp_numba(g: Array, x: Array, y: Array, size: int) -> Array:
    """Return the gradient of x, as :func:`max_pool2d_vjp_numpy`."""
    gradient = empty(x.shape, g.dtype)
    _max_pool2d_vjp(_planes(g), _planes(x), _planes(y), size, _planes(gradient))
    return gradient


def avg_pool2d_numba(x: Array, size: int) -> Array:
    """Return the mean of every window, as :func:`avg_pool2d_numpy`."""
    y = empty((*x.shape[:2], x.shape[2] // size, x.shape[3] // size), x.dtype)
    _avg_pool2d(_planes(x), size, _planes(y))
    return y


def avg_pool2d_vjp_numba(g: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of x, as :func:`avg_pool2d_vjp_numpy`."""
    gradient = empty(shape, g.dtype)
    _avg_pool2d_vjp(_planes(g), size, _planes(gradient))
    return gradient
