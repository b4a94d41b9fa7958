"""Optimisers: how a gradient becomes a step. Parameters are updated in place."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinydist.tensor import Tensor


class Optimizer:
    """What all optimisers share: the parameters and the learning rate.

    Args:
        parameters: tensors that require gradients, such as ``model.parameters()``.
        lr: learning rate.
        weight_decay: factor of the parameter itself that is added to its gradient (an L2 penalty).

    Raises:
        ValueError: if there is nothing to optimise or a number is out of range.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters or not all(p.requires_grad for p in self.parameters):
            raise ValueError("an optimiser needs at least one parameter, and each must have requires_grad=True")
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter was given to the optimiser twice, so it would take every step twice")
        if not lr > 0 or not weight_decay >= 0:
            raise ValueError(f"need lr > 0 and weight_decay >= 0, got lr={lr}, weight_decay={weight_decay}")
        self.lr = lr
        self.weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward pass does not add to them."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        raise NotImplementedError

    def _gradient(self, parameter: Tensor) -> np.ndarray | None:
        if parameter.grad is None or not self.weight_decay:
            return parameter.grad
        return parameter.grad + self.weight_decay * parameter.data


class SGD(Optimizer):
    """Gradient descent: ``v = momentum v + gradient``, ``parameter -= lr v``.

    Args:
        momentum: share of the last step's velocity that is kept, in ``[0, 1)``.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not 0 <= momentum < 1:
            raise ValueError(f"need 0 <= momentum < 1, got {momentum}")
        self.momentum = momentum
        self._velocities = [np.zeros_like(p.data) for p in self.parameters] if momentum else []

    def step(self) -> None:
        for position, parameter in enumerate(self.parameters):
            gradient = self._gradient(parameter)
            if gradient is None:
                continue
            if self.momentum:
                velocity = self._velocities[position]
                velocity *= self.momentum
                velocity += gradient
                gradient = velocity
            parameter.data -= self.lr * gradient


class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1).

    Args:
        betas: decay rates of the running means of the gradient and of its square, in ``[0, 1)``.
        eps: added to the root of the second mean.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not all(0 <= beta < 1 for beta in betas) or not eps > 0:
            raise ValueError(f"need 0 <= beta < 1 and eps > 0, got betas={betas}, eps={eps}")
        self.betas = betas
        self.eps = eps
        self._steps = [0] * len(self.parameters)
        self._means = [np.zeros_like(p.data) for p in self.parameters]
        self._squares = [np.zeros_like(p.data) for p in self.parameters]

    def step(self) -> None:
        beta1, beta2 = self.betas
        for position, (parameter, mean, square) in enumerate(
            zip(self.parameters, self._means, self._squares, strict=True)
        ):
            gradient = self._gradient(parameter)
            if gradient is None:
                continue
            self._steps[position] += 1
            steps = self._steps[position]
            mean += (1 - beta1) * (gradient - mean)
            square += (1 - beta2) * (gradient * gradient - square)
            unbiased_mean = mean / (1 - beta1**steps)
            unbiased_square = square / (1 - beta2**steps)
            parameter.data -= self.lr * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)
