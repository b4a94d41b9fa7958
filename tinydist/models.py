"""The models of arXiv 2502.02103 by name.

Grammar: ``[Conv-]Act[2][-L2][-Neg][-Bias]``. ``Act`` is the activation after the first linear layer: the paper's ReLU
or Abs, or another one of :data:`tinydist.ops.activations.ACTIVATIONS`; ``Swish`` is another name of ``SiLU``. Then
comes the output layer, one of ``HEADS``:

* nothing: a second linear layer;
* ``2``: a second linear layer followed by the activation again, so that no output is negative;
* ``-L2``: an OffsetL2 layer.

Then, in this order,

* ``-Neg``: the output negated;
* ``-Bias``: a bias in the second linear layer, which has none by default.

``Conv-`` puts a convolution in front: rows of pixels become images, then follow 8 kernels of 5 x 5, the same
activation, the maximum of every 2 x 2 pixels, and the layers above. The paper has no such model.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tinydist.errors import ModelNameError
from tinydist.nn import Activation, Conv2d, Flatten, Linear, MaxPool2d, Module, Neg, OffsetL2, Sequential, Unflatten
from tinydist.ops import ACTIVATIONS

ALIASES = {"Swish": "SiLU"}

PAPER_MODELS = (
    *("ReLU", "Abs", "ReLU2", "Abs2", "ReLU2-Neg", "Abs2-Neg"),
    *("ReLU-L2", "ReLU-L2-Neg", "Abs-L2", "Abs-L2-Neg"),
)
"""The paper's ten models without second-layer bias."""

CONV_CHANNELS, CONV_KERNEL, CONV_POOL = 8, 5, 2
"""What ``Conv-`` puts in front of a model: kernels, their side, and the side of a pooling window."""


@dataclass(frozen=True)
class Head:
    """One way from the hidden activations to the outputs.

    Attributes:
        layers: given the model's spec, its hidden units, its classes and the source of the initial weights, makes the
            layers, by name.
        words: what the head does, for error messages.
        takes_bias: whether it has a linear layer that may have a bias.
        again: whether the activation follows the outputs, so that they may die.
        prototypes: whether the outputs are distances from a prototype for each class.
    """

    layers: Callable[[ModelSpec, int, int, np.random.Generator], Mapping[str, Module]]
    words: str
    takes_bias: bool = True
    again: bool = False
    prototypes: bool = False


def _linear(spec: ModelSpec, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, Module]:
    return {"linear1": Linear(hidden, classes, bias=spec.bias, rng=rng)}


def _linear_again(spec: ModelSpec, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, Module]:
    return {**_linear(spec, hidden, classes, rng), "act1": Activation(spec.activation)}


def _offset_l2(_: ModelSpec, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, Module]:
    return {"offset": OffsetL2(hidden, classes, rng=rng)}


HEADS: dict[str, Head] = {
    "": Head(_linear, "no suffix is a second linear layer"),
    "2": Head(_linear_again, "2 puts the activation after the second layer as well", again=True),
    "-L2": Head(
        _offset_l2,
        "-L2 makes the second layer an OffsetL2 (its output is never negative and it takes no -Bias)",
        takes_bias=False,
        prototypes=True,
    ),
}
"""The output layers, by what they add to a model's name."""


@dataclass(frozen=True)
class ModelSpec:
    """The parts of a model name.

    Attributes:
        activation: key of ``ACTIVATIONS``.
        head: key of ``HEADS``.
        neg: whether the output is negated.
        bias: whether the second linear layer has a bias.
        conv: whether a convolution comes before the first linear layer.
    """

    activation: str
    head: str = ""
    neg: bool = False
    bias: bool = False
    conv: bool = False

    def __str__(self) -> str:
        ending = f"{'-Neg' if self.neg else ''}{'-Bias' if self.bias else ''}"
        return f"{'Conv-' if self.conv else ''}{self.activation}{self.head}{ending}"

    @property
    def output(self) -> str:
        """Return the head, and ``-Neg`` if the output is negated: "", "2", "2-Neg", "-L2", "-L2-Neg"."""
        return f"{self.head}{'-Neg' if self.neg else ''}"

    @property
    def again(self) -> bool:
        """Return whether the activation follows the outputs."""
        return HEADS[self.head].again

    @property
    def prototypes(self) -> bool:
        """Return whether the outputs are distances from prototypes."""
        return HEADS[self.head].prototypes


def _specs() -> dict[str, ModelSpec]:
    """Return every model of the grammar by name."""
    flags = itertools.product((False, True), (False, True), HEADS, (False, True), ACTIVATIONS)
    specs = [ModelSpec(activation, head, neg, bias, conv) for conv, bias, head, neg, activation in flags]
    return {str(spec): spec for spec in specs if HEADS[spec.head].takes_bias or not spec.bias}


def model_names() -> list[str]:
    """Return every name that the grammar allows."""
    return list(_specs())


def parse_model_name(name: str) -> ModelSpec:
    """Return the parts of a model name; an alias such as Swish stands for its activation.

    Raises:
        ModelNameError: if the name is unknown; explains the grammar and suggests the nearest name.
    """
    specs = _specs()
    for alias, meant in ALIASES.items():
        specs |= {known.replace(meant, alias, 1): spec for known, spec in specs.items() if spec.activation == meant}
    if str(name) in specs:
        return specs[str(name)]
    by_key = {known.lower(): known for known in specs}
    nearest = difflib.get_close_matches(str(name).lower().replace("_", "-"), by_key, n=1, cutoff=0)
    raise ModelNameError(
        f"unknown model {name!r}. Did you mean {by_key[nearest[0]]!r}? A name is [Conv-]Act[2][-L2][-Neg][-Bias], "
        f"where Act is one of {', '.join([*ACTIVATIONS, *ALIASES])}; {'; '.join(h.words for h in HEADS.values())}; "
        "-Neg negates the output; -Bias gives the second linear layer a bias; Conv- puts a convolution in front"
    )


def build_model(
    name: str,
    in_features: int = 784,
    hidden: int = 128,
    classes: int = 10,
    seed: int = 0,
    image_shape: tuple[int, int, int] | None = None,
) -> Sequential:
    """Build a model with fresh float32 weights.

    Models with the same seed and sizes start from the same first layer, whatever their names; the convolution is the
    first of those that have one.
    Parameters are named and shaped as in PyTorch: ``linear0.weight`` (hidden, in_features), ``linear0.bias``,
    ``linear1.weight`` (classes, hidden), ``linear1.bias``, ``offset.mu`` and ``offset.alpha`` (classes, hidden);
    with ``Conv-`` also ``conv0.weight`` (8, channels, 5, 5) and ``conv0.bias`` (8,), and linear0 takes what the
    pooling leaves.

    Args:
        name: of the form ``[Conv-]Act[2][-L2][-Neg][-Bias]``, see :mod:`tinydist.models`.
        in_features: size of an input row.
        hidden: units in the first layer.
        classes: number of outputs.
        seed: of the initial weights.
        image_shape: (channels, height, width) of an input row, for names with ``Conv-`` only. If `in_features` is a
            square number, one channel of a square image is the default.

    Raises:
        ModelNameError: if the name is unknown.
        ValueError: if a size is not positive, or if, with ``Conv-``, the shape of an image is unknown or does not fit.
    """
    spec = parse_model_name(name)
    if min(in_features, hidden, classes) < 1:
        raise ValueError(f"sizes must be positive, got in_features={in_features}, hidden={hidden}, classes={classes}")
    rng = np.random.default_rng(seed)
    layers: dict[str, Module] = {}
    if spec.conv:
        channels, height, width = _image_shape(in_features, image_shape)
        rows, columns = ((side - CONV_KERNEL + 1) // CONV_POOL for side in (height, width))
        layers["image"] = Unflatten(channels, height, width)
        layers["conv0"] = Conv2d(channels, CONV_CHANNELS, CONV_KERNEL, rng=rng)
        layers["conv_act0"] = Activation(spec.activation)
        layers["pool0"] = MaxPool2d(CONV_POOL)
        layers["flat"] = Flatten()
        in_features = CONV_CHANNELS * rows * columns
    layers["linear0"] = Linear(in_features, hidden, rng=rng)
    layers["act0"] = Activation(spec.activation)
    layers |= HEADS[spec.head].layers(spec, hidden, classes, rng)
    if spec.neg:
        layers["neg"] = Neg()
    return Sequential(**layers)


def _image_shape(in_features: int, image_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Return (channels, height, width) of an input row, given or inferred from its size.

    Raises:
        ValueError: if it cannot be inferred, does not fit the row, or leaves nothing for the pooling.
    """
    side = math.isqrt(in_features)
    if image_shape is None and side**2 != in_features:
        raise ValueError(
            f"Conv- needs images, and a row of {in_features} numbers is no square image with one channel; "
            "if it is another image, pass image_shape=(channels, height, width)"
        )
    shape = (1, side, side) if image_shape is None else image_shape
    if math.prod(shape) != in_features or min(shape) < 1:
        raise ValueError(
            f"image_shape {shape} has {math.prod(shape)} pixels, but in_features is {in_features}; they must be equal"
        )
    smallest = CONV_KERNEL + CONV_POOL - 1
    if min(shape[1:]) < smallest:
        raise ValueError(f"Conv- needs images of at least {smallest} x {smallest} pixels, got {shape[1]} x {shape[2]}")
    return shape
