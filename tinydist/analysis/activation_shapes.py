"""The shape of an activation at large pre-activations, and the units that stand where it is flat."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.nn import Module
from tinydist.tensor import Tensor

Array = NDArray[Any]

FLAT_BELOW = 0.001
"""Largest slope that counts as flat: at most a thousandth of the gradient passes back through it."""
_FAR = np.linspace(20, 1000, 981)
_NEAR = np.linspace(-20, 20, 4001)


@dataclass(frozen=True)
class Shape:
    """Properties of an activation, each present or absent.

    Attributes:
        never_negative: it has no negative value.
        bounded: its values stay within ±10 up to pre-activations of ±1,000.
        flat_side: on one side or both its slope vanishes: beyond ±20 it is at most ``FLAT_BELOW`` in magnitude.
        zero_region: on such a side its value vanishes as well, so that a unit there is silent and stays so.
    """

    never_negative: bool
    bounded: bool
    flat_side: bool
    zero_region: bool

    def properties(self) -> dict[str, bool]:
        """Return the properties by their names in words, with spaces for underscores."""
        return {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}


def slopes(activation: Module, pre_activations: Array) -> Array:
    """Return the slope of an elementwise activation at each pre-activation, in the shape of `pre_activations`."""
    x = Tensor(pre_activations, requires_grad=True)
    activation(x).backward(np.ones_like(x.data))
    gradient = x.grad
    assert gradient is not None
    return gradient


def shape_of(activation: Module) -> Shape:
    """Return the properties of an elementwise activation, found from its values and slopes in float64."""
    values = {"near": activation(Tensor(_NEAR)).data}
    flat = {}
    for side, x in (("left", -_FAR), ("right", _FAR)):
        values[side] = activation(Tensor(x)).data
        flat[side] = bool((np.abs(slopes(activation, x)) <= FLAT_BELOW).all())
    everywhere = np.concatenate(list(values.values()))
    return Shape(
        never_negative=bool((everywhere >= 0).all()),
        bounded=bool((np.abs(everywhere) <= 10).all()),
        flat_side=any(flat.values()),
        zero_region=any(flat[side] and bool((np.abs(values[side]) <= FLAT_BELOW).all()) for side in flat),
    )


def stuck_units(activation: Module, pre_activations: Array) -> NDArray[np.bool_]:
    """Return which units stand where the activation is flat on every sample, dead or saturated.

    Hardly any gradient passes through them.

    Args:
        activation: elementwise.
        pre_activations: (samples, units).

    Returns:
        (units,), True where the unit is stuck.
    """
    return np.abs(slopes(activation, pre_activations)).max(axis=0) <= FLAT_BELOW
