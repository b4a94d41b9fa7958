"""The activations and their vector-Jacobian products, entry by entry.

Every function writes its result into its last argument, `out`, which has the shape of the others. `x` is the input of
the activation, `g` the gradient of its output. The NumPy functions take arrays of any shape, the numba ones arrays of
one axis.

On large arrays NumPy would take one thread and a temporary for each step; numba takes one pass and all threads. Threads
share out fixed chunks of the entries, so the bits do not depend on their number. NaN stays NaN, and so the gradient
where `x` is NaN. Every entry is loaded before it is compared, since a load behind a condition would keep the compiler
from using vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tinydist.kernels.chunks import CHUNKS
from tinydist.kernels.jit import kernel

Array = NDArray[Any]


def relu_numpy(x: Array, out: Array) -> None:
    """Compute ``max(x, 0)``."""
    np.maximum(x, 0, out=out)


@kernel(parallel=True)
def relu_numba(x: Array, out: Array) -> None:
    """Compute ``max(x, 0)``; one axis."""
    for chunk in prange(CHUNKS):
        low, high = x.size * chunk // CHUNKS, x.size * (chunk + 1) // CHUNKS
        xs, outs = x[low:high], out[low:high]
        for i in range(xs.size):
            entry = xs[i]
            outs[i] = x.dtype.type(0) if entry <= 0 else entry


def relu_vjp_numpy(g: Array, x: Array, out: Array) -> None:
    """Compute `g` where ``x > 0``, 0 where ``x <= 0``, else NaN."""
    np.clip(x, 0, 0, out=out)  # 0, -0 or NaN
    out += 0
    np.putmask(out, x > 0, g)


@kernel(parallel=True)
def relu_vjp_numba(g: Array, x: Array, out: Array) -> None:
    """Compute `g` where ``x > 0``, 0 where ``x <= 0``, else NaN; one axis."""
    for chunk in prange(CHUNKS):
        low, high = x.size * chunk // CHUNKS, x.size * (chunk + 1) // CHUNKS
        gs, xs, outs = g[low:high], x[low:high], out[low:high]
        for i in range(xs.size):
            entry, gradient = xs[i], gs[i]
            other = x.dtype.type(0) if entry <= 0 else entry
            outs[i] = gradient if entry > 0 else other


def abs_numpy(x: Array, out: Array) -> None:
    """Compute ``|x|``."""
    np.abs(x, out=out)


@kernel(parallel=True)
def abs_numba(x: Array, out: Array) -> None:
    """Compute ``|x|``; one axis."""
    for chunk in prange(CHUNKS):
        low, high = x.size * chunk // CHUNKS, x.size * (chunk + 1) // CHUNKS
        xs, outs = x[low:high], out[low:high]
        for i in range(xs.size):
            outs[i] = abs(xs[i])


def abs_vjp_numpy(g: Array, x: Array, out: Array) -> None:
    """Compute `g` where ``x > 0``, ``-g`` where ``x < 0``, 0 where ``x = 0``, else NaN."""
    np.clip(x, 0, 0, out=out)  # 0, -0 or NaN
    out += 0
    np.putmask(out, x > 0, g)
    np.putmask(out, x < 0, -g)


@kernel(parallel=True)
def abs_vjp_numba(g: Array, x: Array, out: Array) -> None:
    """Compute `g` where ``x > 0``, ``-g`` where ``x < 0``, 0 where ``x = 0``, else NaN; one axis."""
    for chunk in prange(CHUNKS):
        low, high = x.size * chunk // CHUNKS, x.size * (chunk + 1) // CHUNKS
        gs, xs, outs = g[low:high], x[low:high], out[low:high]
        for i in range(xs.size):
            entry, gradient = xs[i], gs[i]
            other = -gradient if entry < 0 else entry + x.dtype.type(0)  # of -0, 0
            outs[i] = gradient if entry > 0 else other
