"""Replacement of one function by another, wherever it is referred to, for the time of a block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher


def _call_stand_in(*inputs: Any, _stand_in: Callable[..., Any], **options: Any) -> Any:
    return _stand_in(*inputs, **options)


@contextmanager
def replaced(function: Any, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Run `stand_in` in place of every call of `function` within this block.

    A Python function is changed in place: its code becomes a call of the stand-in, so that every reference to it, even
    one captured long before, runs the stand-in. A kernel that numba has compiled cannot be changed; its name is bound
    to the stand-in in every module that has it.
    """
    if isinstance(function, Dispatcher):
        with _rebound(function, stand_in):
            yield
        return
    saved = function.__code__, function.__defaults__, function.__kwdefaults__
    function.__code__, function.__defaults__ = _call_stand_in.__code__, None
    function.__kwdefaults__ = {"_stand_in": stand_in}
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = saved


@contextmanager
def _rebound(kernel: Any, stand_in: Callable[..., Any]) -> Iterator[None]:
    modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    places = [(module, name) for module in modules for name, value in vars(module).items() if value is kernel]
    for module, name in places:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, kernel)
