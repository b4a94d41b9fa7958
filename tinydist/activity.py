"""What the layers of a model put out, which of them count as nodes, and which nodes are active."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import ShapeError
from tinydist.nn import Activation, Flatten, Module, Neg, Sequential
from tinydist.recording import no_grad
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]

DEAD_BELOW = 1e-6
"""Largest magnitude of an activation that counts as silent (arXiv 2502.02103, analysis of dead nodes)."""


def check_activations(activations: Array, name: str = "activations") -> None:
    """Raise unless `activations` are finite numbers for at least one sample and one unit.

    Args:
        activations: (samples, units).
        name: what to call them in the error message.

    Raises:
        ShapeError: unless the shape is (samples, units), neither of them 0.
        ValueError: naming a sample and a unit that is NaN or infinite.
    """
    if activations.ndim != 2 or 0 in activations.shape:
        raise ShapeError(f"{name} must be of shape (samples, units) and not empty, got {activations.shape}")
    if not np.isfinite(activations).all():
        sample, unit = np.argwhere(~np.isfinite(activations))[0]
        raise ValueError(
            f"{name} must be finite, got {activations[sample, unit]} for sample {sample}, unit {unit}; "
            "a model whose training diverged cannot be analysed"
        )


def check_labels(labels: ArrayLike, samples: int, classes: int | None = None) -> None:
    """Raise unless there is a class number for each sample.

    Args:
        labels: class numbers.
        samples: how many labels there must be.
        classes: how many classes there are; any number by default.

    Raises:
        ShapeError: unless the shape is (samples,).
        ValueError: unless they are whole numbers from 0 and, where `classes` is given, below it.
    """
    labels = np.asarray(labels)
    if labels.shape != (samples,):
        raise ShapeError(f"labels must be of shape ({samples},), one for each sample, got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"labels must be whole numbers from 0, got {labels.dtype} from {labels.min()}")
    if classes is not None and labels.max() >= classes:
        raise ValueError(f"labels must be below {classes}, the number of outputs, got {labels.max()}")


def layer_outputs(model: Sequential, x: Array | SparseMatrix) -> dict[str, Array]:
    """Return the output of every layer for these images, by the layer's name, in order.

    Layers before a Flatten give (images, channels, height, width), all others (images, units).

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        x: (images, pixels).

    Raises:
        ShapeError: if an output is empty.
        ValueError: if an output is not finite.
    """
    outputs = {}
    with no_grad():
        value: Any = x
        for name, layer in model.children():
            value = layer(value)
            maps = value.ndim == 4
            units = value.data.reshape(len(value), math.prod(value.shape[1:])) if maps else value.data
            check_activations(units, f"the outputs of {name}")
            outputs[name] = value.data
    return outputs


def layer_output(model: Sequential, x: Array | SparseMatrix, layer: str) -> Array:
    """Return the output of one layer for these images, in the shapes of :func:`layer_outputs`.

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        x: (images, pixels).
        layer: its name, such as "act0".

    Raises:
        ValueError: if the model has no layer of this name, or an output is not finite.
    """
    names = [name for name, _ in model.children()]
    if layer not in names:
        raise ValueError(f"unknown layer {layer!r}; the model has {', '.join(names)}")
    return layer_outputs(model, x)[layer]


def node_layers(model: Sequential) -> list[str]:
    """Return the layers whose outputs count as nodes: "act0" and the output layer before Neg for the paper's models.

    A layer with an activation right behind it does not count, since the node's final value is the activation's; Neg
    does not count, since it only changes the sign. Nor do a convolution's layers, up to the one that flattens their
    output: one kernel serves many places, so an entry of its output is no node of its own.
    """
    layers = list(model.children())
    flattened = [place for place, (_, layer) in enumerate(layers) if isinstance(layer, Flatten)]
    layers = layers[flattened[-1] + 1 :] if flattened else layers
    followers: list[Module | None] = [*(layer for _, layer in layers[1:]), None]
    return [
        name
        for (name, layer), follower in zip(layers, followers, strict=True)
        if not isinstance(layer, Neg) and not isinstance(follower, Activation)
    ]


def dead_units(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.bool_]:
    """Return which units stay within ``±threshold`` on every sample.

    For activations that cannot be negative (ReLU, Abs, OffsetL2) this is the paper's criterion, "never above
    1e-6"; taking the magnitude makes a Neg after them irrelevant and extends it to linear outputs.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,), True where the unit is dead.
    """
    return np.abs(activations).max(axis=0) <= threshold


def silent_rows(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.bool_]:
    """Return on which samples every unit is silent: within ``±threshold``.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (samples,), True where no unit is active.
    """
    return dead_units(activations.T, threshold)


def active_counts(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.int64]:
    """Return on how many samples each unit is active: larger in magnitude than the threshold.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,).
    """
    return np.count_nonzero(np.abs(activations) > threshold, axis=0)


def active_shares(activations: NDArray[Any], threshold: float = DEAD_BELOW) -> NDArray[np.float64]:
    """Return the share of samples on which each unit is active: larger in magnitude than the threshold.

    Args:
        activations: (samples, units).
        threshold: largest magnitude that counts as silence.

    Returns:
        (units,), from 0 for a dead unit to 1.

    Raises:
        ShapeError: unless there is at least one sample and one unit.
        ValueError: if an activation is not finite.
    """
    check_activations(activations)
    return active_counts(activations, threshold) / len(activations)
