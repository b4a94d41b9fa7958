"""Exercise sgd_step: a step of gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinydist.exercises.probes import Array, kept, numbers
from tinydist.exercises.rubric import Case, Mistake, Observation, Rubric, about_to_try
from tinydist.optim import SGD
from tinydist.tensor import Tensor


def sgd_step(self: SGD) -> None:
    for position, parameter in enumerate(self.parameters):
        gradient = self._gradient(parameter)
        if gradient is None:
            continue
        if self.momentum:
            gradient = self.momentum * self._velocities[position] + gradient
            self._velocities[position] = gradient
        parameter.data -= self.lr * gradient


Gradients = Mapping[str, Any]
"""The gradients before one step by name of the parameter; None where it has none."""


def ask(
    answer: Any,
    *,
    start: Mapping[str, Any],
    steps: Sequence[Gradients],
    expected: Mapping[str, Any],
    why: str = "",
    rates: Sequence[float] = (0.5,),
    dtype: type = np.float64,
    velocities: Mapping[str, Any] | None = None,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> Iterator[Observation]:
    """Yield observations of some parameters after some steps; the truth is the update formula, worked out by hand.

    Args:
        answer: the function under check.
        start: parameters by name.
        steps: gradients, one mapping a step.
        expected: the parameters afterwards.
        why: why this is tried.
        rates: learning rates, one a step; the last one stays.
        dtype: of the parameters and their gradients.
        velocities: what the optimiser should keep afterwards, by the name of its `state_dict`; nothing by default.
        momentum, weight_decay: of the optimiser.
    """
    parameters = {name: Tensor(np.array(value, dtype), requires_grad=True) for name, value in start.items()}
    arrays = {name: parameter.data for name, parameter in parameters.items()}
    optimizer = SGD(parameters.values(), rates[0], momentum, weight_decay)
    lr = ", then ".join(map(str, rates))
    given: dict[str, Any] = {"why": why} if why else {}
    given |= {name: array.copy() for name, array in arrays.items()}
    given["gradients"] = "; then ".join(
        ", ".join(f"{name}: {_words(gradient)}" for name, gradient in step.items()) for step in steps
    )
    given["optimizer"] = f"SGD(parameters, momentum={momentum}, weight_decay={weight_decay}), lr={lr}"
    if dtype is not np.float64:
        given["dtype"] = np.dtype(dtype).name
    yield about_to_try(given)
    handed_over: list[tuple[str, Array, Array]] = []
    for position, step in enumerate(steps):
        optimizer.lr = rates[min(position, len(rates) - 1)]
        for name, parameter in parameters.items():
            gradient = step.get(name)
            parameter.grad = None if gradient is None else np.array(gradient, dtype)
            if parameter.grad is not None:
                handed_over.append(
                    (f"what {name}.grad held in step {position + 1}", parameter.grad, parameter.grad.copy())
                )
        answer(optimizer)
        for name, parameter in parameters.items():
            there = "None" if parameter.grad is None else "an array"
            truth = "None" if step.get(name) is None else "an array"
            yield Observation(f"the gradient {name}.grad after step {position + 1}", there, truth, given)
    for what, received, before in handed_over:
        yield Observation(f"{what}, which must stay as it was", kept(received), before, given)
    for name, parameter in parameters.items():
        yield Observation(
            f"the parameter {name} afterwards", kept(parameter.data), np.array(expected[name], dtype), given
        )
        yield Observation(f"whether {name} kept its array", parameter.data is arrays[name], True, given)
    state = optimizer.state_dict()
    for name, value in (velocities or {}).items():
        yield Observation(f"the optimiser's {name} afterwards", state[name], np.array(value, dtype), given)


def _words(gradient: Any) -> str:
    return "None" if gradient is None else str(np.asarray(gradient).tolist())


def going_on(answer: Any) -> Iterator[Observation]:
    """Yield observations of an optimiser that takes over the velocity of another one."""
    w = Tensor([10.0], requires_grad=True)
    optimizer = SGD([w], lr=0.5, momentum=0.9)
    optimizer.load_state_dict({"velocity0": [2.0]})
    given = {"w": w.data.copy(), "velocity": "2, from an earlier run", "gradients": "w: [4.0]"}
    given["optimizer"] = "SGD([w], lr=0.5, momentum=0.9)"
    yield about_to_try(given)
    w.grad = np.array([4.0])
    answer(optimizer)
    yield Observation("the parameter w afterwards", kept(w.data), np.array([7.1]), given)


def two_optimizers(answer: Any) -> Iterator[Observation]:
    """Yield observations of two optimisers that take turns."""
    tensors = {name: Tensor([10.0], requires_grad=True) for name in ("w", "b")}
    optimizers = {name: SGD([tensor], lr=0.5, momentum=0.9) for name, tensor in tensors.items()}
    given = {"w and b": np.array([10.0]), "gradients": "w: [4.0], b: [1.0], for two steps"}
    given["optimizers"] = "SGD([w], lr=0.5, momentum=0.9) and one for b, which take turns"
    yield about_to_try(given)
    for _ in range(2):
        for name, gradient in (("w", 4.0), ("b", 1.0)):
            tensors[name].grad = np.array([gradient])
            answer(optimizers[name])
    yield Observation("the parameter w afterwards", kept(tensors["w"].data), np.array([10 - 0.5 * (4 + 7.6)]), given)
    yield Observation("the parameter b afterwards", kept(tensors["b"].data), np.array([10 - 0.5 * (1 + 1.9)]), given)


ONE = partial(ask, start={"w": [10.0]})
TWO = partial(ask, start={"a": [7.0], "w": [10.0]})
TABLES = {"w": numbers(1, 2, 3), "b": numbers(2, 3)}
SLOPES = [{"w": numbers(seed, 2, 3), "b": numbers(seed + 10, 3)} for seed in (3, 4, 5)]


def _after_three_steps(momentum: float, decay: float) -> dict[str, Array]:
    """Return the tables after three steps of lr 0.5: v is a sum of the gradients so far, the older the lighter."""
    tables = {name: table.copy() for name, table in TABLES.items()}
    for name, table in tables.items():
        gradients: list[Array] = []
        for slopes in SLOPES:
            gradients.append(slopes[name] + decay * table)
            ages = range(len(gradients) - 1, -1, -1)
            table -= 0.5 * sum(momentum**age * gradient for age, gradient in zip(ages, gradients, strict=True))
    return tables


CASES: tuple[Case, ...] = (
    partial(ONE, steps=[{"w": [4.0]}], expected={"w": [8.0]}),
    partial(ONE, steps=[{"w": [-4.0]}], expected={"w": [12.0]}, why="a negative gradient"),
    partial(ONE, steps=[{"w": [4.0]}] * 2, expected={"w": [6.0]}, why="two steps"),
    partial(ONE, steps=[{"w": [4.0]}], expected={"w": [9.6]}, rates=[0.1], why="another learning rate"),
    partial(ONE, steps=[{"w": [4.0]}], expected={"w": [-2.0]}, rates=[3.0], why="a learning rate above 1"),
    partial(TWO, steps=[{"a": [2.0], "w": [4.0]}], expected={"a": [6.0], "w": [8.0]}, why="two parameters"),
    partial(TWO, steps=[{"a": None, "w": [4.0]}], expected={"a": [7.0], "w": [8.0]}, why="a has no gradient"),
    partial(TWO, steps=[{"a": [2.0], "w": None}], expected={"a": [6.0], "w": [10.0]}, why="w has no gradient"),
    partial(ONE, steps=[{"w": [4.0]}], expected={"w": [7.5]}, weight_decay=0.1),
    partial(
        TWO,
        steps=[{"a": None, "w": [0.0]}],
        expected={"a": [7.0], "w": [9.5]},
        weight_decay=0.1,
        why="a gradient of 0 is one, too; a has none",
    ),
    partial(
        ONE, steps=[{"w": [4.0]}], expected={"w": [8.0]}, momentum=0.9, velocities={"velocity0": [4.0]}, why="momentum"
    ),
    partial(
        ONE,
        steps=[{"w": [4.0]}, {"w": [2.0]}],
        expected={"w": [5.2]},
        momentum=0.9,
        velocities={"velocity0": [5.6]},
        why="the velocity is 0.9 * 4 + 2 in the second step",
    ),
    partial(
        ONE,
        steps=[{"w": [4.0]}, {"w": [2.0]}, {"w": [-1.0]}],
        expected={"w": [10 - 0.5 * (4 + 5.6 + 4.04)]},
        momentum=0.9,
        velocities={"velocity0": [4.04]},
        why="three steps",
    ),
    partial(
        ONE,
        steps=[{"w": [4.0]}, {"w": [0.0]}],
        expected={"w": [6.2]},
        momentum=0.9,
        why="the velocity goes on where the gradient is 0",
    ),
    partial(
        TWO,
        steps=[{"a": [0.0], "w": [4.0]}, {"a": [0.0], "w": None}, {"a": [0.0], "w": [4.0]}],
        expected={"a": [7.0], "w": [4.2]},
        momentum=0.9,
        velocities={"velocity1": [7.6]},
        why="without a gradient neither the parameter nor its velocity changes",
    ),
    partial(
        ONE,
        steps=[{"w": [4.0]}, {"w": [2.0]}],
        expected={"w": [10 - 0.5 * 4 - 0.1 * 5.6]},
        momentum=0.9,
        rates=[0.5, 0.1],
        velocities={"velocity0": [5.6]},
        why="the learning rate changes, and the velocity does not depend on it",
    ),
    partial(
        ONE,
        steps=[{"w": [4.0]}] * 2,
        expected={"w": [10 - 0.5 * 5 - 0.5 * (0.9 * 5 + 4.75)]},
        momentum=0.9,
        weight_decay=0.1,
        why="the weight decay is a part of the gradient, so of the velocity",
    ),
    partial(
        ask,
        start={"a": [7.0], "w": [10.0], "b": [1.0]},
        steps=[{"a": None, "w": [4.0], "b": [1.0]}, {"a": [2.0], "w": None, "b": [3.0]}],
        expected={"a": [6.0], "w": [8.0], "b": [1 - 0.5 * (1 + 3.9)]},
        momentum=0.9,
        velocities={"velocity0": [2.0], "velocity1": [4.0], "velocity2": [3.9]},
        why="some have no gradient; each has a velocity of its own",
    ),
    *(
        partial(
            ask,
            start=TABLES,
            steps=SLOPES,
            expected=_after_three_steps(momentum, decay),
            momentum=momentum,
            weight_decay=decay,
            dtype=dtype,
            why="parameters of different shapes",
        )
        for dtype in (np.float64, np.float32)
        for momentum, decay in ((0.0, 0.0), (0.9, 0.0), (0.3, 0.2))
    ),
    partial(ask, start={"w": [0.0]}, steps=[{"w": [1e-12]}], expected={"w": [-5e-13]}, why="a tiny gradient"),
    partial(ask, start={"w": [0.0]}, steps=[{"w": [1e12]}], expected={"w": [-5e11]}, why="a huge gradient"),
    partial(
        ask,
        start={"w": [0.0]},
        steps=[{"w": [1e12]}, {"w": [-1e3]}],
        expected={"w": [-0.5 * (1e12 + 0.9e12 - 1e3)]},
        momentum=0.9,
        velocities={"velocity0": [0.9e12 - 1e3]},
        why="a huge gradient, which the velocity keeps",
    ),
    going_on,
    two_optimizers,
)


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


def step_with_lr_in_the_velocity(self: SGD) -> None:
    for position, parameter in enumerate(self.parameters):
        gradient = self._gradient(parameter)
        if gradient is not None:
            parameter.data -= _velocity(self, self.lr * gradient, position)


def step_scaling_the_velocity(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        velocity = _velocity(self, gradient.copy(), position)
        velocity *= self.lr
        parameter.data -= velocity

    _step(self, change)


def step_ending_at_none(self: SGD) -> None:
    for position, parameter in enumerate(self.parameters):
        gradient = self._gradient(parameter)
        if gradient is None:
            return
        parameter.data -= self.lr * _velocity(self, gradient, position)


def step_forgetting_the_gradient(self: SGD) -> None:
    sgd_step(self)
    for parameter in self.parameters:
        parameter.grad = None


def step_dampened(self: SGD) -> None:
    def change(parameter: Tensor, gradient: Any, position: int) -> None:
        parameter.data -= self.lr * _velocity(self, (1 - self.momentum) * gradient, position)

    _step(self, change)


RUBRIC = Rubric(
    library=SGD.step,
    solution=sgd_step,
    cases=CASES,
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
        Mistake(
            step_with_lr_in_the_velocity,
            "The learning rate is in the velocity, so a change of it comes too late: what was collected before still "
            "has the old one. The velocity is a sum of gradients; multiply it with lr when the parameter moves.",
        ),
        Mistake(
            step_scaling_the_velocity,
            "The velocity that is kept was multiplied with lr, and will be once more in each step. Leave it as it is: "
            "parameter.data -= self.lr * v.",
        ),
        Mistake(
            step_ending_at_none,
            "The step ends at the first parameter without a gradient. Go on with the next one: continue, not return.",
        ),
        Mistake(
            step_forgetting_the_gradient,
            "The step is right, but then the gradients are gone. To forget them is the task of zero_grad.",
        ),
        Mistake(
            step_dampened,
            "The gradient is multiplied with 1 - momentum, which makes an average of it. Here the velocity is a sum: "
            "v = momentum * v + gradient.",
        ),
    ),
)
