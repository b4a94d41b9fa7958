"""Allocation of large arrays from a pool of recycled buffers.

A training step needs the same few large arrays over and over. Asking the operating system for them each time costs
about as much as filling them, because every page of new memory has to be mapped and zeroed. So a large buffer to which
nothing refers any more is handed out again.
"""

from __future__ import annotations

import math
import sys
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LARGE = 2**18
"""Size in bytes from which an array is recycled; smaller ones are cheap to allocate."""

KEPT = 2**30
"""Bytes of unused buffers beyond which the oldest are freed."""

CACHE_LINE = 64
"""Size of a cache line in bytes; arrays start at a multiple of it, so that no vector straddles two cache lines."""

_buffers: list[NDArray[np.uint8]] = []
_lock = Lock()


def _references(buffers: list[NDArray[np.uint8]], position: int) -> int:
    return sys.getrefcount(buffers[position])


_FREE = _references([np.empty(1, dtype=np.uint8)], 0)  # of a buffer to which only its list refers


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array, like ``numpy.empty``; a large one is recycled and aligned to cache lines."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.empty(shape, dtype) if size < LARGE else aligned_empty(shape, dtype)


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array that starts at a cache line; a large one is recycled."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with _lock:
        buffer = np.empty(size + CACHE_LINE, np.uint8) if size < LARGE else _free_buffer(size + CACHE_LINE)
        start = -buffer.ctypes.data % CACHE_LINE
        return buffer[start : start + size].view(dtype).reshape(shape)


def _free_buffer(size: int) -> NDArray[np.uint8]:
    """Return a buffer of exactly `size` bytes to which only the pool refers."""
    unused = 0
    for position in reversed(range(len(_buffers))):
        if _references(_buffers, position) == _FREE:
            if _buffers[position].size == size:
                return _buffers[position]
            unused += _buffers[position].size
            if unused > KEPT:
                del _buffers[position]
    new = np.empty(size, dtype=np.uint8)
    _buffers.append(new)
    return new
