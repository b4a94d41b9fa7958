"""Exercise offset_l2: the OffsetL2 layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinydist.exercises.exercise import Exercise, Mistake, Observation, about_to_try
from tinydist.exercises.probes import Array, measured_gradient, numbers
from tinydist.nn import OffsetL2
from tinydist.tensor import Tensor


def check_offset_l2(offset_l2: Any) -> Iterator[Observation]:
    """Yield observations; the truth is the two formulas by NumPy, and finite differences of them."""

    def ask(form: str, x: Array, mu: Array, alpha: Array, why: str, flat: bool = False) -> Iterator[Observation]:
        layer = OffsetL2(mu.shape[1], len(mu), form, rng=np.random.default_rng(0))
        layer.mu, layer.alpha = (Tensor(a.copy(), requires_grad=True) for a in (mu, alpha))
        given = {"why": why, "form": form, "x": x, "mu": mu, "alpha": alpha}
        yield about_to_try(given)
        y = offset_l2(layer, Tensor(x))
        yield Observation("what comes back", f"a {type(y).__name__}", "a Tensor", given)
        yield Observation("the distances", y.data, _distances(form, x, mu, alpha), given)
        yield Observation("whether gradients flow back from them", y.requires_grad, True, given)
        y.sum().backward()
        for name, parameter, at in (("mu", layer.mu, mu), ("alpha", layer.alpha, alpha)):

            def total(moved: Array, name: str = name) -> float:
                return float(_distances(form, x, **({"mu": mu, "alpha": alpha} | {name: moved})).sum())

            truth = np.zeros_like(at) if flat else measured_gradient(total, at)
            yield Observation(f"the gradient of {name}", parameter.grad, truth, given)

    one = np.array([[2.0]])
    yield from ask("program", np.array([[5.0]]), one, np.array([[4.0]]), "alpha multiplies the squared difference")
    yield from ask("paper", np.array([[5.0]]), one, np.array([[4.0]]), "alpha multiplies the difference")
    yield from ask("program", one, one, np.array([[4.0]]), "on the prototype: the floor, and no gradient", flat=True)
    yield from ask("program", np.array([[5.0]]), one, np.array([[-4.0]]), "a negative alpha: the floor", flat=True)
    for form in ("program", "paper"):
        yield from ask(form, numbers(1, 3, 2, low=3, high=5), numbers(2, 2, 2), numbers(3, 2, 2, low=0.5), "several")


def _distances(form: str, x: Array, mu: Array, alpha: Array) -> Array:
    difference = x[:, None] - mu
    if form == "paper":
        return np.asarray(np.linalg.norm(alpha * difference, axis=2))
    return np.asarray(np.sqrt(np.maximum(np.sum(alpha * difference**2, axis=2), 1e-12)))


def offset_always_program(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)


def offset_always_paper(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha * self.alpha, floor=0.0 if self.form == "paper" else self.FLOOR)


def offset_without_floor(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha * self.alpha if self.form == "paper" else self.alpha)


def offset_floor_unsquared(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha, floor=1e-6)


def offset_outside_the_graph(self: OffsetL2, x: Tensor) -> Tensor:
    return Tensor(_distances(self.form, x.data, self.mu.data, self.alpha.data))


def offset_squared(self: OffsetL2, x: Tensor) -> Tensor:
    y = offset_without_floor(self, x)
    return y * y


OFFSET_L2 = Exercise(
    name="offset_l2",
    title="the layer of distances to prototypes",
    library=OffsetL2.forward,
    lesson="11_offset_l2",
    task="""
    One prototype for each class: row i of self.mu, with row i of self.alpha as scales. There are two forms, and
    self.form says which. "program": sqrt(max(sum of alpha (x - mu)², FLOOR)), alpha as it is. "paper": the norm of
    alpha (x - mu), in which alpha is squared, and no floor.

    What you have: x.weighted_distance(center, weight, floor=...) on tensors, the op of an earlier exercise; self.FLOOR.

    Look out: everything must stay in the graph, so compute with the tensors, not with their .data.
    """,
    hints=(
        "weighted_distance already takes the square, the sum, the floor and the root.",
        "The two forms differ in the weight, self.alpha or self.alpha * self.alpha, and in the floor.",
    ),
    check=check_offset_l2,
    mistakes=(
        Mistake(offset_squared, "These are squared distances: the root is missing, or was undone."),
        Mistake(
            offset_outside_the_graph,
            "The distances are right, but no gradient flows back: they were computed from .data, outside the graph.",
        ),
        Mistake(
            offset_always_paper,
            'alpha was squared in the form "program". There it multiplies the squared difference as it is; that is '
            "what the author's program computes, and where alpha may turn negative.",
        ),
        Mistake(
            offset_always_program,
            'This ignores the form "paper": there alpha is inside the norm, so the weight of the squared difference is '
            "alpha squared, and there is no floor.",
        ),
        Mistake(
            offset_without_floor,
            'The form "program" needs floor=self.FLOOR: no distance is smaller than 1e-6.',
        ),
        Mistake(
            offset_floor_unsquared,
            "The floor is one of the squared distance: pass self.FLOOR, 1e-12, of which 1e-6 is the root.",
        ),
    ),
)
