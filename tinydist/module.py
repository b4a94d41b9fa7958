"""Modules: functions with named parameters, and the way to chain them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import StateDictError
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor


class Module:
    """A function with parameters.

    Tensors that require gradients and are assigned as attributes are its parameters; modules assigned as
    attributes are its children. Names are joined with dots: ``linear0.weight``. A module is called with a tensor, an
    array or a sparse matrix; an array counts as a constant.
    """

    def forward(self, x: Any) -> Tensor:
        """Compute the output for `x`, a tensor or a sparse matrix. Each subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(x)")

    def __call__(self, x: Tensor | SparseMatrix | ArrayLike) -> Tensor:
        return self.forward(x if isinstance(x, Tensor | SparseMatrix) else Tensor(x))

    def children(self) -> Iterator[tuple[str, Module]]:
        """Return an iterator over the modules directly inside this one, with names, in the order of definition."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all parameters with their full names, in the order of definition."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and value.requires_grad:
                yield name, value
        for child_name, child in self.children():
            for name, parameter in child.named_parameters():
                yield f"{child_name}.{name}", parameter

    def parameters(self) -> list[Tensor]:
        """Return all parameters, in the order of definition."""
        return [parameter for _, parameter in self.named_parameters()]

    def num_parameters(self) -> int:
        """Count the numbers that all parameters hold together."""
        return sum(parameter.size for parameter in self.parameters())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of all parameters by name."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Set all parameters from arrays by name, keeping each parameter's dtype.

        The arrays may be anything NumPy can read, such as the values of a PyTorch state dict.

        Raises:
            StateDictError: naming every missing, unexpected or misshapen entry. Nothing is loaded then.
        """
        parameters = dict(self.named_parameters())
        arrays = {name: np.asarray(value) for name, value in state.items()}
        problems = [f"'{name}' is missing" for name in parameters.keys() - arrays.keys()]
        problems += [f"'{name}' is not a parameter of this model" for name in arrays.keys() - parameters.keys()]
        problems += [
            f"'{name}' has shape {arrays[name].shape}, the model needs {parameters[name].shape}"
            for name in parameters.keys() & arrays.keys()
            if arrays[name].shape != parameters[name].shape
        ]
        if problems:
            raise StateDictError(
                f"these weights do not fit the model: {'; '.join(sorted(problems))}. "
                f"The model's parameters are {', '.join(parameters)}"
            )
        converted = {name: arrays[name].astype(parameter.dtype) for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            parameter.data = converted[name]

    def describe(self) -> str:
        """Return the arguments that repr shows, without the children."""
        return ""

    def __repr__(self) -> str:
        children = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in self.children()]
        inside = "".join(f"\n{line}" for line in children) + "\n" if children else self.describe()
        return f"{type(self).__name__}({inside})"


class Sequential(Module):
    """Modules applied one after the other, under the names they are given."""

    def __init__(self, **modules: Module) -> None:
        vars(self).update(modules)

    def forward(self, x: Any) -> Tensor:
        """Return the output of the last module."""
        for _, module in self.children():
            x = module(x)
        return x
