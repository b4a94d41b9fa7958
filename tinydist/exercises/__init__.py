"""Exercises, in which a learner writes functions of tinydist. Start with ``python -m tinydist.exercises``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["NotWrittenYet", "check"]

if TYPE_CHECKING:
    from tinydist.exercises.entry import check
    from tinydist.exercises.exercise import NotWrittenYet

else:  # hidden from type checkers, which would accept any name

    def __getattr__(name: str) -> object:
        """Import a public name when it is used: `check` needs all exercises, and most commands do not need it."""
        homes = {"NotWrittenYet": "exercise", "check": "entry"}
        if name not in homes:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
        return getattr(import_module(f"{__name__}.{homes[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, whether or not they have been used."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
