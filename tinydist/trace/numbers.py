"""Detection of the op that made the first NaN or infinity."""

from __future__ import annotations

import linecache
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from tinydist.errors import NotFiniteError
from tinydist.recording import Watcher, watching
from tinydist.tensor import Tensor

Array = NDArray[Any]

PACKAGE = Path(__file__).parent.parent


@contextmanager
def check_numbers() -> Iterator[None]:
    """Raise within this block at the first op that makes a NaN or an infinity, forward or backward::

        with check_numbers():
            loss = model(x).cross_entropy(labels)
            loss.backward()

    NumPy's own floating-point warnings are silenced inside, since the error says more.

    Raises:
        NotFiniteError: names the op, the entry, the inputs that made it, and the line that called the op. A backward
            pass names the line that called the op forward, whose rule failed.
    """
    with watching(_NumberCheck()), silent_numpy():
        yield


@contextmanager
def silent_numpy() -> Iterator[None]:
    """Silence NumPy's warnings of overflows, divisions by zero and the like within this block."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # errstate does not reach the threads that share out a large matrix product
        warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning)
        yield


class _NumberCheck(Watcher):
    """A watcher that remembers which line computed each tensor, and checks every number."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}  # by the id of the tensor; one that reuses an id brings its own line
        self._reached: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # by a contribution, which was finite

    def computed(self, op: str, inputs: Sequence[Tensor], result: Tensor) -> None:
        line = _calling_line()
        if not _finite(result.data):
            raise NotFiniteError(f"{_forward_problem(op, inputs, result)}\n{line}")
        self._lines[id(result)] = line

    def pulled_back(self, tensor: Tensor, gradient: Array, contributions: Sequence[Array | None]) -> None:
        if not _finite(gradient):  # its contributions were looked at before, their sum and the first gradient were not
            raise NotFiniteError(f"{self._gradient_problem(tensor, gradient)}. Computed here:\n{self._line(tensor)}")
        for i, contribution in enumerate(contributions):
            if contribution is not None:
                if not _finite(contribution):
                    raise NotFiniteError(
                        f"the gradient rule of '{tensor.op}' made {_first_bad(contribution)} in the gradient of input "
                        f"{i}, which is {_entry(tensor.inputs[i].data, contribution)} there; the gradient that came "
                        f"in was finite, up to {np.abs(gradient).max(initial=0):.4g} in size. The op was called here:\n"
                        f"{self._line(tensor)}"
                    )
                self._reached[id(tensor.inputs[i])] = tensor.inputs[i]

    def _gradient_problem(self, tensor: Tensor, gradient: Array) -> str:
        what = f"the result of '{tensor.op}'" if tensor.op else f"a leaf of shape {tensor.shape}"
        if id(tensor) in self._reached:
            return (
                f"the gradient of {what} has {_first_bad(gradient)}: it is used several times, each use contributed "
                "finite numbers, and their sum is too large"
            )
        return f"the gradient given to backward, for {what}, has {_first_bad(gradient)}"

    def _line(self, tensor: Tensor) -> str:
        """Return the line that computed the tensor."""
        if tensor.op is None:
            return "  (a leaf: no op computed it)"
        return self._lines.get(id(tensor), "  (computed before the numbers were checked)")


def _forward_problem(op: str, inputs: Sequence[Tensor], result: Tensor) -> str:
    for i, tensor in enumerate(inputs):
        if not _finite(tensor.data):
            return (
                f"'{op}' was given {_first_bad(tensor.data)} in input {i}, of shape {tensor.shape}, which no op in "
                "this block computed: look at the data, the weights or the last step. It was called here:"
            )
    sizes = ", ".join(_described(tensor.data, result.data) for tensor in inputs)
    return f"'{op}' made {_first_bad(result.data)} from finite inputs: {sizes}. It was called here:"


def _described(array: Array, result: Array) -> str:
    """Return the entry that made the first bad one of the result, if the shapes are the same; else the range."""
    if array.shape == result.shape:
        return _entry(array, result)
    if array.size < 2:
        return f"{array.item():.4g}" if array.size else f"nothing, of shape {array.shape}"
    return f"{array.min():.4g} … {array.max():.4g} of shape {array.shape}"


def _finite(array: Array) -> bool:
    return bool(np.isfinite(array).all())


def _first_bad(array: Array) -> str:
    """Return the first entry that is not finite, with its place and the number of others."""
    bad = np.argwhere(~np.isfinite(array))
    where = f" at index [{', '.join(map(str, bad[0]))}]" if array.ndim else ""
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"{array[tuple(bad[0])]}{where}{more}"


def _entry(array: Array, bad: Array) -> str:
    """Return the entry of `array` at the first place where `bad`, of the same shape, is not finite."""
    return f"{array[tuple(np.argwhere(~np.isfinite(bad))[0])]:.4g}"


def _calling_line() -> str:
    """Return file, line and text of the innermost call from outside this package, or of this package's own command."""
    frame = sys._getframe(1)
    while frame.f_back and PACKAGE in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, number).strip()
    return f"  {file}, line {number}" + (f": {text}" if text else "")
