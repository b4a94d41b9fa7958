"""One training step of models that together call every function of the exercises that a model can use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist import datasets, ops
from tinydist.activity import dead_units
from tinydist.errors import BackwardError
from tinydist.kernels import dense
from tinydist.models import build_model
from tinydist.module import Module
from tinydist.optim import SGD
from tinydist.recording import no_grad
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor, apply
from tinydist.training import training_step

Array = NDArray[Any]

ROUNDING = 1e-9
"""Largest difference, as a share of the largest entry, that counts as rounding. Float64 rounds at 1e-16, and what
other orders of a step's sums make of that was measured to stay below 1e-12. A wrong formula is far above."""

IMAGES, LR = 100, 0.1


def by_loops(a: Array, b: Array) -> ops.Result:
    """Compute the product of two matrices, forward and backward, by the compiled loops of ``matmul_numba``.

    No model of the library calls these loops, because NumPy's product is faster.
    """

    def product(left: Array, right: Array) -> Array:
        return dense.matmul_numba(np.ascontiguousarray(left), np.ascontiguousarray(right))

    return product(a, b), (lambda g: product(g, b.T), lambda g: product(a.T, g))


class Maxout(Module):
    """The larger of two linear maps (arXiv 1302.4389), scaled to a length below 1, and a third linear map.

    It is written in the tensor operations that the library's layers do without.

    Args:
        product: the op that multiplies two matrices.
    """

    def __init__(self, product: Callable[..., ops.Result] = ops.matmul) -> None:
        self.product = product
        rng = np.random.default_rng(0)
        self.left, self.right, self.out = (
            Tensor(rng.normal(0, 1 / math.sqrt(shape[0]), shape), requires_grad=True)
            for shape in ((784, 32), (784, 32), (32, 10))
        )
        self.bias = Tensor(rng.normal(0, 0.1, 32), requires_grad=True)
        self.scale = Tensor(rng.uniform(1, 2, 10), requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 784) to logits (batch, 10)."""
        hidden = (apply(self.product, x, self.left) + self.bias).maximum(apply(self.product, x, self.right))
        length = ((hidden * hidden).sum(axis=1, keepdims=True) + 1.0).sqrt()
        return apply(self.product, hidden / length, self.out) * self.scale


class Convolution(Module):
    """Two convolutions, each with a relu, and a linear map.

    They have no bias, no stride and no padding, as in the exercise; and no pooling follows, because rounding could
    decide which of two equal pixels is the larger. Of every image, half of the rows and columns are left out, so that
    an answer made of Python's loops is not too slow.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.first, self.second, self.out = (
            Tensor(rng.normal(0, 0.3, shape), requires_grad=True) for shape in ((3, 1, 3, 3), (2, 3, 3, 3), (200, 10))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 784) to logits (batch, 10)."""
        maps = x.reshape(len(x), 1, 28, 28)[:, :, ::2, ::2]
        for kernels in (self.first, self.second):
            maps = apply(ops.conv2d, maps, kernels).relu()
        return maps.reshape(len(x), 200) @ self.out


def _cross_entropy(logits: Tensor, labels: Array) -> Tensor:
    return logits.cross_entropy(labels)


def _by_log_softmax(logits: Tensor, labels: Array) -> Tensor:
    """Return the loss of :func:`_cross_entropy` as a formula of tensors."""
    onehot = np.eye(10)[labels]
    return (logits.log_softmax() * onehot).sum() * (-1 / len(labels))


@dataclass(frozen=True)
class Model:
    """A model of which one step is taken.

    Attributes:
        name: for the learner.
        build: makes the network, from (batch, 784) to logits (batch, 10), with the same weights each time.
        loss: of logits and labels.
        sparse: whether the images are held sparse, because then they pass through `compress`.
    """

    name: str
    build: Callable[[], Module]
    loss: Callable[[Tensor, Array], Tensor] = _cross_entropy
    sparse: bool = False


MODELS = (
    Model("ReLU2-Neg", partial(build_model, "ReLU2-Neg", seed=3), sparse=True),  # a seed with a dead output
    *(Model(name, partial(build_model, name)) for name in ("Abs2", "Abs-L2", "GELU2")),
    Model("Maxout", Maxout, _by_log_softmax),
    Model("Maxout by loops", partial(Maxout, by_loops), _by_log_softmax),
    Model("Convolution", Convolution),
)
"""Models that together call every function of the exercises that a model can use."""


def first_digits() -> tuple[Array, Array]:
    """Return the first images of MNIST, uint8, (images, 784), and their labels."""
    data = datasets.load("mnist", train_size=IMAGES, layout="dense")
    assert isinstance(data.x_train, np.ndarray)
    return data.x_train.astype(np.uint8), data.y_train


StepValues = tuple[dict[str, Any], ...]
"""What a step computed, by name: the gradients of the parameters, the loss before the step, the changes of the
parameters, and which outputs are dead. In this order, because a wrong gradient makes a wrong change."""


def one_step(model: Model, pixels: Array, labels: Array) -> StepValues:
    """Take one training step of a fresh model in float64, and return what it computed.

    Args:
        model: which one.
        pixels: uint8, (images, 784).
        labels: (images,).
    """
    network = model.build()
    parameters = dict(network.named_parameters())
    for parameter in parameters.values():
        parameter.data = parameter.data.astype(np.float64)
        parameter.grad = np.ones_like(parameter.data)  # as if left over from a step before
    before = network.state_dict()
    x = SparseMatrix(pixels, scale=1 / 255) if model.sparse else pixels / 255
    with no_grad():
        dead = dead_units(network(x).data)
    loss = model.loss(network(x), labels)
    try:
        training_step(loss, SGD(parameters.values(), lr=LR))
    except BackwardError:
        if any(parameter.grad is not None for parameter in parameters.values()):
            raise  # else the missing gradients tell more
    gradients = {f"the gradient of {name}": parameter.grad for name, parameter in parameters.items()}
    changes = {f"the change of {name}": parameter.data - before[name] for name, parameter in parameters.items()}
    return gradients, {"the loss": loss.data}, changes, {"the dead outputs": dead}


def what_differs(expected: StepValues, received: StepValues) -> tuple[float, str]:
    """Return the largest difference of two outcomes, and what differs most of the gradients, or else of the rest.

    Args:
        expected: by the library.
        received: with a learner's function in place.

    Returns:
        The largest :func:`gap`, and words, which are "" if everything is the same to rounding.
    """
    gaps = [
        {name: gap(truth[name], there[name]) for name in truth} for truth, there in zip(expected, received, strict=True)
    ]
    largest = max(value for group in gaps for value in group.values())
    for group, truth, there in zip(gaps, expected, received, strict=True):
        worst = max(group, key=lambda name: group[name])
        if group[worst] > ROUNDING:
            words = in_words(worst, truth[worst], there[worst])
            return largest, f"{words} {_about_the_loss(gaps)}" if group is gaps[0] else words
    return largest, ""


def _about_the_loss(gaps: Sequence[Mapping[str, float]]) -> str:
    """Return whether the loss is right, which tells a wrong value from a wrong gradient rule."""
    return "The loss is right." if gaps[1]["the loss"] <= ROUNDING else "The loss differs as well."


def gap(expected: Array, received: Any) -> float:
    """Return the largest difference as a share of the largest expected entry; infinite if they cannot be compared."""
    if received is None or np.shape(received) != expected.shape:
        return math.inf
    largest = float(_distance(expected, received).max())
    return math.inf if math.isnan(largest) else largest


def _distance(expected: Array, received: Array) -> Array:
    """Return the difference of every entry as a share of the largest expected one."""
    wide = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.abs(received - wide) / (np.abs(wide).max() or 1)


def in_words(name: str, expected: Array, received: Any) -> str:
    """Return the difference of two arrays in words, with the first entry that differs."""
    if received is None:
        return f"{name} is missing."
    if np.shape(received) != expected.shape:
        return f"{name} has shape {np.shape(received)} instead of {expected.shape}."
    first = tuple(int(i) for i in np.argwhere(~(_distance(expected, received) <= ROUNDING))[0])
    values = f"expected {float(expected[first]):.9g}, received {float(received[first]):.9g}."
    if not first:
        return f"{name} differs: {values}"
    share = gap(expected, received)
    how = (
        f"differs, by up to {100 * share:.3g} % of its largest entry"
        if math.isfinite(share)
        else "is not finite everywhere"
    )
    return f"{name} {how}. The first entry that differs is {list(first)}: {values}"
