"""Exercise training_step: three calls in the right order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.optim import SGD, Optimizer
from tinydist.tensor import Tensor
from tinydist.training import training_step


class Watched(SGD):
    """An optimiser that logs its calls, and whether there was a gradient at each."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__([weight], lr=0.1)
        self.weight = weight
        self.log: list[str] = []

    def zero_grad(self) -> None:
        self.log.append("zero_grad" if self.weight.grad is None else "zero_grad of a gradient")
        super().zero_grad()

    def step(self) -> None:
        self.log.append("step" if self.weight.grad is not None else "step without a gradient")
        super().step()


def check_training_step(training_step: Any) -> Iterator[Observation]:
    """Yield observations; the truth is by hand: the slope of (2 w - 6)² is 8 w - 24, a step moves w by 0.1 of it."""
    weight = Tensor([1.0], requires_grad=True)
    optimizer = Watched(weight)
    rows: dict[str, Any] = {"loss": "(2 w - 6)²", "w": "1, later what the step before left", "lr": "0.1"}
    given = rows | {"step": "the first"}
    for step, expected in (("the first", 2.6), ("the second, on a new loss", 2.92)):
        given = rows | {"step": step}
        yield about_to_try(given)
        training_step(_loss(weight), optimizer)
        yield Observation("w afterwards", weight.data, np.array([expected]), given)
        yield _for_recognition(optimizer, given)
    given = rows | {"w": "2", "step": "one before which somebody else has left a gradient of 100 in w.grad"}
    yield about_to_try(given)
    weight.data[:], weight.grad = 2.0, np.array([100.0])
    training_step(_loss(weight), optimizer)
    yield Observation("w afterwards", weight.data, np.array([2.8]), given)


def _loss(weight: Tensor) -> Tensor:
    return ((weight * 2.0 - 6.0) ** 2).sum()


def _for_recognition(optimizer: Watched, given: dict[str, Any]) -> Observation:
    """Return an observation of the order of the calls, which is always right but tells mistakes apart."""
    calls = ", ".join(optimizer.log)
    return Observation("the calls", calls, calls, given)


def training_accumulating(loss: Tensor, optimizer: Optimizer) -> None:
    loss.backward()
    optimizer.step()


def training_stepping_first(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    optimizer.step()
    loss.backward()


def training_zeroing_in_between(loss: Tensor, optimizer: Optimizer) -> None:
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()


def training_zeroing_afterwards(loss: Tensor, optimizer: Optimizer) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def training_without_step(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()


TRAINING_STEP = Exercise(
    name="training_step",
    title="three calls in the right order",
    library=training_step,
    lesson="02_the_graph",
    task="""
    What you have: optimizer.zero_grad() forgets all gradients; loss.backward() adds the gradients of this loss to those
    that are there; optimizer.step() moves the parameters against the gradients they have. Put them in order.

    Look out: somebody may have left gradients behind before your step.
    """,
    hints=(
        "Which of the three needs the result of which other one?",
        "The parameters must move along the gradients of this loss alone. So what has to be gone before backward?",
    ),
    check=check_training_step,
    mistakes=(
        Mistake(
            training_stepping_first,
            "The step comes before backward, when there is no gradient of this loss yet.",
        ),
        Mistake(
            training_zeroing_in_between,
            "zero_grad comes between backward and step, so the gradients are gone when they are needed.",
        ),
        Mistake(training_without_step, "The parameters never move: optimizer.step() is missing."),
        Mistake(
            training_accumulating,
            "zero_grad is missing. backward adds to the gradients of the steps before, so every step repeats all of "
            "them.",
        ),
        Mistake(
            training_zeroing_afterwards,
            "zero_grad comes last, so gradients that somebody else left behind are still there. Begin with it.",
        ),
    ),
)
