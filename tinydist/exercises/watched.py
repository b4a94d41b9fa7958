"""Arrays that tell which of their elements are read and written."""

from __future__ import annotations

import inspect
import operator
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CREATORS = (
    *("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "arange", "eye", "identity", "linspace"),
    *("zeros", "ones", "full", "empty", "zeros_like", "ones_like", "full_like", "empty_like"),
)
"""NumPy's functions that make arrays without being given a watched one."""

WRITTEN: dict[Any, int] = {
    np.ndarray.fill: 0,
    np.ndarray.sort: 0,
    np.copyto: 0,
    np.fill_diagonal: 0,
    np.dot: 2,
    np.ndarray.dot: 2,
}
"""Positions of the arguments that functions write to, besides ``out=``."""

READ_NOTHING = (np.zeros_like, np.ones_like, np.full_like, np.empty_like, np.shape, np.ndim, np.size, np.result_type)
"""Functions that look only at an array's shape and dtype."""

READING = ("__contains__", "__float__", "__int__", "__bool__", "__index__", "__complex__", "__copy__", "__deepcopy__")


class Watch(ABC):
    """Makes watched arrays and is told what happens to them.

    A place is an address in memory, so it is the same in every view. No array is freed before the watch is, so no place
    is used twice.
    """

    def __init__(self) -> None:
        self.arrays: list[Watched] = []  # in the order in which they were made, views included
        self.unwritten: dict[int, str] = {}  # by place: the function that allocated it

    @abstractmethod
    def note(self, kind: str, *places: Array) -> None:
        """Note that the learner's code reads or writes places: `kind` is "read", "write" or "add"."""

    @abstractmethod
    def is_reduction(self, array: Watched, frame: FrameType) -> bool:
        """Return whether ``array += x`` in this frame is what numba does for each thread on a copy of its own."""

    def over(self, value: Any) -> Any:
        """Return arrays as watched ones, alone or in a tuple or list; anything else as it is."""
        if type(value) in (tuple, list):
            return type(value)(map(self.over, value))
        if type(value) is not np.ndarray:
            return value
        watched = value.view(Watched)
        watched.join(self)
        return watched

    def call(self, function: Callable[..., Any], args: Iterable[Any], options: Mapping[str, Any]) -> Any:
        """Call a function of NumPy on plain arrays, note what it reads and writes, and watch what it returns."""
        read: list[Watched] = []
        written: list[Watched] = []
        position = WRITTEN.get(function)
        plain = [_plain(arg, written if i == position else read) for i, arg in enumerate(args)]
        result = function(*plain, **{key: _plain(x, written if key == "out" else read) for key, x in options.items()})
        if written or not (function in READ_NOTHING or _is_view(result, read)):
            self.note("read", *map(places_of, read))
        self.note("write", *map(places_of, written))
        return self.over(result)

    def creator(self, name: str) -> Callable[..., Any]:
        """Return a stand-in for a function of NumPy that makes arrays."""
        function = getattr(np, name)

        def create(*args: Any, **options: Any) -> Any:
            array = self.call(function, args, options)
            if function in (np.empty, np.empty_like):
                self.unwritten |= dict.fromkeys(places_of(array).ravel().tolist(), f"np.{name}")
            return array

        return create


class Watched(np.ndarray[Any, Any]):
    """An array that tells its watch of each access to its elements.

    Attributes:
        watch: whom to tell.
        number: of this object among all that the watch knows.
    """

    watch: Watch
    number: int

    def join(self, watch: Watch) -> None:
        """Tell this watch from now on."""
        self.watch, self.number = watch, len(watch.arrays)
        watch.arrays.append(self)

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Watched):  # as for an attribute such as .T
            self.join(source.watch)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self.watch.call(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        return self.watch.call(function, args, kwargs)

    @property
    def flat(self) -> Any:
        """The elements in a row; unwatched if they do not lie in memory in that order."""
        return self.reshape(-1) if self.flags.c_contiguous else super().flat

    def __getitem__(self, key: Any) -> Any:
        read: list[Watched] = []
        key = _plain(key, read)
        part = _plain(self, [])[key]
        self.watch.note("read", *map(places_of, read))
        if not _is_view(part, [self]):
            self.watch.note("read", places_of(self)[key])
        return self.watch.over(part)

    def __setitem__(self, key: Any, value: Any) -> None:
        read: list[Watched] = []
        key, value = _plain(key, read), _plain(value, read)
        _plain(self, [])[key] = value
        self.watch.note("read", *map(places_of, read))
        self.watch.note("write", places_of(self)[key])


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Watched, *args: Any, **options: Any) -> Any:
        return self.watch.call(function, (self, *args), options)

    return method


def _in_place(change: Callable[[Any, Any], Any], ufunc: np.ufunc) -> Callable[..., Any]:
    def method(self: Watched, other: Any) -> Watched:
        if self.watch.is_reduction(self, sys._getframe(1)):
            read: list[Watched] = []
            change(_plain(self, []), _plain(other, read))
            self.watch.note("read", *map(places_of, read))
            self.watch.note("add", places_of(self))
        else:
            ufunc(self, other, out=(self,))
        return self

    return method


for name, function in inspect.getmembers(np.ndarray, callable):
    if name in READING or not name.startswith("_"):
        setattr(Watched, name, _method(function))
for change, ufunc in [
    (operator.iadd, np.add),
    (operator.isub, np.subtract),
    (operator.imul, np.multiply),
    (operator.itruediv, np.divide),
]:
    setattr(Watched, f"__{change.__name__}__", _in_place(change, ufunc))


def places_of(array: Array) -> Array:
    """Return the address of each element of an array, in the array's shape."""
    places = np.array(array.__array_interface__["data"][0])
    for length, step in zip(array.shape, array.strides, strict=True):
        places = places[..., None] + np.arange(length) * step
    return places


def _plain(value: Any, found: list[Watched]) -> Any:
    """Return a value with plain arrays instead of watched ones, which are appended to `found`."""
    if type(value) in (tuple, list):
        return type(value)(_plain(part, found) for part in value)
    if not isinstance(value, Watched):
        return value
    found.append(value)
    return np.ndarray.view(value, np.ndarray)


def _is_view(result: Any, arrays: Iterable[Watched]) -> bool:
    parts = result if isinstance(result, tuple | list) else [result]
    plain = [_plain(array, []) for array in arrays]
    return any(np.may_share_memory(part, x) for part in parts if isinstance(part, np.ndarray) for x in plain)
