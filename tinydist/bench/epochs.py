"""One full-batch epoch, forward, backward and step, in three versions: tinydist's, by hand in NumPy, and PyTorch's.

All three start from the same weights and do the same arithmetic in float32. PyTorch is used only if it is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.models import ModelSpec, build_model, parse_model_name
from tinydist.nn import OffsetL2
from tinydist.optim import SGD
from tinydist.sparse import SparseMatrix
from tinydist.training import training_step

Array = NDArray[Any]
Epoch = Callable[[], dict[str, Array]]
"""A function that does one epoch and returns the gradients it used, by the names of the parameters."""

LR = 0.001


LIBRARIES = {"tinydist": "tinydist", "numpy": "NumPy", "torch": "PyTorch"}
"""The libraries that an epoch is computed with, and their names in tables and figures."""


def installed_libraries() -> list[str]:
    """Return the names of the libraries that are installed: all, or all but PyTorch."""
    return [library for library in LIBRARIES if importlib.util.find_spec(library) is not None]


def tinydist_epoch(name: str, x: Array | SparseMatrix, labels: Array, hidden: int = 128) -> Epoch:
    """Return an epoch by this library.

    Args:
        name: of the model, see :mod:`tinydist.models`.
        x: images, (images, pixels).
        labels: class numbers, (images,).
        hidden: hidden units.
    """
    model = build_model(name, in_features=x.shape[1], hidden=hidden)
    optimizer = SGD(model.parameters(), LR)

    def epoch() -> dict[str, Array]:
        training_step(model(x).cross_entropy(labels), optimizer)
        return {key: parameter.grad for key, parameter in model.named_parameters() if parameter.grad is not None}

    return epoch


def has_peers(spec: ModelSpec) -> bool:
    """Return whether a model is written out below in NumPy and in PyTorch."""
    return not spec.conv and spec.activation in ("ReLU", "Abs") and spec.head in ("", "2", "-L2")


def numpy_epoch(name: str, x: Array, labels: Array, hidden: int = 128) -> Epoch:
    """Return an epoch written out in NumPy, every gradient by hand; arguments as for :func:`tinydist_epoch`."""
    spec = parse_model_name(name)
    w = build_model(name, in_features=x.shape[1], hidden=hidden).state_dict()
    relu = spec.activation == "ReLU"
    rows, sign = np.arange(len(x)), -1 if spec.neg else 1

    def activate(z: Array) -> Array:
        return np.maximum(z, 0) if relu else np.abs(z)

    def slope(z: Array) -> Array:
        return z > 0 if relu else np.sign(z)

    def epoch() -> dict[str, Array]:
        z = x @ w["linear0.weight"].T + w["linear0.bias"]  # (batch, hidden)
        h = activate(z)
        if spec.prototypes:
            mu, alpha = w["offset.mu"], w["offset.alpha"]
            constant = (alpha * mu**2).sum(axis=1)
            squares = h**2 @ alpha.T - 2 * h @ (alpha * mu).T + constant  # (batch, classes)
            out = np.sqrt(np.maximum(squares, OffsetL2.FLOOR))
        else:
            out = h @ w["linear1.weight"].T + w.get("linear1.bias", 0)
        logits = sign * (activate(out) if spec.again else out)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[rows, labels] -= 1
        g = p * np.float32(sign / len(x))
        if spec.again:
            g *= slope(out)
        gradients = {}
        if spec.prototypes:
            u = np.where(squares > OffsetL2.FLOOR, g / out, 0)
            total = u.sum(axis=0)[:, None]
            uh = u.T @ h
            gradients["offset.mu"] = alpha * (mu * total - uh)
            gradients["offset.alpha"] = 0.5 * (u.T @ h**2 - 2 * mu * uh + mu**2 * total)
            gh = h * (u @ alpha) - u @ (alpha * mu)
        else:
            gradients["linear1.weight"] = g.T @ h
            if spec.bias:
                gradients["linear1.bias"] = g.sum(axis=0)
            gh = g @ w["linear1.weight"]
        gz = gh * slope(z)
        gradients["linear0.weight"] = gz.T @ x
        gradients["linear0.bias"] = gz.sum(axis=0)
        for key, gradient in gradients.items():
            w[key] -= LR * gradient
        return gradients

    return epoch


def torch_epoch(name: str, x: Array, labels: Array, threads: int, hidden: int = 128) -> Epoch:
    """Return an epoch by PyTorch, with its own layers and optimiser.

    Args:
        name, x, labels, hidden: as for :func:`tinydist_epoch`.
        threads: for PyTorch, in the whole process.
    """
    torch: Any = importlib.import_module("torch")  # optional, and slow to import
    torch.set_num_threads(threads)
    spec = parse_model_name(name)
    state = build_model(name, in_features=x.shape[1], hidden=hidden).state_dict()
    w = {key: torch.tensor(value, requires_grad=True) for key, value in state.items()}
    optimizer = torch.optim.SGD(list(w.values()), LR)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(labels)
    activate = torch.relu if spec.activation == "ReLU" else torch.abs

    def epoch() -> dict[str, Array]:
        out = activate(torch.nn.functional.linear(inputs, w["linear0.weight"], w["linear0.bias"]))
        if spec.prototypes:  # expanded into matrix products, which is the fastest way PyTorch has
            mu, alpha = w["offset.mu"], w["offset.alpha"]
            squares = out**2 @ alpha.T - 2 * out @ (alpha * mu).T + (alpha * mu**2).sum(dim=1)
            out = squares.clamp_min(OffsetL2.FLOOR).sqrt()
        else:
            out = torch.nn.functional.linear(out, w["linear1.weight"], w.get("linear1.bias"))
        if spec.again:
            out = activate(out)
        loss = torch.nn.functional.cross_entropy(-out if spec.neg else out, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {key: parameter.grad.numpy() for key, parameter in w.items()}

    return epoch
