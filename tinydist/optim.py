"""Optimisers, which turn gradients into steps. Parameters are updated in place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import BackwardError, DivergedError, ShapeError
from tinydist.states import fitted
from tinydist.tensor import Tensor


class Optimizer:
    """Base class of the optimisers, which holds the parameters and the learning rate.

    Args:
        parameters: tensors that require gradients, such as ``model.parameters()``.
        lr: learning rate.
        weight_decay: factor of the parameter itself that is added to its gradient (an L2 penalty).
        lr_factors: a factor of the learning rate for each parameter; all 1 by default.

    Raises:
        TypeError: if the parameters are no tensors, or a setting is no number.
        ValueError: if there is nothing to optimise, a tensor is no leaf, is frozen, cannot be written to or is given
            twice, or a number is out of range.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float, lr_factors: Sequence[float] | None = None
    ) -> None:
        self.parameters = _parameters(parameters)
        factors = [1.0] * len(self.parameters) if lr_factors is None else list(lr_factors)
        _check_numbers(lr=lr, weight_decay=weight_decay, **{f"lr_factors[{i}]": f for i, f in enumerate(factors)})
        if not lr > 0 or not weight_decay >= 0:
            raise ValueError(f"need lr > 0 and weight_decay >= 0, got lr={lr}, weight_decay={weight_decay}")
        if len(factors) != len(self.parameters) or not all(factor > 0 for factor in factors):
            raise ValueError(f"need a positive lr_factor for each of {len(self.parameters)} parameters, got {factors}")
        self.lr = lr
        self.weight_decay = weight_decay
        self._lr_factors = factors

    def zero_grad(self) -> None:
        """Set all gradients to None, so that the next backward pass does not add to them."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient; others, and frozen ones, stay where they are.

        Raises:
            BackwardError: if no parameter has a gradient.
            ShapeError: if a gradient has another shape than its parameter.
            DivergedError: if a gradient is not finite.
            ValueError: if ``lr`` was set below 0. No parameter has moved if one of these is raised.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def _check_step(self) -> None:
        """Raise the errors of :meth:`step`, before anything is moved."""
        _check_numbers(lr=self.lr)
        if self.lr < 0:
            raise ValueError(f"need lr >= 0 in a step, got lr={self.lr}")
        _check_some_gradient(self.parameters)
        for position, parameter in enumerate(self.parameters):
            if parameter.requires_grad:
                _check_gradient(position, parameter)

    def _gradient(self, parameter: Tensor) -> NDArray[Any] | None:
        """Return the gradient to follow, with that of the weight decay; None for a parameter that stays."""
        if parameter.grad is None or not parameter.requires_grad:
            return None
        return parameter.grad + self.weight_decay * parameter.data if self.weight_decay else parameter.grad

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays that the optimiser keeps from step to step, by name; empty if it keeps none."""
        return {name: array.copy() for name, array in self._memory().items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Take over the state of another optimiser of the same kind, settings and parameters.

        Args:
            state: the result of its :meth:`state_dict`.

        Raises:
            StateDictError: naming every entry that is missing, unknown or misshapen, or holds what no step leaves
                there, such as NaN. Nothing is loaded then.
        """
        memory = self._memory()
        not_negative = self._not_negative()

        def problem_of(name: str, array: NDArray[Any]) -> str | None:
            if not np.isfinite(array).all():
                return "has numbers that are not finite"
            return "has numbers below 0" if name in not_negative and np.any(array < 0) else None

        arrays = fitted(state, memory, "optimiser", problem_of)
        for name, array in memory.items():
            array[...] = arrays[name]

    def _memory(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that live from step to step, by name."""
        return {}

    def _not_negative(self) -> set[str]:
        """Return the names of those arrays whose entries cannot be below 0."""
        return set()


def _tensors(given: Iterable[Tensor], taker: str) -> list[Tensor]:
    """Return the parameters given to `taker` as a list, after a check that they are tensors, and at least one."""
    if isinstance(given, Tensor):
        raise TypeError(f"{taker} takes a list of parameters, got a single Tensor; write [tensor]")
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{taker} takes a list of parameters, got a {type(given).__name__}; "
            "those of a module are module.parameters()"
        )
    parameters = list(given)
    if not parameters:
        raise ValueError(
            f"{taker} needs at least one parameter, got none; an iterator gives its parameters only once, "
            "model.parameters() is a list"
        )
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"parameter {i} is a {type(parameter).__name__}, expected a Tensor; "
                "write model.parameters(), which gives them without their names"
            )
    return parameters


def _parameters(given: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors that an optimiser is to move, after a check."""
    parameters = _tensors(given, "an optimiser")
    for i, parameter in enumerate(parameters):
        if parameter.op is not None:
            raise ValueError(
                f"parameter {i}, of shape {parameter.shape}, was computed by '{parameter.op}'; a step would be lost "
                "with the next forward pass. Give the leaves that it was computed from"
            )
        if parameter.dtype.kind != "f":
            raise ValueError(
                f"parameter {i} holds {parameter.dtype}; only floating-point numbers can follow a gradient"
            )
        if not parameter.requires_grad:
            raise ValueError(
                f"parameter {i}, of shape {parameter.shape}, has requires_grad=False and never gets a gradient; "
                "leave it out, or set its requires_grad to True"
            )
        if not parameter.data.flags.writeable:
            raise ValueError(f"the data of parameter {i}, of shape {parameter.shape}, are read-only; give it a copy")
    if len({id(p) for p in parameters}) < len(parameters):
        raise ValueError("a parameter was given to the optimiser twice, so it would take every step twice")
    return parameters


def _check_numbers(**settings: Any) -> None:
    """Raise unless each setting is a number, and finite."""
    for name, value in settings.items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {name}={value}")


def _check_some_gradient(parameters: Sequence[Tensor]) -> None:
    if all(parameter.grad is None for parameter in parameters):
        raise BackwardError("no parameter has a gradient; call backward() on a loss computed from them first")


def _check_gradient(position: int, parameter: Tensor) -> None:
    """Raise a ShapeError or DivergedError if a parameter has a gradient that cannot be followed."""
    gradient = parameter.grad
    if gradient is None:
        return
    if np.shape(gradient) != parameter.shape:
        raise ShapeError(
            f"the gradient of parameter {position} has shape {np.shape(gradient)}, expected {parameter.shape}, the "
            "parameter's own"
        )
    entries = np.ravel(gradient, order="K")
    if not math.isfinite(np.vdot(entries, entries)) and not np.isfinite(gradient).all():
        raise DivergedError(
            f"the gradient of parameter {position}, of shape {parameter.shape}, is not finite; a smaller lr may help"
        )


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients by one factor so that their common norm is at most `max_norm` (arXiv 1211.5063).

    Args:
        parameters: tensors, such as ``model.parameters()``, after a backward pass; those without gradients count 0,
            and one that is given twice counts once.
        max_norm: the largest Euclidean norm of all gradients together, taken as one vector; above 0.

    Returns:
        That norm as it was before.

    Raises:
        TypeError: if a parameter is no tensor or `max_norm` no number.
        ValueError: if `max_norm` is not above 0, or there is no parameter.
        BackwardError, ShapeError, DivergedError: as :meth:`Optimizer.step`.
    """
    if not isinstance(max_norm, Real):
        raise TypeError(f"max_norm must be a number, got {max_norm!r}")
    if not max_norm > 0:
        raise ValueError(f"need max_norm > 0, got {max_norm!r}")
    parameters = _tensors(parameters, "clip_gradients")
    _check_some_gradient(parameters)
    for position, parameter in enumerate(parameters):
        _check_gradient(position, parameter)
    once = {id(parameter): parameter for parameter in parameters}.values()
    gradients = [(parameter, parameter.grad.astype(float)) for parameter in once if parameter.grad is not None]
    largest = max(float(np.abs(gradient).max(initial=0)) for _, gradient in gradients) or 1.0  # lest squares overflow
    norm = largest * math.hypot(*(float(np.linalg.norm(gradient / largest)) for _, gradient in gradients))
    if norm > max_norm:
        for parameter, gradient in gradients:
            parameter.grad = (gradient * (max_norm / norm)).astype(parameter.dtype)
    return norm


class SGD(Optimizer):
    """Gradient descent: ``v = momentum v + gradient``, ``parameter -= lr v``.

    Args:
        parameters, lr, weight_decay, lr_factors: see :class:`Optimizer`.
        momentum: share of the last step's velocity that is kept, in ``[0, 1)``.

    Raises:
        ValueError: as :class:`Optimizer`, and if `momentum` is out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        lr_factors: Sequence[float] | None = None,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, lr_factors)
        _check_numbers(momentum=momentum)
        if not 0 <= momentum < 1:
            raise ValueError(f"need 0 <= momentum < 1, got {momentum}")
        self.momentum = momentum
        self._velocities = [np.zeros_like(p.data) for p in self.parameters] if momentum else []

    def step(self) -> None:
        """Take a step, see :meth:`Optimizer.step`."""
        self._check_step()
        for position, parameter in enumerate(self.parameters):
            gradient = self._gradient(parameter)
            if gradient is None:
                continue
            if self.momentum:
                velocity = self._velocities[position]
                velocity *= self.momentum
                velocity += gradient
                gradient = velocity
            parameter.data -= self.lr * self._lr_factors[position] * gradient

    def _memory(self) -> dict[str, NDArray[Any]]:
        return {f"velocity{position}": velocity for position, velocity in enumerate(self._velocities)}


class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1).

    Args:
        parameters, lr, weight_decay, lr_factors: see :class:`Optimizer`.
        betas: decay rates of the running means of the gradient and of its square, in ``[0, 1)``.
        eps: added to the root of the second mean; positive.

    Raises:
        ValueError: as :class:`Optimizer`, and if `betas` or `eps` is out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        lr_factors: Sequence[float] | None = None,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, lr_factors)
        if not isinstance(betas, Sequence) or len(betas) != 2:
            raise ValueError(f"need two betas, for the mean and for the mean of squares, got betas={betas!r}")
        _check_numbers(eps=eps, **{f"betas[{i}]": beta for i, beta in enumerate(betas)})
        if not all(0 <= beta < 1 for beta in betas) or not eps > 0:
            raise ValueError(f"need 0 <= beta < 1 and eps > 0, got betas={betas}, eps={eps}")
        self.betas = betas
        self.eps = eps
        self._steps = np.zeros(len(self.parameters), dtype=np.int64)
        self._means = [np.zeros_like(p.data) for p in self.parameters]
        self._squares = [np.zeros_like(p.data) for p in self.parameters]

    def step(self) -> None:
        """Take a step, see :meth:`Optimizer.step`; a gradient whose square is too large raises a DivergedError, too."""
        self._check_step()
        gradients = [self._gradient(parameter) for parameter in self.parameters]
        _check_squares(gradients, self._squares)
        beta1, beta2 = self.betas
        for position, (parameter, gradient, mean, square) in enumerate(
            zip(self.parameters, gradients, self._means, self._squares, strict=True)
        ):
            if gradient is None:
                continue
            self._steps[position] += 1
            steps = int(self._steps[position])
            mean += (1 - beta1) * (gradient - mean)
            square += (1 - beta2) * (gradient * gradient - square)
            unbiased_mean = mean / (1 - beta1**steps)
            unbiased_square = square / (1 - beta2**steps)
            rate = self.lr * self._lr_factors[position]
            self._decay(parameter, rate)
            parameter.data -= rate * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)

    def _decay(self, parameter: Tensor, rate: float) -> None:
        """Shrink a parameter before its step: not here, where the decay is a part of the gradient."""

    def _memory(self) -> dict[str, NDArray[Any]]:
        means = {f"mean{position}": mean for position, mean in enumerate(self._means)}
        squares = {f"square{position}": square for position, square in enumerate(self._squares)}
        return {"steps": self._steps, **means, **squares}

    def _not_negative(self) -> set[str]:
        return {"steps", *(f"square{position}" for position in range(len(self._squares)))}


def _check_squares(gradients: Sequence[NDArray[Any] | None], squares: Sequence[NDArray[Any]]) -> None:
    """Raise a DivergedError if the square of a gradient is beyond the dtype of the mean that takes it."""
    for position, (gradient, square) in enumerate(zip(gradients, squares, strict=True)):
        if gradient is None:
            continue
        largest = float(np.abs(gradient).max(initial=0))
        if not largest < math.sqrt(np.finfo(square.dtype).max):
            raise DivergedError(
                f"the gradient of parameter {position}, of shape {gradient.shape}, is up to {largest:.3g} in size, and "
                f"its square is beyond {square.dtype}; clip_gradients or a smaller lr may help"
            )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, as PyTorch writes it).

    Before each step ``parameter -= lr weight_decay parameter``; the decay takes no part in the means.

    Args:
        parameters, lr, betas, eps, lr_factors: see :class:`Adam`.
        weight_decay: share of the parameter, in units of the learning rate, by which it shrinks in each step.

    Raises:
        TypeError, ValueError: as :class:`Adam`.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        lr_factors: Sequence[float] | None = None,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, lr_factors)

    def _gradient(self, parameter: Tensor) -> NDArray[Any] | None:
        return parameter.grad if parameter.requires_grad else None

    def _decay(self, parameter: Tensor, rate: float) -> None:
        parameter.data *= 1 - rate * self.weight_decay
