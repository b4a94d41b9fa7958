"""The errors tinydist raises, each named for its cause.

Every one also derives from the built-in exception a Python user would expect (``ValueError``,
``TypeError``, ``RuntimeError``), so existing ``except`` clauses keep working.
"""

from __future__ import annotations


class ShapeError(ValueError):
    """Arrays whose shapes do not fit the operation."""


class DTypeError(TypeError):
    """Arrays whose number type does not fit the operation."""


class BackwardError(RuntimeError):
    """A backward pass that cannot be run as asked."""


class GraphFreedError(BackwardError):
    """A backward pass through a graph that an earlier backward pass has already freed."""


class GradientCheckError(AssertionError):
    """A gradient rule that disagrees with finite differences."""


class ModelNameError(ValueError):
    """A model name outside the grammar of :mod:`tinydist.models`."""


class StateDictError(ValueError):
    """Weights that do not fit the model they are loaded into, or a state that does not fit the optimiser."""


class DataError(RuntimeError):
    """A data file that is missing or damaged."""


class TrainSizeError(ValueError):
    """More training rows asked for than a data set has.

    Attributes:
        there: how many the data set has.
    """

    def __init__(self, message: str, there: int) -> None:
        super().__init__(message)
        self.there = there


class BudgetError(ValueError):
    """A time limit too short for the work to be done in it."""


class DivergedError(ArithmeticError):
    """A training run whose loss or gradient is no longer a finite number."""


class NotFiniteError(ArithmeticError):
    """An op that made a NaN or an infinity."""
