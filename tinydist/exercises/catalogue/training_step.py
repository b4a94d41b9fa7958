"""Exercise training_step: three calls in the right order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist import training
from tinydist.exercises.probes import Array, kept
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.optim import SGD, Adam, Optimizer
from tinydist.tensor import Tensor


def training_step(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


class Watched(SGD):
    """An optimiser that counts its steps."""

    steps = 0

    def step(self) -> None:
        self.steps += 1
        super().step()


def _loss(weight: Tensor) -> Tensor:
    return ((weight * 2.0 - 6.0) ** 2).sum()


def ask(
    answer: Any,
    *,
    expected: float,
    gradient: float,
    w: float = 1.0,
    left_behind: float | None = None,
    steps: int = 1,
    momentum: float = 0.0,
) -> Iterator[Observation]:
    """Yield observations of w after some steps; by hand: the slope of (2 w - 6)² is 8 w - 24, and a step is 0.1 of it.

    Args:
        answer: the function under check.
        expected: w afterwards.
        gradient: of the last loss.
        w: at the start.
        left_behind: what is in w.grad before the first step.
        steps: how many to take, each on a new loss.
        momentum: of the optimiser.
    """
    weight = Tensor([w], requires_grad=True)
    weight.grad = None if left_behind is None else np.array([left_behind])
    optimizer = Watched([weight], lr=0.1, momentum=momentum)
    given: dict[str, Any] = {"loss": "(2 w - 6)²", "w": weight.data.copy()}
    if left_behind is not None:
        given["w.grad"] = f"{left_behind}, which somebody has left behind"
    given |= {"optimizer": f"SGD([w], lr=0.1, momentum={momentum})", "steps": str(steps)}
    yield about_to_try(given)
    for _ in range(steps):
        answer(_loss(weight), optimizer)
    yield Observation("the parameter w afterwards", kept(weight.data), np.array([expected]), given)
    yield Observation("how often optimizer.step was called", optimizer.steps, steps, given)
    yield Observation(
        "the gradient w.grad afterwards, of the last loss", kept(weight.grad), np.array([gradient]), given
    )


def several(
    answer: Any, *, make: Callable[[list[Tensor]], Optimizer], words: str, moves: Array
) -> Iterator[Observation]:
    """Yield observations of three parameters, of which the third has no part in the loss.

    Args:
        answer: the function under check.
        make: makes the optimiser of the parameters.
        words: how the optimiser is made.
        moves: by what the entries of the first two move.
    """
    a, b, c = (Tensor(values, requires_grad=True) for values in ([1.0, 2.0], [3.0], [5.0]))
    c.grad = np.array([100.0])
    given = {"loss": "sum(a * b)", "a": a.data.copy(), "b": b.data.copy(), "optimizer": words}
    given["c"] = "5, which has no part in the loss; somebody has left 100 behind in c.grad"
    yield about_to_try(given)
    answer((a * b).sum(), make([a, b, c]))
    yield Observation("the parameter a afterwards", kept(a.data), np.array([1.0, 2.0]) + moves[:2], given)
    yield Observation("the parameter b afterwards", kept(b.data), np.array([3.0]) + moves[2:], given)
    yield Observation("the parameter c afterwards", kept(c.data), np.array([5.0]), given)
    yield Observation("the gradient a.grad afterwards, of this loss", kept(a.grad), np.array([3.0, 3.0]), given)
    yield Observation("the gradient b.grad afterwards, of this loss", kept(b.grad), np.array([3.0]), given)


GRADIENT = np.array([3.0, 3.0, 3.0])

CASES = (
    partial(ask, expected=2.6, gradient=-16.0),
    partial(ask, expected=4.0, w=8.0, gradient=40.0),
    partial(ask, expected=202.4, w=1000.0, gradient=7976.0),
    partial(ask, expected=3.0, w=3.0, gradient=0.0),
    partial(ask, expected=2.92, gradient=-3.2, steps=2),
    partial(ask, expected=2.984, gradient=-0.64, steps=3),
    partial(ask, expected=2.8, gradient=-8.0, w=2.0, left_behind=100.0),
    partial(ask, expected=2.6 + 0.1 * (0.5 * 16 + 3.2), gradient=-3.2, steps=2, momentum=0.5),
    partial(several, make=partial(SGD, lr=0.1), words="SGD([a, b, c], lr=0.1)", moves=-0.1 * GRADIENT),
    # The first step of Adam is lr, whatever the gradient; 1e-8 in the denominator hardly shows.
    partial(several, make=partial(Adam, lr=0.1), words="Adam([a, b, c], lr=0.1)", moves=-0.1 * GRADIENT / (3 + 1e-8)),
)


def training_accumulating(loss: Tensor, optimizer: Optimizer) -> None:
    loss.backward()
    optimizer.step()


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


def training_without_calls(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad  # noqa: B018
    loss.backward  # noqa: B018
    optimizer.step  # noqa: B018


RUBRIC = Rubric(
    library=training.training_step,
    solution=training_step,
    cases=CASES,
    mistakes=(
        Mistake(
            training_zeroing_in_between,
            "There are no gradients when step needs them: step comes before backward, or zero_grad between the two, or "
            "backward is never called.",
        ),
        Mistake(
            training_without_calls,
            "Nothing happens: optimizer.step alone only names the function. To call it, write optimizer.step().",
        ),
        Mistake(training_without_step, "The parameters never move: optimizer.step() is missing."),
        Mistake(
            training_accumulating,
            "zero_grad is missing. backward adds to the gradients of the steps before, so every step repeats all of "
            "them.",
        ),
        Mistake(
            training_zeroing_afterwards,
            "zero_grad comes last: it takes away the gradients of this loss, and those that somebody else left behind "
            "have taken part in the step. Begin with it.",
        ),
    ),
)
