"""The side of a tensor that no gradient flows through: what it holds, and how Python sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinydist.arrays import check_broadcast, is_real, number


def _comparison(compare: np.ufunc) -> Callable[[Any, object], Any]:
    """Return a comparison entry by entry as a method: a tensor of bools, without a gradient."""

    def method(self: Values, other: object) -> Any:
        other = number(array_of(other))
        array = np.asarray(other)
        if not is_real(array.dtype):
            return NotImplemented
        check_broadcast(compare.__name__, self.shape, array.shape)
        return type(self)(compare(self.data, other))

    return method


class Values:
    """Base class of tensors: an array as Python and NumPy see it.

    Attributes:
        data: the array.
        op: name of the op that computed it, None for a leaf.
        requires_grad: whether the backward pass computes a gradient for it.
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that `array + tensor` calls Tensor.__radd__ instead of looping over the array

    data: NDArray[Any]
    op: str | None
    requires_grad: bool

    def __init__(self, data: Any) -> None:
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of every axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The number type of the entries."""
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    __eq__, __ne__ = _comparison(np.equal), _comparison(np.not_equal)
    __lt__, __le__ = _comparison(np.less), _comparison(np.less_equal)
    __gt__, __ge__ = _comparison(np.greater), _comparison(np.greater_equal)
    __hash__ = object.__hash__

    def __iadd__(self, other: object) -> Any:
        """Leave ``x += y`` to ``x = x + y``, except for a parameter: those who hold it would not see the new tensor."""
        if self.requires_grad and self.op is None:
            raise TypeError(
                "an augmented assignment such as w += y makes a new tensor and leaves the parameter as it is; "
                "change its data (w.data += y), or write w = w + y if you mean a new one"
            )
        return NotImplemented

    __isub__ = __imul__ = __itruediv__ = __imatmul__ = __ipow__ = __iadd__

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="Tensor(", threshold=20, precision=4)
        notes = [f"dtype={self.dtype}"] if self.dtype != np.float64 else []
        notes += [f"op={self.op}"] if self.op else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({', '.join([values, *notes])})"

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("NumPy would lose this tensor's gradient; use a Tensor method, or .data for the bare array")

    def __getstate__(self) -> object:
        if self.op is not None:
            raise TypeError(
                f"a tensor that an op computed ('{self.op}') cannot be copied or pickled with the graph behind it; "
                "compute the copy, or take tensor.detach(), which has no graph"
            )
        return super().__getstate__()

    def item(self) -> float:
        """Return the single entry as a Python number, or raise a ValueError if there is not exactly one."""
        return self.data.item()


def array_of(x: Any) -> Any:
    """Return the array of a tensor; anything else as it is."""
    return x.data if isinstance(x, Values) else x
