"""The decorator with which kernels are compiled: on first use, once, and kept on disk for the next process."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function with numba on its first call and keeps the machine code on disk.

    Floating-point sums keep their order unless `fastmath` is given. That has to be said to numba, which would otherwise
    compile a kernel with the liberties of whichever kernel happens to call it first, and keep that on disk.

    numba keeps it in ``__pycache__`` beside the source or, where that cannot be written, in the user's cache folder
    (or in NUMBA_CACHE_DIR); it writes files whole, so processes may share them. Where no folder can be written, the
    function is compiled anew in each process, and a warning says so.

    Args:
        **options: options of ``numba.njit``, such as `parallel`.
    """

    options = {"fastmath": False} | options

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder to write to
            warnings.warn(
                "compiled kernels cannot be kept on disk, so every process spends some seconds compiling; "
                "set NUMBA_CACHE_DIR to a folder that can be written",
                stacklevel=1,  # one place for all kernels, so that it is shown once
            )
            return njit(**options)(function)

    return compiled
