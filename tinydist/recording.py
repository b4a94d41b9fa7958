"""What happens beside the computation itself: whether ops record a graph, and who watches them run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinydist.tensor import Tensor

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this block ops record no graph: their results do not require gradients."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_recording() -> bool:
    """Whether ops record a graph here."""
    return _recording.get()


@contextmanager
def keeping_gradients(leaves: Sequence[Tensor]) -> Iterator[None]:
    """After this block the leaves have the ``grad`` that they had before it."""
    before = [leaf.grad for leaf in leaves]
    try:
        yield
    finally:
        for leaf, gradient in zip(leaves, before, strict=True):
            leaf.grad = gradient


class Watcher(Protocol):
    """Sees every op as it runs, forward and backward, within :func:`watching`."""

    def computed(self, op: str, inputs: Sequence[Tensor], result: Tensor) -> None:
        """An op has computed `result` from `inputs`."""

    def pulled_back(self, tensor: Tensor, gradient: NDArray[Any], contributions: Sequence[NDArray[Any] | None]) -> None:
        """Backward has reached `tensor` with its complete gradient.

        Args:
            tensor: with its graph still there, even if backward frees it next.
            gradient: of the final loss with respect to `tensor`.
            contributions: what the op's rules make of it for each of ``tensor.inputs``, None for an input that needs
                no gradient; empty for a leaf.
        """


_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within this block `watcher` sees every op run. Blocks may be nested; each watcher sees everything."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def watchers() -> tuple[Watcher, ...]:
    """Who watches here."""
    return _watchers.get()
