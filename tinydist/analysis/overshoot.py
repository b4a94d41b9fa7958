"""The overshoot: how far one step moves the outputs' pre-activations, beside how far from 0 they are.

Before its first step a network has the pre-activations ``z[i, k]`` of image i and output k, the values behind the last
layer with weights. A step changes them by ``Δz``. The overshoot of an output is ``mean |Δz| / mean |z|``, both means
over the images; that of the network, κ, is the median over its outputs. It has no unit: pixels and learning rate are in
it.

What can be said of a ReLU behind the outputs (an output is *off* on an image where ``z <= 0``, and *dead* where it is
off on all of them). With ``h >= 0`` the hidden activations, V the last weights, η the learning rate, N images and
``g[i, k]`` the derivative of image i's loss with respect to ``z[i, k]``:

* **Cannot die in this step.** To be off on all images, an output must fall by at least ``z`` wherever ``z > 0``; so
  ``mean |Δz| >= mean max(z, 0)``. An output whose change is smaller, ``mean |Δz| < mean max(z, 0)``, is on for some
  image afterwards, whatever the layers and the optimiser. Since ``mean max(z, 0) = (mean |z| + mean z) / 2``, the limit
  is an overshoot of 1 for an output that is on everywhere, and of 1/2 for one whose mean is 0.
  :func:`safe_lr` gives a learning rate, known from one gradient, below which this holds for every output.
* **Must die in this step, if only the last layer moves.** That layer, without a bias, changes ``z`` by ``Δz[i, k] =
  -η/N Σ_j g[j, k] h_j · h_i``: all images of output k move along one vector, ``c_k = Σ_j g[j, k] h_j``. No product of
  hidden activations is negative, so images pull one another along: where ``c_k · h_i > 0`` for all i, the output falls
  on all images at once, and from ``η = N max_i z[i, k] / (c_k · h_i)`` on it is dead.
* **Stays dead**, with plain gradient descent. A dead output passes no gradient on, so its own weights rest. Only the
  hidden activations can bring it back, and they move only while another output is alive: once all are dead, nothing
  moves any more.
* **May die:** everything between. Here only runs can tell. In a test that was fixed beforehand κ failed to tell which
  networks have lost an output after a hundred steps: outputs come back, and others die late. It is good at what the
  first step does, as a second test on other data found (``data/results/overshoot``).

Relatives: "dying ReLU" looks at hidden units, mostly at the start (Lu et al., arXiv 1903.06733); the edge of stability
(Cohen et al., arXiv 2103.00065) compares the learning rate with the curvature of the loss, later in training; maximal
update parametrisation (Yang and Hu, arXiv 2011.14522) scales start and step with the width so that ``Δz`` and z stay of
one size. κ is that ratio, measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.activity import check_labels
from tinydist.errors import DivergedError
from tinydist.nn import Activation, Linear, Module, OffsetL2, Sequential, linear
from tinydist.optim import Optimizer
from tinydist.recording import keeping_gradients, no_grad
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor
from tinydist.training import check_loss, training_step

Array = NDArray[Any]
Images = Array | SparseMatrix

THRESHOLD = 0.7
"""An overshoot below which no output of ReLU2 died in the pilot that suggested it (90 runs on 2,000 digits).

In a larger test 27 of 152 runs below it lost one, see ``data/results/overshoot``.
"""

SILENT = ("ReLU", "GELU", "GELUTanh", "SiLU")
"""Activations that are 0, or nearly, on all of their negative side but for a part near 0."""

_ONE_LIPSCHITZ = ("ReLU", "Abs", "LeakyReLU", "ELU", "Softplus", "Tanh", "Sin")
"""Activations whose slope is nowhere above 1 in magnitude."""


@dataclass(frozen=True)
class Overshoot:
    """How far one step moves the outputs' pre-activations, each a mean over the images; all of shape (outputs,).

    Attributes:
        sizes: ``mean |z|`` before the step.
        heights: ``mean max(z, 0)`` before the step.
        changes: ``mean |Δz|``.
    """

    sizes: NDArray[np.float64]
    heights: NDArray[np.float64]
    changes: NDArray[np.float64]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Return the overshoot of each output, (outputs,); 0 where nothing moves, infinite where all start at 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.changes > 0, self.changes / self.sizes, 0.0)

    @property
    def kappa(self) -> float:
        """Return the overshoot of the network: the median over its outputs."""
        return float(np.median(self.ratios))

    @property
    def cannot_die(self) -> NDArray[np.bool_]:
        """Return which outputs are certain to be positive on some image after the step, (outputs,)."""
        return self.changes < self.heights


def measure_overshoot(model: Sequential, optimizer: Optimizer, x: Images, labels: Array) -> Overshoot:
    """Measure the overshoot of a network's next step, on the images of that step; the step itself is taken back.

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        optimizer: of its parameters.
        x: (images, pixels).
        labels: class numbers, (images,).

    Raises:
        ShapeError, ValueError: if labels or images do not fit.
        DivergedError: if the loss, a gradient or a pre-activation is not finite.
    """
    before = pre_activations(model, x)
    weights, state = model.state_dict(), optimizer.state_dict()
    with keeping_gradients(model.parameters()):
        try:
            after = _after_a_step(model, optimizer, x, labels, before.shape[1])
        finally:
            model.load_state_dict(weights)
            optimizer.load_state_dict(state)
    return _overshoot(before, after - before)


def descending_overshoots(model: Sequential, optimizer: Optimizer, x: Images, labels: Array, steps: int) -> list[float]:
    """Take full-batch steps, and return the overshoot κ of each, (steps,); infinite from where something is not finite.

    Args:
        model: layers in a row, trained in place.
        optimizer: of its parameters.
        x, labels: as for :func:`measure_overshoot`.
        steps: how many.

    Raises:
        ShapeError, ValueError: if labels or images do not fit.
        DivergedError: if a pre-activation at the start is not finite.
    """
    before = pre_activations(model, x)
    kappas: list[float] = []
    for _ in range(steps):
        try:
            after = _after_a_step(model, optimizer, x, labels, before.shape[1])
        except DivergedError:
            return kappas + [math.inf] * (steps - len(kappas))
        kappas.append(kappa(before, after))
        before = after
    return kappas


def _after_a_step(model: Sequential, optimizer: Optimizer, x: Images, labels: Array, classes: int) -> Array:
    """Take a step, and return the pre-activations behind it, (images, outputs).

    Raises:
        ShapeError, ValueError: if labels do not fit.
        DivergedError: if the loss, a gradient, or a pre-activation is not finite.
    """
    training_step(_loss(model, x, labels, classes), optimizer)
    return pre_activations(model, x)


def kappa(before: Array, after: Array) -> float:
    """Return the overshoot κ of a step from the pre-activations before it and after it, (images, outputs) each."""
    return _overshoot(before, after - before).kappa


def _overshoot(z: Array, change: Array) -> Overshoot:
    return Overshoot(np.abs(z).mean(axis=0), np.maximum(z, 0).mean(axis=0), np.abs(change).mean(axis=0))


def pre_activations(model: Sequential, x: Images) -> NDArray[np.float64]:
    """Return what the last layer with weights puts out, before any activation or Neg: (images, outputs).

    Raises:
        ValueError: if the model has no such layer.
        DivergedError: if a value is not finite.
    """
    layers = _until_output(model)
    with no_grad():
        value: Any = x
        for layer in layers:
            value = layer(value)
    if not np.isfinite(value.data).all():
        raise DivergedError("a pre-activation of the outputs is not finite; a smaller lr, or smaller inputs, may help")
    return _float64(value.data)


def _until_output(model: Sequential) -> list[Module]:
    """Return the layers up to the last one with weights."""
    layers = [layer for _, layer in model.children()]
    weighted = [place for place, layer in enumerate(layers) if isinstance(layer, Linear | OffsetL2)]
    if not weighted:
        raise ValueError(f"the overshoot is that of a Linear or OffsetL2 layer, and {model!r} has none")
    return layers[: weighted[-1] + 1]


def _loss(model: Sequential, x: Images, labels: Array, classes: int) -> Tensor:
    check_labels(labels, len(x), classes)
    loss = model(x).cross_entropy(labels)
    check_loss(loss.item(), 0)
    return loss


@dataclass(frozen=True)
class FirstOrder:
    """The change of the pre-activations by a step of gradient descent, to first order in the learning rate.

    Attributes:
        last: the part that the last layer's weights make, ``-η/N Σ_j g[j, k] (h_j · h_i + b)``, with b 1 where the
            layer has a bias and else 0, (images, outputs).
        first: the part that the first layer's make, ``V (φ'(u_i) Δu_i)`` with the pre-activations u of the hidden
            layer, their activation φ, ``Δu_i = -η/N Σ_j δ_j (x_j · x_i + 1)`` and ``δ_j = φ'(u_j) (Vᵀ g_j)``, (images,
            outputs).
    """

    last: NDArray[np.float64]
    first: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Return the whole change, (images, outputs)."""
        return self.last + self.first


def first_order_change(model: Sequential, x: Images, labels: Array, lr: float) -> FirstOrder:
    """Return the change of the outputs' pre-activations by a step of gradient descent, to first order, by layer.

    The formulas are those of :class:`FirstOrder`; the sums over j are the gradients of the weights.

    Args:
        model: a linear layer, an activation and a linear layer, whatever follows.
        x: (images, pixels).
        labels: class numbers, (images,).
        lr: learning rate η.

    Raises:
        ValueError: if `lr` is not positive and finite.
        ShapeError, ValueError: if labels or images do not fit, or the model has other layers.
        DivergedError: if the loss is not finite.
    """
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be a positive learning rate, got {lr}")
    change = _unit_step(model, x, labels).change
    return FirstOrder(lr * change.last, lr * change.first)


def fitting_lr(model: Sequential, x: Images, labels: Array, kappa: float = THRESHOLD) -> float:
    """Return the learning rate at which gradient descent starts with this overshoot, to first order.

    It is one learning rate for all layers.

    Args:
        model, x, labels: as for :func:`first_order_change`.
        kappa: the overshoot, positive.

    Returns:
        The learning rate; infinite where the median output does not move, as where most are dead.

    Raises:
        ValueError: if `kappa` is not positive and finite.
        ShapeError, ValueError, DivergedError: as :func:`first_order_change`.
    """
    if not 0 < kappa < math.inf:
        raise ValueError(f"kappa must be a positive overshoot, got {kappa}")
    step = _unit_step(model, x, labels)
    at_one = _overshoot(step.z, step.change.total).kappa
    return kappa / at_one if at_one else math.inf


def safe_lr(model: Sequential, x: Images, labels: Array) -> float:
    """Return a learning rate below which no output that is positive on some image can be off on all after one step.

    A step of gradient descent moves the weights, and so the hidden pre-activations u, by η times something that is
    known. If the activation is nowhere steeper than 1, each hidden activation moves by no more than its u. Hence
    ``z'[i, k] >= z[i, k] - η (m + t) - η² q`` with ``m = ∇V_k · h_i`` (and the bias's part), ``t = Σ |V_k| |Δu_i| / η``
    and ``q = Σ |∇V_k| |Δu_i| / η``, and output k survives where this is above 0 for one image i. It is a bound for the
    whole step, not to first order. It is cautious: it takes every hidden unit to move against the output.

    Args:
        model, x, labels: as for :func:`first_order_change`.

    Returns:
        The learning rate; infinite where no output is positive, or none can fall.

    Raises:
        ValueError: if the hidden activation can be steeper than 1.
        ShapeError, ValueError, DivergedError: as :func:`first_order_change`.
    """
    step = _unit_step(model, x, labels)
    if step.activation not in _ONE_LIPSCHITZ:
        raise ValueError(
            f"the bound needs a hidden activation whose slope is at most 1 ({', '.join(_ONE_LIPSCHITZ)}), got "
            f"{step.activation}; measure_overshoot takes any"
        )
    moves = np.abs(step.hidden)
    linear_term = moves @ np.abs(step.weight).T - step.last
    quadratic = moves @ np.abs(step.weight_change).T
    root = np.sqrt(linear_term**2 + 4 * quadratic * np.maximum(step.z, 0))
    with np.errstate(divide="ignore", invalid="ignore"):  # of two forms of the same, the one that loses no digits
        roots = np.where(linear_term > 0, 2 * step.z / (linear_term + root), (root - linear_term) / (2 * quadratic))
    roots = np.where((linear_term <= 0) & (quadratic == 0), math.inf, roots)
    return float(min((roots[on, k].max() for k, on in enumerate((step.z > 0).T) if on.any()), default=math.inf))


@dataclass(frozen=True)
class _UnitStep:
    """A step of gradient descent with learning rate 1 in a network of two linear layers, to first order; in float64.

    Attributes:
        activation: name of the one between the layers.
        z: pre-activations of the outputs before the step, (images, outputs).
        weight, weight_change: V and its change, (outputs, hidden).
        last: change of z by the last layer's weights, (images, outputs).
        hidden: change of the hidden pre-activations, (images, hidden).
        slopes: of the hidden activation, (images, hidden).
    """

    activation: str
    z: NDArray[np.float64]
    weight: NDArray[np.float64]
    weight_change: NDArray[np.float64]
    last: NDArray[np.float64]
    hidden: NDArray[np.float64]
    slopes: NDArray[np.float64]

    @property
    def change(self) -> FirstOrder:
        """Return the change of z, by layer."""
        return FirstOrder(self.last, (self.slopes * self.hidden) @ self.weight.T)


def _unit_step(model: Sequential, x: Images, labels: Array) -> _UnitStep:
    layers = _until_output(model)
    match layers:
        case [Linear() as first, Activation() as activation, Linear() as last]:
            pass
        case _:
            raise ValueError(
                "the first-order change is worked out for a linear layer, an activation and a linear layer, got "
                f"{model!r}; measure_overshoot takes any model"
            )
    with no_grad():
        u = Tensor(first(x).data, requires_grad=True)
    activation(u).backward(np.ones_like(u.data))  # u.grad is the slope at each u
    with no_grad():
        hidden = activation(u)
        z = last(hidden)
    parameters = model.parameters()
    with keeping_gradients(parameters):
        for parameter in parameters:
            parameter.grad = None
        _loss(model, x, labels, z.shape[1]).backward()
        downhill = {id(p): Tensor(np.zeros_like(p.data) if p.grad is None else -p.grad) for p in parameters}
    with no_grad():
        moved = linear(
            x if isinstance(x, SparseMatrix) else Tensor(x), downhill[id(first.weight)], downhill.get(id(first.bias))
        )
        moved_last = linear(hidden, downhill[id(last.weight)], downhill.get(id(last.bias)))
    return _UnitStep(
        activation=activation.name,
        z=_float64(z.data),
        weight=_float64(last.weight.data),
        weight_change=_float64(downhill[id(last.weight)].data),
        last=_float64(moved_last.data),
        hidden=_float64(moved.data),
        slopes=_float64(u.grad),
    )


def _float64(array: Any) -> NDArray[np.float64]:
    return np.asarray(array, dtype=np.float64)
