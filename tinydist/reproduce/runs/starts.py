"""The start of a run: its initial weights and its optimiser."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tinydist.datasets import Dataset, StreamedDataset
from tinydist.models import build_model
from tinydist.nn import Sequential
from tinydist.optim import SGD, Adam, Optimizer
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.sparse import SparseMatrix


def _uniform(*_: object) -> None:
    """Leave the weights as the layers draw them."""


def _he(model: Sequential, seed: int) -> None:
    """Draw normal weights of variance ``2 / fan_in``, set biases to 0 (He et al., arXiv 1502.01852, section 2.2)."""
    rng = np.random.default_rng([seed, 1])
    for name, parameter in model.named_parameters():
        if name.startswith("linear"):
            weight = name.endswith("weight")
            parameter.data[...] = rng.normal(0, np.sqrt(2 / parameter.shape[-1]), parameter.shape) if weight else 0


def _positive(model: Sequential, _: int) -> None:
    """Make no output weight negative, so that behind a ReLU every output starts on the side where it has a gradient."""
    for name, parameter in model.named_parameters():
        if name == "linear1.weight":
            np.abs(parameter.data, out=parameter.data)


INITIALIZATIONS: dict[str, Callable[[Sequential, int], None]] = {
    "uniform": _uniform,
    "he": _he,
    "positive": _positive,
}
"""Ways to change the weights that a model is built with, given the seed; the paper's is "uniform", no change."""

LAST_WEIGHTS = ("offset.alpha", "linear1.weight")
"""Names of the last layer's weights; a model has one of them."""

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "momentum": partial(SGD, momentum=0.9), "adam": Adam}
"""How a gradient becomes a step; the paper's is "sgd"."""


def build_for(config: RunConfig, data: Dataset | StreamedDataset) -> Sequential:
    """Build the model of a run, with the weights that its layers draw.

    Raises:
        ModelNameError: if the name of the model is unknown.
        ValueError: if the rows are not images, and the model has a convolution in front.
    """
    columns = data.x_train.shape[1]
    return build_model(config.model, columns, config.hidden, data.classes, config.seed, data.image_shape)


def start(config: RunConfig, data: Dataset | StreamedDataset) -> tuple[Sequential, Optimizer]:
    """Return the model of a run before its first step, and its optimiser.

    Args:
        config: of the run.
        data: that it is trained on.

    Raises:
        ModelNameError, ValueError: as :func:`build_for`.
    """
    model = build_for(config, data)
    INITIALIZATIONS[config.initialization](model, config.seed)
    parameters = dict(model.named_parameters())
    first, last = next(iter(parameters)), next(name for name in LAST_WEIGHTS if name in parameters)
    for name, factor in ((first, config.first_init), (last, config.last_init)):
        parameters[name].data *= parameters[name].dtype.type(factor)
    if isinstance(data.x_train, SparseMatrix):  # of which a pixel takes the weights to all hidden units at once
        parameters[first].data = np.asfortranarray(parameters[first].data)
    steps = {first: config.first_step, last: config.last_step}
    factors = [steps.get(name, 1.0) for name in parameters]
    return model, OPTIMIZERS[config.optimizer](list(parameters.values()), config.lr, lr_factors=factors)
