"""Modules: functions with named parameters, and the way to chain them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinydist.errors import StateDictError
from tinydist.sparse import SparseMatrix
from tinydist.states import fitted
from tinydist.tensor import Tensor


class Module:
    """A function with parameters.

    Tensors that require gradients and are assigned as attributes are its parameters, other tensors its constants;
    modules assigned as attributes are its children. Names are joined with dots: ``linear0.weight``. A tensor may have
    several names (tied weights); it is one parameter. A module is called with a tensor, an array or a sparse matrix;
    an array counts as a constant.
    """

    def forward(self, x: Any) -> Tensor:
        """Compute the output for `x`, a tensor or a sparse matrix. Each subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(x)")

    def __call__(self, x: Tensor | SparseMatrix | ArrayLike) -> Tensor:
        return self.forward(x if isinstance(x, Tensor | SparseMatrix) else Tensor(x))

    def children(self) -> Iterator[tuple[str, Module]]:
        """Return an iterator over the modules directly inside this one, with names, in the order of definition."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def _modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all within it, each with the beginning of its tensors' full names."""
        yield prefix, self
        for name, child in self.children():
            yield from child._modules(f"{prefix}{name}.")

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all tensors with their full names, in the order of definition; one with two names comes twice."""
        for prefix, module in self._modules():
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    yield f"{prefix}{name}", value

    def _named_tensors(self) -> list[tuple[str, Tensor]]:
        """Return what :meth:`_tensors` yields.

        Raises:
            TypeError: if a list, tuple, set or dict holds a parameter that is no attribute as well, and so overlooked.
        """
        tensors = list(self._tensors())
        found = {id(tensor) for _, tensor in tensors}
        for prefix, module in self._modules():
            for name, value in vars(module).items():
                if any(id(parameter) not in found for parameter in _parameters_in(value)):
                    raise TypeError(
                        f"{type(self).__name__}.{prefix}{name} is a {type(value).__name__} with parameters that nobody "
                        "would find; make each an attribute of its own, or modules a Sequential(*modules)"
                    )
        return tensors

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all parameters with their full names, in the order of definition; each once, by its first name.

        Raises:
            TypeError: if parameters are hidden in a list or another container, and are no attributes as well.
        """
        seen = set()
        for name, tensor in self._named_tensors():
            if tensor.requires_grad and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def parameters(self) -> list[Tensor]:
        """Return all parameters, each once, in the order of definition."""
        return [parameter for _, parameter in self.named_parameters()]

    def num_parameters(self) -> int:
        """Count the numbers that all parameters hold together."""
        return sum(parameter.size for parameter in self.parameters())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of all tensors, parameters and constants, by name."""
        return {name: tensor.data.copy(order="K") for name, tensor in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Set all tensors, parameters and constants, from arrays by name, keeping each one's dtype.

        The arrays may be anything NumPy can read, such as the values of a PyTorch state dict.

        Raises:
            TypeError: if the state is no mapping.
            StateDictError: naming every entry that is missing, unknown or misshapen, holds no numbers, or differs from
                another one of the same tensor. Nothing is loaded then.
        """
        tensors = dict(self._named_tensors())
        arrays = fitted(state, {name: tensor.data for name, tensor in tensors.items()}, "model")
        first_names: dict[int, str] = {}
        for name, tensor in tensors.items():
            first = first_names.setdefault(id(tensor), name)
            if not np.array_equal(arrays[first], arrays[name], equal_nan=True):
                raise StateDictError(f"'{first}' and '{name}' are one tensor of the model, but differ in this state")
        for name, tensor in tensors.items():
            tensor.data = arrays[name]

    def describe(self) -> str:
        """Return the arguments that repr shows, without the children."""
        return ""

    def __repr__(self) -> str:
        children = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in self.children()]
        inside = "".join(f"\n{line}" for line in children) + "\n" if children else self.describe()
        return f"{type(self).__name__}({inside})"


class Sequential(Module):
    """Modules applied one after the other, under the names they are given; without names they are "0", "1" and so on.

    Raises:
        TypeError: if one of them is no module.
        ValueError: if a name is that of a method.
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        layers = {str(position): module for position, module in enumerate(modules)} | named
        for name, module in layers.items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential takes modules, got a {type(module).__name__} as {name!r}")
            if hasattr(type(self), name):
                raise ValueError(f"a layer cannot be called {name!r}, which is a method; choose another name")
        vars(self).update(layers)

    def forward(self, x: Any) -> Tensor:
        """Return the output of the last module."""
        for _, module in self.children():
            x = module(x)
        return x


def _parameters_in(value: Any) -> Iterator[Tensor]:
    """Yield the parameters in an attribute: the tensor itself, those of a module, those that a container holds."""
    if isinstance(value, Tensor):
        if value.requires_grad and value.op is None:
            yield value
    elif isinstance(value, Module):
        for _, tensor in value._tensors():
            yield from _parameters_in(tensor)
    elif isinstance(value, list | tuple | set | dict):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _parameters_in(inside)
