"""The decorator with which kernels are compiled: on first use, once, and kept on disk for the next process."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from numba import config, njit, threading_layer  # type: ignore[attr-defined]

try:
    from tinydist.kernels.cache import CheckedCache
except ImportError:  # this numba's cache is made in another way, so it serves as it is
    CheckedCache = None  # type: ignore[assignment, misc]


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function with numba on its first call and keeps the machine code on disk.

    Floating-point sums keep their order unless `fastmath` is given. That has to be said to numba, which would otherwise
    compile a kernel with the liberties of whichever kernel happens to call it first, and keep that on disk.

    numba keeps it in ``__pycache__`` beside the source or, where that cannot be written, in the user's cache folder
    (or in NUMBA_CACHE_DIR); it writes files whole, so processes may share them, and a damaged one counts as missing
    (see :mod:`tinydist.kernels.cache`). Where no folder can be written, the function is compiled anew in each process,
    and a warning says so.

    In a process with one thread (NUMBA_NUM_THREADS=1, or a machine with one core) a parallel kernel is compiled as a
    plain loop, in a third of the time, to the same bits. Otherwise it raises a RuntimeError in a process that was
    forked after numba's threads had started, see :func:`_refuse_lost_threads`.

    Args:
        **options: options of ``numba.njit``, such as `parallel`.
    """

    options = {"fastmath": False} | options
    plain = options.get("parallel", False) and config.NUMBA_NUM_THREADS == 1  # type: ignore[attr-defined]
    if plain:
        options["parallel"] = False

    def compiled(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:  # type: ignore[attr-defined]  # numba sets it at run time
            return function
        if plain:  # numba names files by this, so that neither kind of process loads what the other one compiled
            function.__qualname__ += "_plain"
        try:
            dispatcher: Any = njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder to write to
            _warn_not_kept()
            dispatcher = njit(**options)(function)
        else:
            if CheckedCache is not None:
                with suppress(AttributeError):
                    dispatcher._cache = CheckedCache(function, _warn_not_kept)
        if options.get("parallel"):
            _parallel.append(dispatcher)
        return dispatcher

    return compiled


def _warn_not_kept() -> None:
    warnings.warn(
        "compiled kernels cannot be kept on disk, so every process spends some seconds compiling; "
        "set NUMBA_CACHE_DIR to a folder that can be written",
        stacklevel=1,  # one place for all kernels, so that it is shown once
    )


# --- processes without numba's threads -------------------------------------------------------------------------------

_parallel: list[Any] = []
"""Every kernel that needs numba's threads."""


def _refuse_lost_threads() -> None:
    """Let parallel kernels raise, in a process just forked from one whose OpenMP threads had started.

    The threads are not here, but GNU's OpenMP, which numba uses on Linux, thinks so, and would abort the process. Other
    threading layers survive a fork.
    """
    try:
        lost = threading_layer() == "omp"
    except ValueError:  # no parallel kernel has run yet
        return
    if lost:
        with suppress(AttributeError):  # these names are numba's own, and without them the process dies as it would
            for dispatcher in _parallel:
                dispatcher._reset_overloads()  # forget what was compiled, so that a call asks for it to be compiled
                dispatcher._compile_for_args = _refuse


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError(
        "this process was forked from one in which compiled kernels had already started their threads, which a fork "
        'does not copy; start processes with multiprocessing.get_context("spawn") or "forkserver"'
    )


if sys.platform == "linux":
    os.register_at_fork(after_in_child=_refuse_lost_threads)
