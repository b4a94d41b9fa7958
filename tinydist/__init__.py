"""tinydist: see how gradients make a network choose distance or intensity.

A NumPy autograd engine small enough to read, the layers and models of "Neural Networks Learn Distance Metrics"
(arXiv 2502.02103), and ``python -m tinydist.reproduce`` to rerun the paper on MNIST.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "apply",
    "build_model",
    "concatenate",
    "datasets",
    "errors",
    "gradcheck",
    "nn",
    "no_grad",
    "optim",
    "stack",
    "trace",
    "where",
]

_HOMES = {
    "Tensor": "tensor",
    "apply": "tensor",
    "build_model": "models",
    "concatenate": "tensor",
    "gradcheck": "gradcheck",
    "no_grad": "recording",
    "stack": "tensor",
    "where": "tensor",
}
"""The module that each public class or function is in."""

if TYPE_CHECKING:
    from tinydist import datasets, errors, nn, optim, trace
    from tinydist.gradcheck import gradcheck
    from tinydist.models import build_model
    from tinydist.recording import no_grad
    from tinydist.tensor import Tensor, apply, concatenate, stack, where

else:  # hidden from type checkers, which would accept any name

    def __getattr__(name: str) -> object:
        """Import a public name or a module when it is first used: commands that only print need no NumPy."""
        if name in _HOMES:
            globals()[name] = value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
            return value
        if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
            return import_module(f"{__name__}.{name}")
        words = f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(words, name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    """List the public names, whether or not they have been used."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


class _Package(ModuleType):
    """The class of this package, in which the function gradcheck goes before the module of the same name.

    The import of a module binds its name in the package, whoever imports it and whenever.
    """

    def __setattr__(self, name: str, value: object) -> None:
        hides = name in _HOMES and isinstance(value, ModuleType)
        super().__setattr__(name, getattr(value, name) if hides else value)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name, as cloudpickle does with plain modules: a function sent to a process may use this one."""
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package
