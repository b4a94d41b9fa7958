"""Convolution and pooling of images, and their vector-Jacobian products.

An entry of the weight meets one pixel of every window. These pixels, the entry's *tap*, are an image of the size of the
output; a convolution is a sum of taps, each times its entry. NumPy lays out all taps of the whole batch ("im2col"), kh
kw times the memory of the images, for one matrix product; the numba kernels read a few taps of one image at a time,
which stay in the cache, and use them for all outputs.

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
from tinydist.kernels.rows import dot

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
def _read_tap(image: Array, i: int, j: int, stride: int, tap: Array) -> None:
    """Write the pixels that entry (i, j) of a weight meets into `tap`, (rows, columns): one for each window."""
    rows, columns = tap.shape
    for row in range(rows):
        pixels = image[row * stride + i, j:]
        if stride == 1:  # the same loop, in vector instructions
            for column in range(columns):
                tap[row, column] = pixels[column]
        else:
            for column in range(columns):
                tap[row, column] = pixels[column * stride]


@kernel()
def _add_tap(tap: Array, i: int, j: int, stride: int, image: Array) -> None:
    """Add `tap`, (rows, columns), to the pixels that entry (i, j) of a weight meets."""
    rows, columns = tap.shape
    for row in range(rows):
        pixels = image[row * stride + i, j:]
        if stride == 1:
            for column in range(columns):
                pixels[column] += tap[row, column]
        else:
            for column in range(columns):
                pixels[column * stride] += tap[row, column]


TOGETHER = 4
"""Products that are added to a sum at a time, which is loaded and stored once for all of them."""


@kernel(fastmath={"contract"})
def _add_products(factors: Array, terms: Array, sums: Array) -> None:
    """Add ``factors @ terms`` to `sums`: (products,), (products, places) and (places,)."""
    products = len(factors)
    whole = products - products % TOGETHER
    for first in range(0, whole, TOGETHER):
        a, b, c, d = factors[first], factors[first + 1], factors[first + 2], factors[first + 3]
        of_a, of_b, of_c, of_d = terms[first], terms[first + 1], terms[first + 2], terms[first + 3]
        for k in range(len(sums)):
            sums[k] += a * of_a[k] + b * of_b[k] + c * of_c[k] + d * of_d[k]
    for rest in range(whole, products):
        factor, of_it = factors[rest], terms[rest]
        for k in range(len(sums)):
            sums[k] += factor * of_it[k]


@kernel(parallel=True)
def _conv2d(x: Array, weight: Array, bias: Array, stride: int, y: Array) -> None:
    batch = len(x)
    outputs, channels, height, width = weight.shape
    rows, columns = y.shape[2:]
    sums = y.reshape(batch, outputs, rows * columns)
    size = height * width
    entries = weight.reshape(outputs, channels * size)
    for chunk in prange(CHUNKS):
        taps = np.empty((TOGETHER, rows, columns), dtype=x.dtype)
        terms = taps.reshape(TOGETHER, rows * columns)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            for output in range(outputs):
                sums[n, output] = bias[output]
            for first in range(0, channels * size, TOGETHER):
                last = min(first + TOGETHER, channels * size)
                for entry in range(first, last):
                    channel, place = entry // size, entry % size
                    _read_tap(x[n, channel], place // width, place % width, stride, taps[entry - first])
                for output in range(outputs):
                    _add_products(entries[output, first:last], terms[: last - first], sums[n, output])


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
    flat = g.reshape(batch, outputs, rows * columns)
    for chunk in prange(CHUNKS):
        tap = np.empty((rows, columns), dtype=g.dtype)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            gradient[n] = 0
            for channel in range(channels):
                for i in range(height):
                    for j in range(width):
                        tap[:] = 0
                        _add_products(weight[:, channel, i, j], flat[n], tap.reshape(-1))
                        _add_tap(tap, i, j, stride, gradient[n, channel])


def conv2d_vjp_x_numba(g: Array, weight: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of x, as :func:`conv2d_vjp_x_numpy`; all arrays have to be of one dtype."""
    gradient = empty(shape, g.dtype)
    _conv2d_vjp_x(np.ascontiguousarray(g), np.ascontiguousarray(weight), stride, gradient)
    return gradient


@kernel(parallel=True)
def _conv2d_vjp_weight(g: Array, x: Array, stride: int, partial: Array) -> Array:
    batch, outputs, rows, columns = g.shape
    channels, height, width = partial.shape[2:]
    flat = g.reshape(batch, outputs, rows * columns)
    for chunk in prange(CHUNKS):
        partial[chunk] = 0
        tap = np.empty((rows, columns), dtype=g.dtype)
        for n in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            for channel in range(channels):
                for i in range(height):
                    for j in range(width):
                        _read_tap(x[n, channel], i, j, stride, tap)
                        for output in range(outputs):
                            partial[chunk, output, channel, i, j] += dot(flat[n, output], tap.reshape(-1))
    return sum_chunks(partial.reshape(CHUNKS, outputs, -1))


def conv2d_vjp_weight_numba(g: Array, x: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Return the gradient of the weight, as :func:`conv2d_vjp_weight_numpy`; all arrays have to be of one dtype."""
    partial = empty((CHUNKS, *shape), g.dtype)
    return _conv2d_vjp_weight(np.ascontiguousarray(g), np.ascontiguousarray(x), stride, partial).reshape(shape)


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


@kernel()
def _max_pool2d_vjp_plane(g: Array, x: Array, y: Array, size: int, scratch: Array, gradient: Array) -> None:
    """Write the gradient of one plane.

    Maxima and shares are spread out to one entry a pixel, so that pixels are compared in vector instructions.
    """
    rows, columns = y.shape
    used = columns * size
    largest, ties, share = scratch[0, :used], scratch[1, :used], scratch[2, :used]
    zero, one = x.dtype.type(0), x.dtype.type(1)
    gradient[rows * size :] = 0  # pixels that fill no window
    gradient[:, used:] = 0
    for row in range(rows):
        maxima, received = y[row], g[row]
        for column in range(columns):
            for j in range(size):
                largest[column * size + j] = maxima[column]
        ties[:] = 0
        for i in range(row * size, (row + 1) * size):
            pixels = x[i]
            for k in range(used):
                ties[k] += one if pixels[k] == largest[k] else zero
        for column in range(columns):
            total = zero
            for j in range(size):
                total += ties[column * size + j]
            for j in range(size):
                share[column * size + j] = received[column] / max(total, one)
        for i in range(row * size, (row + 1) * size):
            pixels, result = x[i], gradient[i]
            for k in range(used):
                other = largest[k] if largest[k] != largest[k] else zero  # NaN
                result[k] = share[k] if pixels[k] == largest[k] else other


@kernel(parallel=True)
def _max_pool2d_vjp(g: Array, x: Array, y: Array, size: int, gradient: Array) -> None:
    planes, _, width = x.shape
    for chunk in prange(CHUNKS):
        scratch = np.empty((3, width), dtype=x.dtype)
        for n in range(planes * chunk // CHUNKS, planes * (chunk + 1) // CHUNKS):
            if size == 2:  # a constant, for which the loops over a window are unrolled
                _max_pool2d_vjp_plane(g[n], x[n], y[n], 2, scratch, gradient[n])
            else:
                _max_pool2d_vjp_plane(g[n], x[n], y[n], size, scratch, gradient[n])


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
