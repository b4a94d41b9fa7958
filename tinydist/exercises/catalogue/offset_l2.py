"""Exercise offset_l2: the OffsetL2 layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from tinydist.exercises.probes import Array, kept, numbers, signed
from tinydist.exercises.rubric import Mistake, Observation, Rubric, about_to_try
from tinydist.nn import OffsetL2
from tinydist.tensor import Tensor


def offset_l2(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)


class HighFloor(OffsetL2):
    """A layer with another floor, by which one sees whether an answer looks at it."""

    FLOOR = 0.25


def _distances(form: str, x: Array, mu: Array, alpha: Array, floor: float) -> Array:
    """Return the distances by the two formulas, (batch, centres)."""
    difference = x[:, None] - mu
    if form == "paper":
        return np.asarray(np.linalg.norm(alpha * difference, axis=2))
    return np.asarray(np.sqrt(np.maximum(np.sum(alpha * difference**2, axis=2), floor)))


def _gradients(form: str, x: Array, mu: Array, alpha: Array, floor: float, g: Array) -> dict[str, Array]:
    """Return the gradients of x, mu and alpha, worked out by hand: 0 where the distance is flat."""
    difference = x[:, None] - mu  # (batch, centres, features)
    y = _distances(form, x, mu, alpha, floor)
    lowest = 0.0 if form == "paper" else np.sqrt(floor)
    u = np.where(y > lowest, g / np.where(y > lowest, y, 1), 0)[..., None]
    pull = u * (alpha**2 if form == "paper" else alpha) * difference
    by_alpha = u * difference**2 * (alpha if form == "paper" else 0.5)
    return {"x": pull.sum(axis=1), "mu": -pull.sum(axis=0), "alpha": by_alpha.sum(axis=0)}


def _layer(kind: type[OffsetL2], form: str, mu: Array, alpha: Array) -> OffsetL2:
    layer = kind(mu.shape[1], len(mu), form, rng=np.random.default_rng(0))
    layer.mu, layer.alpha = (Tensor(a.copy(), requires_grad=True) for a in (mu, alpha))
    return layer


def try_layer(
    answer: Any,
    *,
    form: str,
    x: Any,
    mu: Any,
    alpha: Any,
    why: str = "",
    g: Any = None,
    kind: type[OffsetL2] = OffsetL2,
    learned: bool = True,
    dtype: type = np.float64,
) -> Iterator[Observation]:
    """Yield observations of a layer: the distances, and the gradients that flow back from them.

    Args:
        answer: the layer's forward pass.
        form: "program" or "paper".
        x, mu, alpha: what to try.
        why: why this is tried.
        g: the incoming gradient; numbers of either sign where it is None.
        kind: class of the layer.
        learned: whether x needs a gradient as well, as the output of an earlier layer does.
        dtype: of x and of the layer.
    """
    arrays: dict[str, Array] = {
        name: np.array(a, dtype=dtype) for name, a in {"x": x, "mu": mu, "alpha": alpha}.items()
    }
    wide = {name: a.astype(np.float64) for name, a in arrays.items()}
    layer = _layer(kind, form, arrays["mu"], arrays["alpha"])
    points = Tensor(arrays["x"].copy(), requires_grad=learned)
    given: dict[str, Any] = ({"why": why} if why else {}) | {"form": form, **arrays}
    if kind is not OffsetL2:
        given["self.FLOOR"] = kind.FLOOR
    yield about_to_try(given)
    y = answer(layer, points)
    yield Observation("what comes back", f"a {type(y).__name__}", "a Tensor", given)
    truth = _distances(form, **wide, floor=kind.FLOOR)
    yield Observation("the distances", kept(y.data), truth.astype(dtype), given, atol=0, wide=True)
    yield Observation("whether gradients flow back from them", y.requires_grad, True, given)
    g = signed(truth.shape) if g is None else np.array(g)
    given["g"] = g
    y.backward(g.astype(dtype))
    gradients = _gradients(form, **wide, floor=kind.FLOOR, g=g)
    for name, tensor in (("x", points), ("mu", layer.mu), ("alpha", layer.alpha)):
        if tensor.requires_grad:
            expected: Array = gradients[name].astype(dtype)
            yield Observation(f"the gradient of {name}", kept(tensor.grad), expected, given, wide=True)
        yield Observation(f"{name} itself, which must stay as it was", kept(tensor.data), arrays[name], given)


def try_two_calls(answer: Any, *, form: str) -> Iterator[Observation]:
    """Yield observations of a layer that is called twice before gradients flow back: they add up."""
    mu, alpha, floor = numbers(2, 2, 3), numbers(3, 2, 3, low=0.5), OffsetL2.FLOOR
    batches = numbers(4, 2, 3), numbers(5, 4, 3)
    layer = _layer(OffsetL2, form, mu, alpha)
    given = {"why": "the layer is called twice", "form": form, "mu": mu, "alpha": alpha}
    yield about_to_try(given)
    results = [answer(layer, Tensor(x.copy())) for x in batches]
    for words, x, y in zip(("first", "second"), batches, results, strict=True):
        yield Observation(
            f"the distances of the {words} call", kept(y.data), _distances(form, x, mu, alpha, floor), given
        )
        y.backward(signed(y.shape))
    both = [_gradients(form, x, mu, alpha, floor, signed((len(x), len(mu)))) for x in batches]
    for name, tensor in (("mu", layer.mu), ("alpha", layer.alpha)):
        yield Observation(f"the gradient of {name} by both", kept(tensor.grad), sum(part[name] for part in both), given)


ONE: dict[str, Any] = {"x": [[5.0]], "mu": [[2.0]], "alpha": [[4.0]]}
SEVERAL: dict[str, Any] = {
    "x": numbers(1, 3, 2, low=3, high=5),
    "mu": numbers(2, 4, 2),
    "alpha": numbers(3, 4, 2, low=0.5),
}
FORMS = ("program", "paper")

CASES = (
    partial(try_layer, form="program", **ONE, g=[[10.0]], why="alpha multiplies the squared difference"),
    partial(try_layer, form="paper", **ONE, g=[[10.0]], why="alpha multiplies the difference"),
    *(partial(try_layer, form=form, **ONE, g=[[-10.0]], why="a negative g") for form in FORMS),
    partial(try_layer, form="program", x=[[2.0]], mu=[[2.0]], alpha=[[4.0]], why="on the prototype: the floor's root"),
    partial(try_layer, form="paper", x=[[2.0]], mu=[[2.0]], alpha=[[4.0]], why="on the prototype: exactly 0"),
    *(
        partial(try_layer, form=form, x=[[1e-8]], mu=[[0.0]], alpha=[[0.5]], why="next to the prototype")
        for form in FORMS
    ),
    partial(try_layer, form="program", x=[[5.0]], mu=[[2.0]], alpha=[[-4.0]], why="alpha below 0: the floor's root"),
    partial(try_layer, form="paper", x=[[5.0]], mu=[[2.0]], alpha=[[-4.0]], why="alpha below 0, which is squared"),
    *(
        partial(try_layer, form=form, x=[[3.0, 1.0]], mu=[[0.5, 2.0]], alpha=[[2.0, -0.5]], why="one alpha below 0")
        for form in FORMS
    ),
    *(
        partial(
            try_layer,
            form=form,
            x=[[2.1], [4.0]],
            mu=[[2.0], [3.0]],
            alpha=[[1.5], [2.0]],
            kind=HighFloor,
            why="another floor",
        )
        for form in FORMS
    ),
    *(partial(try_layer, form=form, **SEVERAL, why="three points and four prototypes") for form in FORMS),
    *(
        partial(
            try_layer,
            form=form,
            x=SEVERAL["mu"][:2],
            mu=SEVERAL["mu"],
            alpha=SEVERAL["alpha"],
            why="some on prototypes",
        )
        for form in FORMS
    ),
    *(partial(try_layer, form=form, **SEVERAL, learned=False, why="x needs no gradient, as images") for form in FORMS),
    *(partial(try_layer, form=form, **SEVERAL, dtype=np.float32, why="all in float32") for form in FORMS),
    *(partial(try_two_calls, form=form) for form in FORMS),
)


def _by_form(layer: OffsetL2, x: Tensor) -> Tensor:
    """Return the distances, right."""
    paper = layer.form == "paper"
    weight = layer.alpha * layer.alpha if paper else layer.alpha
    return x.weighted_distance(layer.mu, weight, floor=0.0 if paper else layer.FLOOR)


def offset_always_program(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)


def offset_paper_unsquared(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha, floor=0.0 if self.form == "paper" else self.FLOOR)


def offset_always_paper(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha * self.alpha)


def offset_squared_alpha_in_both(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha * self.alpha, floor=0.0 if self.form == "paper" else self.FLOOR)


def offset_forms_swapped(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "program":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)


def offset_without_floor(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(self.mu, self.alpha * self.alpha if self.form == "paper" else self.alpha)


def offset_floor_in_both(self: OffsetL2, x: Tensor) -> Tensor:
    return x.weighted_distance(
        self.mu, self.alpha * self.alpha if self.form == "paper" else self.alpha, floor=self.FLOOR
    )


def offset_floor_unsquared(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha, floor=1e-6)


def offset_floor_by_number(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha, floor=1e-12)


def offset_size_of_alpha(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, self.alpha * self.alpha)
    return x.weighted_distance(self.mu, self.alpha.abs(), floor=self.FLOOR)


def offset_outside_the_graph(self: OffsetL2, x: Tensor) -> Tensor:
    floor = float(self.FLOOR)
    return Tensor(_distances(self.form, x.data, self.mu.data, self.alpha.data, floor))


def offset_alpha_outside_the_graph(self: OffsetL2, x: Tensor) -> Tensor:
    if self.form == "paper":
        return x.weighted_distance(self.mu, Tensor(self.alpha.data**2))
    return x.weighted_distance(self.mu, self.alpha, floor=self.FLOOR)


def offset_x_outside_the_graph(self: OffsetL2, x: Tensor) -> Tensor:
    return _by_form(self, Tensor(x.data))


def offset_squared(self: OffsetL2, x: Tensor) -> Tensor:
    y = _by_form(self, x)
    return y * y


def offset_negative(self: OffsetL2, x: Tensor) -> Tensor:
    return -_by_form(self, x)


RUBRIC = Rubric(
    library=OffsetL2.forward,
    solution=offset_l2,
    cases=CASES,
    mistakes=(
        Mistake(offset_squared, "These are squared distances: the root is missing, or was undone."),
        Mistake(offset_negative, "The sign is flipped: a distance is never negative. Neg is a layer of its own."),
        Mistake(
            offset_outside_the_graph,
            "The distances are right, but no gradient flows back: they were computed from .data, outside the graph.",
        ),
        Mistake(
            offset_x_outside_the_graph,
            "No gradient reaches x: its .data was taken, outside the graph. Layers before this one would not learn.",
        ),
        Mistake(
            offset_alpha_outside_the_graph,
            'In the form "paper" no gradient reaches alpha: its .data was taken, outside the graph. Square the tensor, '
            "self.alpha * self.alpha.",
        ),
        Mistake(
            offset_forms_swapped, 'The two forms are swapped: it is in the form "paper" that alpha is inside the norm.'
        ),
        Mistake(
            offset_always_paper,
            'This ignores the form "program": there alpha multiplies the squared difference as it is, and the squared '
            "distance is at least self.FLOOR.",
        ),
        Mistake(
            offset_squared_alpha_in_both,
            'alpha was squared in the form "program". There it multiplies the squared difference as it is; that is '
            "what the author's program computes, and where alpha may turn negative.",
        ),
        Mistake(
            offset_always_program,
            'This ignores the form "paper": there alpha is inside the norm, so the weight of the squared difference is '
            "alpha squared, and there is no floor.",
        ),
        Mistake(
            offset_paper_unsquared,
            'alpha is not squared in the form "paper". There it is inside the norm, so the weight of the squared '
            "difference is alpha squared.",
        ),
        Mistake(
            offset_without_floor,
            'The form "program" needs floor=self.FLOOR: no distance is smaller than 1e-6.',
        ),
        Mistake(
            offset_floor_in_both,
            'The form "paper" has no floor: on its prototype a point is at distance 0, not 1e-6.',
        ),
        Mistake(
            offset_floor_unsquared,
            "The floor is one of the squared distance: pass self.FLOOR, 1e-12, of which 1e-6 is the root.",
        ),
        Mistake(
            offset_floor_by_number,
            "The floor is the number 1e-12, whatever self.FLOOR says. A layer may have another one: pass self.FLOOR.",
        ),
        Mistake(
            offset_size_of_alpha,
            'In the form "program" alpha is taken as it is, with its sign: where it makes the sum negative, the '
            "distance is at the floor.",
        ),
    ),
)
