"""One training run: full-batch gradient descent, watched as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.analysis.activations import layer_outputs, node_layers
from tinydist.analysis.dead_nodes import active_shares, dead_units
from tinydist.datasets import Dataset
from tinydist.errors import DivergedError
from tinydist.nn import Sequential
from tinydist.optim import Optimizer
from tinydist.recording import no_grad
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Measurement:
    """The state of a model after `epoch` steps.

    Attributes:
        epoch: steps taken so far; 0 is the initial model.
        train_loss: mean cross-entropy over the training images, in nats.
        train_accuracy, test_accuracy: percent.
        dead_outputs: outputs within ±1e-6 on every training image.
        dead_hidden: hidden units whose activation is within ±1e-6 on every training image.
        output_activity: for each output the share of the training images on which it is not within ±1e-6, 0 to 1.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    dead_outputs: int
    dead_hidden: int
    output_activity: tuple[float, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Measurement:
        """A measurement back from what ``asdict`` gives, by way of JSON, which knows no tuples."""
        return cls(**{**fields, "output_activity": tuple(fields["output_activity"])})


def measured_epochs(epochs: int, points: int = 20) -> set[int]:
    """The epochs at which a run is measured: 0, the last, and about `points` evenly spaced on a log axis."""
    return {0, *(round(e) for e in np.geomspace(1, epochs, points))}


def accuracy(logits: Array, labels: Array) -> float:
    """Percent of rows whose largest logit is at the label; (batch, classes) and (batch,)."""
    return 100 * int(np.count_nonzero(logits.argmax(axis=1) == labels)) / len(labels)


def as_input(x: Array | SparseMatrix) -> Tensor | SparseMatrix:
    """What a model takes: an array as a tensor, a sparse matrix as it is."""
    return x if isinstance(x, SparseMatrix) else Tensor(x)


def training_step(loss: Tensor, optimizer: Optimizer) -> None:
    """One step downhill: the gradients of this loss alone, then the parameters moved against them.

    Args:
        loss: a single number, computed from the optimiser's parameters; its graph is used up.
        optimizer: of the parameters to move.
    """
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def check_loss(loss: Tensor, epoch: int) -> None:
    """Raise a DivergedError unless the loss after `epoch` steps is a finite number."""
    if not math.isfinite(loss.item()):
        raise DivergedError(f"the training loss became {loss.item()} after {epoch} steps; a smaller lr may help")


def train(
    model: Sequential,
    optimizer: Optimizer,
    data: Dataset,
    epochs: int,
    on_epoch: Callable[[int], None] = lambda _: None,
    on_measurement: Callable[[Measurement], None] = lambda _: None,
    start: int = 0,
) -> list[Measurement]:
    """Train `model` in place by full-batch steps: every step uses the gradient over all training images.

    Args:
        model: maps (batch, pixels) to logits (batch, classes).
        optimizer: of the model's parameters.
        data: training and test images.
        epochs: number of steps.
        on_epoch: called with the number of steps taken after each of them.
        on_measurement: called with each measurement as soon as it is made.
        start: steps that the model and its optimiser have taken before. With the state they had after so many
            steps of an earlier run, this one goes on to the same bits that the earlier one would have reached.

    Returns:
        Measurements at those of the :func:`measured_epochs` that are not before `start`; the last is of the trained
        model.

    Raises:
        DivergedError: as soon as the loss is not finite.
    """
    if epochs < 1:
        raise ValueError(f"training needs at least one epoch, got {epochs}")
    if not 0 <= start <= epochs:
        raise ValueError(f"training of {epochs} epochs cannot start after {start}; start is from 0 to {epochs}")
    x_train, x_test = as_input(data.x_train), as_input(data.x_test)
    measured = measured_epochs(epochs)
    measurements = []
    for epoch in range(start, epochs + 1):
        logits = model(x_train)
        loss = logits.cross_entropy(data.y_train)
        check_loss(loss, epoch)
        if epoch in measured:
            measurements.append(_measure(epoch, model, loss.item(), logits.data, x_test, data))
            on_measurement(measurements[-1])
        if epoch < epochs:
            training_step(loss, optimizer)
            on_epoch(epoch + 1)
    return measurements


def _measure(
    epoch: int, model: Sequential, train_loss: float, train_logits: Array, x_test: Tensor | SparseMatrix, data: Dataset
) -> Measurement:
    with no_grad():
        test_logits = model(x_test).data
    try:
        activations = layer_outputs(model, data.x_train)
    except ValueError as problem:
        raise DivergedError(f"after {epoch} steps {problem}") from None
    return Measurement(
        epoch=epoch,
        train_loss=train_loss,
        train_accuracy=accuracy(train_logits, data.y_train),
        test_accuracy=accuracy(test_logits, data.y_test),
        dead_outputs=int(dead_units(train_logits).sum()),
        dead_hidden=int(dead_units(activations[node_layers(model)[0]]).sum()),
        output_activity=tuple(active_shares(train_logits).tolist()),
    )
