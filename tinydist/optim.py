"""Optimisers, which turn gradients into steps. Parameters are updated in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import StateDictError
from tinydist.tensor import Tensor


class Optimizer:
    """Base class of the optimisers, which holds the parameters and the learning rate.

    Args:
        parameters: tensors that require gradients, such as ``model.parameters()``.
        lr: learning rate.
        weight_decay: factor of the parameter itself that is added to its gradient (an L2 penalty).
        lr_factors: a factor of the learning rate for each parameter; all 1 by default.

    Raises:
        ValueError: if there is nothing to optimise, a parameter is given twice or a number is out of range.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float, lr_factors: Sequence[float] | None = None
    ) -> None:
        self.parameters = list(parameters)
        if not self.parameters or not all(p.requires_grad for p in self.parameters):
            raise ValueError("an optimiser needs at least one parameter, and each must have requires_grad=True")
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter was given to the optimiser twice, so it would take every step twice")
        if not lr > 0 or not weight_decay >= 0:
            raise ValueError(f"need lr > 0 and weight_decay >= 0, got lr={lr}, weight_decay={weight_decay}")
        factors = [1.0] * len(self.parameters) if lr_factors is None else list(lr_factors)
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
        """Update every parameter that has a gradient."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays that the optimiser keeps from step to step, by name; empty if it keeps none."""
        return {name: array.copy() for name, array in self._memory().items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Take over the state of another optimiser of the same kind, settings and parameters.

        Args:
            state: the result of its :meth:`state_dict`.

        Raises:
            StateDictError: naming every missing, unexpected or misshapen entry. Nothing is loaded then.
        """
        memory = self._memory()
        arrays = {name: np.asarray(value) for name, value in state.items()}
        problems = [f"'{name}' is missing" for name in memory.keys() - arrays.keys()]
        problems += [f"'{name}' is unknown to this optimiser" for name in arrays.keys() - memory.keys()]
        problems += [
            f"'{name}' has shape {arrays[name].shape}, the optimiser needs {memory[name].shape}"
            for name in memory.keys() & arrays.keys()
            if arrays[name].shape != memory[name].shape
        ]
        if problems:
            raise StateDictError(
                f"this state does not fit the optimiser: {'; '.join(sorted(problems))}. "
                f"The optimiser's arrays are {', '.join(memory) or 'none'}"
            )
        for name, array in memory.items():
            array[...] = arrays[name]

    def _memory(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that live from step to step, by name."""
        return {}

    def _gradient(self, parameter: Tensor) -> np.ndarray | None:
        if parameter.grad is None or not self.weight_decay:
            return parameter.grad
        return parameter.grad + self.weight_decay * parameter.data


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
        if not all(0 <= beta < 1 for beta in betas) or not eps > 0:
            raise ValueError(f"need 0 <= beta < 1 and eps > 0, got betas={betas}, eps={eps}")
        self.betas = betas
        self.eps = eps
        self._steps = np.zeros(len(self.parameters), dtype=np.int64)
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
            steps = int(self._steps[position])
            mean += (1 - beta1) * (gradient - mean)
            square += (1 - beta2) * (gradient * gradient - square)
            unbiased_mean = mean / (1 - beta1**steps)
            unbiased_square = square / (1 - beta2**steps)
            rate = self.lr * self._lr_factors[position]
            parameter.data -= rate * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)

    def _memory(self) -> dict[str, NDArray[Any]]:
        means = {f"mean{position}": mean for position, mean in enumerate(self._means)}
        squares = {f"square{position}": square for position, square in enumerate(self._squares)}
        return {"steps": self._steps, **means, **squares}
