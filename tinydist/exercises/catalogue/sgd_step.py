"""Exercise sgd_step: a step of gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.optim import SGD
from tinydist.tensor import Tensor


def check_sgd_step(step: Any) -> Iterator[Observation]:
    """Yield observations; the truth is the update formula, worked out by hand."""

    def ask(
        gradients: list[float], expected: float, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> Iterator[Observation]:
        weight, untouched = Tensor([10.0], requires_grad=True), Tensor([7.0], requires_grad=True)
        array = weight.data
        optimizer = SGD([untouched, weight], lr=0.5, momentum=momentum, weight_decay=weight_decay)
        given = {
            "parameter": array.copy(),
            "gradients": f"{', then '.join(map(str, gradients))}, one a step",
            "optimizer": f"SGD(parameters, lr=0.5, momentum={momentum}, weight_decay={weight_decay})",
        }
        yield about_to_try(given)
        for gradient in gradients:
            weight.grad = np.array([gradient])
            step(optimizer)
        yield Observation("the parameter afterwards", weight.data, np.array([expected]), given)
        yield Observation("another parameter, whose grad is None", untouched.data, np.array([7.0]), given)
        yield Observation("the gradient, which must stay as it was", weight.grad, np.array([gradients[-1]]), given)
        yield Observation("whether the parameter kept its array", weight.data is array, True, given)

    yield from ask([4.0], 8.0)
    yield from ask([4.0, 4.0], 6.0)
    yield from ask([4.0], 7.5, weight_decay=0.1)
    yield from ask([4.0, 2.0], 6.0, momentum=0.5)


def _step(self: SGD, change: Any) -> None:
    """Take a step in which `change` takes (parameter, gradient, position)."""
    for position, parameter in enumerate(self.parameters):
        gradient = self._gradient(parameter)
        if gradient is not None:
            change(parameter, gradient, position)


def _velocity(self: SGD, gradient: Any, position: int) -> Any:
    if not self.momentum:
        return gradient
    self._velocities[position] = self.momentum * self._velocities[position] + gradient
    return self._velocities[position]


def step_uphill(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        parameter.data += self.lr * _velocity(self, gradient, position)

    _step(self, change)


def step_without_lr(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        parameter.data -= _velocity(self, gradient, position)

    _step(self, change)


def step_to_a_new_array(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        parameter.data = parameter.data - self.lr * _velocity(self, gradient, position)

    _step(self, change)


def step_spoiling_the_gradient(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        gradient *= self.lr
        parameter.data -= _velocity(self, gradient, position)

    _step(self, change)


def step_without_momentum(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:  # noqa: ARG001
        parameter.data -= self.lr * gradient

    _step(self, change)


def step_without_decay(self: SGD) -> None:
    for position, parameter in enumerate(self.parameters):
        if parameter.grad is not None:
            parameter.data -= self.lr * _velocity(self, parameter.grad, position)


def step_on_all(self: SGD) -> None:
    for position, parameter in enumerate(self.parameters):
        gradient: Any = self._gradient(parameter)
        parameter.data -= self.lr * _velocity(self, gradient, position)


SGD_STEP = Exercise(
    name="sgd_step",
    title="a step of gradient descent, with momentum",
    library=SGD.step,
    lesson="04_linear_layers",
    task="""
    Move every parameter against its gradient: parameter.data -= lr * gradient. With momentum, it is the velocity that
    moves it: v = momentum * v + gradient, then parameter.data -= lr * v.

    What you have: self.parameters, self.lr, self.momentum; self._gradient(parameter), its gradient with the weight
    decay added, or None if it has none; self._velocities, an array for each parameter (without momentum an empty list).

    Look out: a parameter without a gradient stays. Parameters change in place, because others hold the same array.
    """,
    hints=(
        "for position, parameter in enumerate(self.parameters): the position finds the velocity.",
        "Skip the parameter if self._gradient(parameter) is None. Without momentum, the gradient itself is the step.",
    ),
    check=check_sgd_step,
    mistakes=(
        Mistake(
            step_on_all,
            "A parameter whose grad is None has taken no part in the loss. Skip it: self._gradient gives None as well.",
        ),
        Mistake(step_uphill, "The sign is flipped: along the gradient the loss rises. Subtract."),
        Mistake(step_without_lr, "The learning rate is missing: the step is lr times the gradient."),
        Mistake(
            step_spoiling_the_gradient,
            "The gradient itself was changed, and it belongs to the parameter. Compute lr * gradient as a new array.",
        ),
        Mistake(
            step_to_a_new_array,
            "The parameter got a new array. Others, such as a saved view, still hold the old one: update in place, -=.",
        ),
        Mistake(
            step_without_decay,
            "The weight decay is missing. Use self._gradient(parameter), which adds it, instead of parameter.grad.",
        ),
        Mistake(
            step_without_momentum,
            "The momentum is missing: keep a share of the last velocity, v = momentum * v + gradient; step along v.",
        ),
    ),
)
