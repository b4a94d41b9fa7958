"""The gradients at every layer while a model trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from tinydist.nn import Module
from tinydist.optim import Optimizer
from tinydist.recording import Watcher, watching
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor
from tinydist.trace.record import named_loss
from tinydist.training import check_loss, spaced_epochs, training_step

Array = NDArray[Any]


@dataclass(frozen=True)
class Flow:
    """The gradient at every layer, measured at some moments of training.

    Attributes:
        epochs: steps taken at each measurement.
        layers: "loss", then the names of the layers from the last to the first.
        norms: Euclidean length of the gradient at each layer's output, (measurements, layers).
        zero_shares: share of its entries that are exactly zero, (measurements, layers).
        losses: training loss in nats, (measurements,).
    """

    epochs: tuple[int, ...]
    layers: tuple[str, ...]
    norms: Array
    zero_shares: Array
    losses: Array


def record_flow(
    model: Module, optimizer: Optimizer, x: Array | SparseMatrix, labels: Array, epochs: int, points: int = 30
) -> Flow:
    """Train by full-batch steps and measure the backward pass over all images at about `points` moments.

    Args:
        model: maps (batch, features) to logits; trained in place.
        optimizer: of its parameters.
        x, labels: the training images, (batch, features) and (batch,).
        epochs: steps to take, at least one.
        points: about how many moments: the start, the end and between them evenly spaced on a log axis.

    Raises:
        ValueError: if there is not even one epoch.
        DivergedError: as soon as the loss is not finite.
    """
    if epochs < 1:
        raise ValueError(f"a flow needs at least one epoch of training, got {epochs}")
    moments = spaced_epochs(epochs, points)
    meters = []
    for epoch in range(epochs + 1):
        loss, names = named_loss(model, x, labels)
        check_loss(loss.item(), epoch)
        meter = _Meter(names)
        with watching(meter) if epoch in moments else nullcontext():
            if epoch < epochs:
                training_step(loss, optimizer)
            else:
                optimizer.zero_grad()
                loss.backward()
        if epoch in moments:
            meters.append(meter)
    return Flow(
        epochs=tuple(sorted(moments)),
        layers=tuple(meters[0].layers),
        norms=np.array([meter.norms for meter in meters]),
        zero_shares=np.array([meter.zero_shares for meter in meters]),
        losses=np.array([meter.loss for meter in meters]),
    )


class _Meter(Watcher):
    """A watcher that measures the gradient at the output of every layer during a backward pass."""

    def __init__(self, names: Mapping[str, Tensor]) -> None:
        self.layers: list[str] = []
        self.norms: list[float] = []
        self.zero_shares: list[float] = []
        self.loss = float("nan")
        named = {name: tensor for name, tensor in names.items() if tensor.op}
        self._names = {id(tensor): name for name, tensor in named.items()}
        self._alive = WeakValueDictionary({id(tensor): tensor for tensor in named.values()})

    def computed(self, op: str, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Do nothing: values are not measured."""

    def pulled_back(self, tensor: Tensor, gradient: Array, _: Sequence[Array | None]) -> None:
        if id(tensor) not in self._alive:
            return
        if not self.layers:
            self.loss = tensor.item()
        self.layers.append(self._names[id(tensor)])
        self.norms.append(float(np.linalg.norm(gradient)))
        self.zero_shares.append(float(np.mean(gradient == 0)))
