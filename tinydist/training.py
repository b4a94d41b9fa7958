"""Training: gradient descent, full-batch or by mini-batches, with measurements on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.activity import active_counts, dead_units, layer_outputs, node_layers, silent_rows
from tinydist.batches import FULL_BATCH, Batching, Chunk
from tinydist.datasets import Dataset, StreamedDataset
from tinydist.errors import DivergedError
from tinydist.nn import OffsetL2, Sequential
from tinydist.optim import Optimizer
from tinydist.recording import no_grad
from tinydist.tensor import Tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Measurement:
    """The state of a model after `epoch` epochs.

    Attributes:
        epoch: epochs done so far, which are steps for full-batch training; 0 is the initial model.
        train_loss: mean cross-entropy over the training images, in nats.
        train_accuracy, test_accuracy: percent.
        dead_outputs: outputs within ±1e-6 on every training image.
        dead_hidden: hidden units whose activation is within ±1e-6 on every training image.
        output_activity: for each output the share of the training images on which it is not within ±1e-6, 0 to 1.
        silent_images: share of the training images on which every output is within ±1e-6, 0 to 1: with an activation
            behind the outputs they pass no gradient on. None if an older version measured.
        exchanged_accuracy: percent, of the test images, once the classes of an OffsetL2 layer have exchanged
            prototypes, see :class:`tinydist.nn.OffsetL2`. None without such a layer, or if an older version measured.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    dead_outputs: int
    dead_hidden: int
    output_activity: tuple[float, ...]
    silent_images: float | None = None
    exchanged_accuracy: float | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Measurement:
        """Return a measurement from the fields that ``asdict`` gives, read back from JSON, so with lists for tuples."""
        return cls(**{**fields, "output_activity": tuple(fields["output_activity"])})


def spaced_epochs(epochs: int, points: int) -> set[int]:
    """Return 0, the last of `epochs` epochs, and about so many points in all, evenly spaced on a log axis."""
    return {0, epochs, *(round(e) for e in np.geomspace(1, epochs, points))}


def measured_epochs(epochs: int) -> set[int]:
    """Return the epochs at which a run is measured, few, since measuring takes longer than an epoch.

    They are 0; three a decade, evenly spaced on a log axis, up to a tenth of the run; and then every tenth of it: the
    last decade shows whether it has come to rest.
    """
    tenths = {epochs * part // 10 for part in range(1, 11)} - {0}
    early = spaced_epochs(min(tenths), 1 + round(3 * math.log10(min(tenths))))
    return early | tenths


def accuracy(logits: Array, labels: Array) -> float:
    """Return the percentage of rows whose largest logit is at the label; (batch, classes) and (batch,)."""
    return 100 * _correct(logits, labels) / len(labels)


def _correct(logits: Array, labels: Array) -> int:
    return int(np.count_nonzero(logits.argmax(axis=1) == labels))


def training_step(loss: Tensor, optimizer: Optimizer) -> None:
    """Take one step downhill: compute the gradients of this loss alone, then move the parameters against them.

    Args:
        loss: a single number, computed from the optimiser's parameters; its graph is used up.
        optimizer: of the parameters to move.
    """
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def accumulated_step(model: Sequential, optimizer: Optimizer, chunks: Iterable[Chunk], rows: int) -> float:
    """Take one step downhill on all rows, of which only a chunk is in memory at a time.

    The mean loss over all rows is the sum of the chunks' mean losses, each weighted by its share of the rows; so is
    its gradient, which the backward passes add up.

    Args:
        model: maps (batch, columns) to logits (batch, classes).
        optimizer: of the model's parameters.
        chunks: rows and labels.
        rows: how many there are in all chunks together.

    Returns:
        The mean loss before the step, in nats; no step is taken if it is not finite.
    """
    optimizer.zero_grad()
    total = 0.0
    for x, labels in chunks:
        loss = model(x).cross_entropy(labels) * (len(labels) / rows)
        loss.backward()
        total += loss.item()
    if math.isfinite(total):
        optimizer.step()
    return total


def check_loss(loss: float, steps: int) -> None:
    """Raise a DivergedError unless the loss after so many steps is a finite number."""
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss became {loss} after {steps} steps; a smaller lr may help")


def train(
    model: Sequential,
    optimizer: Optimizer,
    data: Dataset | StreamedDataset,
    epochs: int,
    on_epoch: Callable[[int], None] = lambda _: None,
    on_measurement: Callable[[Measurement], None] = lambda _: None,
    start: int = 0,
    batching: Batching = FULL_BATCH,
) -> list[Measurement]:
    """Train `model` in place.

    Args:
        model: maps (batch, pixels) to logits (batch, classes).
        optimizer: of the model's parameters.
        data: training and test images.
        epochs: passes over the training images; for full-batch training, the number of steps.
        on_epoch: called with the number of epochs done after each of them.
        on_measurement: called with each measurement as soon as it is made.
        start: epochs that the model and its optimiser have done before. With the state they had after so many
            epochs of an earlier run, this one goes on to the same bits that the earlier one would have reached.
        batching: the images of a step; by default every step uses the gradient over all of them.

    Returns:
        Measurements at those of the :func:`measured_epochs` that are not before `start`; the last is of the trained
        model.

    Raises:
        DivergedError: as soon as the loss is not finite, or a gradient is not.
        ValueError: if `epochs` is below 1 or `start` out of range; if sparse images are to be cut into batches or
            chunks, or rows on disk are not.
    """
    if epochs < 1:
        raise ValueError(f"training needs at least one epoch, got {epochs}")
    if not 0 <= start <= epochs:
        raise ValueError(f"training of {epochs} epochs cannot start after {start}; start is from 0 to {epochs}")
    steps_an_epoch = batching.steps_an_epoch(len(data.y_train))
    measured = measured_epochs(epochs)
    measurements = []
    for epoch in range(start, epochs + 1):
        if epoch in measured:
            measurements.append(_measure(epoch, epoch * steps_an_epoch, model, data, batching))
            on_measurement(measurements[-1])
        if epoch == epochs:
            break
        _descend(model, optimizer, data, epoch, batching)
        on_epoch(epoch + 1)
    return measurements


def _descend(
    model: Sequential, optimizer: Optimizer, data: Dataset | StreamedDataset, epoch: int, batching: Batching
) -> None:
    """Take the steps of one epoch.

    Raises:
        DivergedError: as soon as the loss is not finite.
    """
    steps = epoch * batching.steps_an_epoch(len(data.y_train))
    for chunks in batching.steps(data.x_train, data.y_train, epoch):
        if batching.chunk_size is None:
            ((x, labels),) = chunks
            loss = model(x).cross_entropy(labels)
            check_loss(loss.item(), steps)
            training_step(loss, optimizer)
        else:
            check_loss(accumulated_step(model, optimizer, chunks, len(data.y_train)), steps)
        steps += 1


def _measure(
    epoch: int, steps: int, model: Sequential, data: Dataset | StreamedDataset, batching: Batching
) -> Measurement:
    train = _look(model, batching.measured(data.x_train, data.y_train), steps)
    correct = np.sum(
        [_answers_correct(model, x, labels) for x, labels in batching.measured(data.x_test, data.y_test)], axis=0
    )
    test_accuracy, *exchanged = (100 * correct / len(data.y_test)).tolist()
    check_loss(train.loss, steps)
    return Measurement(
        epoch=epoch,
        train_loss=train.loss,
        train_accuracy=100 * train.correct / train.rows,
        test_accuracy=test_accuracy,
        dead_outputs=int(train.dead_outputs.sum()),
        dead_hidden=int(train.dead_hidden.sum()),
        output_activity=tuple((train.active / train.rows).tolist()),
        silent_images=train.silent / train.rows,
        exchanged_accuracy=exchanged[0] if exchanged else None,
    )


def _answers_correct(model: Sequential, x: Any, labels: Array) -> list[int]:
    """Count the rows whose class is answered; of a model with an OffsetL2 layer also with exchanged prototypes."""
    values: list[Any] = [x]
    with no_grad():
        for _, layer in model.children():
            layers = [layer] * len(values)
            if isinstance(layer, OffsetL2) and len(values) == 1:
                values, layers = values * 2, [layer, layer.with_exchanged_prototypes()]
            values = [each(value) for each, value in zip(layers, values, strict=True)]
    return [_correct(value.data, labels) for value in values]


@dataclass(frozen=True)
class _Look:
    """Loss, correct rows and dead units of a model on some rows.

    Attributes:
        rows: how many there are.
        loss: mean cross-entropy, in nats.
        correct: rows whose largest logit is at the label.
        dead_hidden, dead_outputs: which hidden units and outputs are active on none of them, (units,).
        active: on how many rows each output is active, (outputs,).
        silent: on how many rows no output is active.
    """

    rows: int
    loss: float
    correct: int
    dead_hidden: Array
    dead_outputs: Array
    active: Array
    silent: int


def _look(model: Sequential, chunks: Iterable[Chunk], steps: int) -> _Look:
    hidden_layer = node_layers(model)[0]
    looks = []
    for x, labels in chunks:
        try:
            activations = layer_outputs(model, x)
        except ValueError as problem:
            with no_grad():
                check_loss(model(x).cross_entropy(labels).item(), steps)
            raise DivergedError(f"after {steps} steps {problem}") from None
        logits = list(activations.values())[-1]
        with no_grad():
            loss = Tensor(logits).cross_entropy(labels).item()
        dead = dead_units(activations[hidden_layer]), dead_units(logits)
        silent = int(np.count_nonzero(silent_rows(logits)))
        looks.append(_Look(len(labels), loss, _correct(logits, labels), *dead, active_counts(logits), silent))
    rows = sum(look.rows for look in looks)
    return _Look(
        rows=rows,
        loss=sum(look.loss * (look.rows / rows) for look in looks),
        correct=sum(look.correct for look in looks),
        dead_hidden=np.all([look.dead_hidden for look in looks], axis=0),
        dead_outputs=np.all([look.dead_outputs for look in looks], axis=0),
        active=np.sum([look.active for look in looks], axis=0),
        silent=sum(look.silent for look in looks),
    )
