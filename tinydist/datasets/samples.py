"""Rows of numbers with labels as files hold them, and how they are scaled before a model sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.sparse import SparseMatrix

Array = NDArray[Any]

PIXEL_INPUTS = {
    "raw": "raw pixels 0 to 255, as the author's program fed them",
    "unit": "pixels divided by 255",
    "normalized": "pixels divided by 255, then mean and standard deviation normalised, as the paper describes",
}
"""The ways of feeding an image to a model, in words."""

COLUMN_INPUTS = {
    "raw": "columns as they are in the file",
    "unit": "each column from 0 to 1 over the training rows",
    "normalized": "each column minus its mean over the training rows, divided by its standard deviation there",
}
"""The ways of feeding a row of a table to a model, in words."""

INPUTS = tuple(PIXEL_INPUTS)


@dataclass(frozen=True)
class Pixels:
    """Scaling of bytes, the same for all of them.

    Attributes:
        mean, std: of the training pixels divided by 255, for the "normalized" input.
    """

    mean: float
    std: float

    def scaled(self, rows: Array, input: str) -> Array:
        """Return bytes, (rows, columns), as float32 on the scale of `input`, one of ``INPUTS``."""
        floats = rows.astype(np.float32)
        if input != "raw":
            floats /= 255
        if input == "normalized":
            floats -= self.mean
            floats /= self.std
        return floats

    def compressed(self, rows: Array, input: str) -> SparseMatrix:
        """Return bytes, (rows, columns), as a sparse matrix on the scale of `input`, one of ``INPUTS``."""
        if input == "raw":
            return SparseMatrix(rows)
        if input == "unit":
            return SparseMatrix(rows, scale=1 / 255)
        return SparseMatrix(rows, scale=1 / (255 * self.std), shift=-self.mean / self.std)


@dataclass(frozen=True)
class Columns:
    """Scaling of columns with units of their own, each by its values in the training rows.

    Attributes:
        train: the training rows, (rows, columns).
    """

    train: Array

    def scaled(self, rows: Array, input: str) -> Array:
        """Return rows, (rows, columns), as float32 on the scale of `input`, one of ``INPUTS``."""
        if input == "raw":
            return rows.astype(np.float32)
        shift, spread = self._range if input == "unit" else self._moments
        return np.asarray((rows - shift) / np.where(spread > 0, spread, 1), dtype=np.float32)

    @cached_property
    def _range(self) -> tuple[Array, Array]:
        low = self.train.min(axis=0)
        return low, self.train.max(axis=0) - low

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        return self.train.mean(axis=0), self.train.std(axis=0)


@dataclass(frozen=True)
class Samples:
    """The contents of a data set's files.

    Attributes:
        x_train, x_test: (rows, columns), bytes of images or float64 of a table.
        y_train, y_test: classes as numbers from 0, int64, (rows,).
        pixels: how the rows are scaled if they are images; None if they are not.
        image_shape: (channels, height, width) of an image, which is a row channel by channel and line by line.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    pixels: Pixels | None = None
    image_shape: tuple[int, int, int] | None = None


def class_numbers(train: Array, test: Array) -> tuple[Array, Array]:
    """Return labels of any kind as numbers from 0 in their order, int64.

    Args:
        train, test: labels, (rows,).

    Returns:
        The numbers of the training and of the test rows.

    Raises:
        ValueError: if a class occurs among the test rows only.
    """
    levels, numbers = np.unique(train, return_inverse=True)
    if unknown := sorted(set(test.tolist()) - set(levels.tolist())):
        raise ValueError(f"class {unknown[0]!r} of the test rows is missing among the training rows")
    return numbers.astype(np.int64), np.searchsorted(levels, test).astype(np.int64)
