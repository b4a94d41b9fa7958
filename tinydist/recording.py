"""Switches for ops: whether they record a graph, and which watchers are called when they run.

Nothing here needs the class of tensors, so that :mod:`tinydist.tensor` can import this module.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from numpy.typing import NDArray

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record no graph within this block: the results of ops do not require gradients."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_recording() -> bool:
    """Return whether ops record a graph here."""
    return _recording.get()


@contextmanager
def keeping_gradients(leaves: Sequence[Any]) -> Iterator[None]:
    """Restore, after this block, the ``grad`` that the leaves, which are tensors, had before it."""
    before = [leaf.grad for leaf in leaves]
    try:
        yield
    finally:
        for leaf, gradient in zip(leaves, before, strict=True):
            leaf.grad = gradient


class Watcher(ABC):
    """Base class of objects whose methods are called for every op, forward and backward, within :func:`watching`."""

    @abstractmethod
    def computed(self, op: str, inputs: Sequence[Any], result: Any) -> None:
        """Take note that the op of this name has computed the tensor `result` from the tensors `inputs`."""

    @abstractmethod
    def pulled_back(self, tensor: Any, gradient: NDArray[Any], contributions: Sequence[NDArray[Any] | None]) -> None:
        """Take note that backward has reached `tensor` with its complete gradient.

        Args:
            tensor: with its graph still there, even if backward frees it next.
            gradient: of the final loss with respect to `tensor`.
            contributions: what the op's rules make of it for each of ``tensor.inputs``, None for an input that needs
                no gradient; empty for a leaf.
        """


_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` for every op that runs within this block. Blocks may be nested; each watcher gets every op."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def watchers() -> tuple[Watcher, ...]:
    """Return the watchers of this block."""
    return _watchers.get()
