"""Rows of numbers with labels as files hold them, and how they are scaled before a model sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets.reading import Column, Reading, count_classes
from tinydist.errors import DataError
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


ROUNDING = 8 * np.finfo(np.float64).eps
"""Largest difference between values, as a share of the larger one, that rounding may have made."""

OWN_SPLIT = "the data set says which rows are to test on"


@dataclass(frozen=True)
class Pixels:
    """Scaling of bytes, the same for all of them.

    Attributes:
        mean, std: of the training pixels divided by 255, for the "normalized" input.
    """

    mean: float
    std: float

    @classmethod
    def of(cls, chunks: Iterable[Array]) -> Pixels:
        """Return the scaling by the mean and deviation of all bytes in some arrays."""
        counts = sum((np.bincount(chunk.ravel(), minlength=256) for chunk in chunks), np.zeros(256, np.int64))
        values, total = np.arange(256) / 255, int(counts.sum())
        mean = float(counts @ values) / total
        return cls(mean, float(np.sqrt(counts @ (values - mean) ** 2 / total)) or 1.0)

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
        """Return rows, (rows, columns), as float32 on the scale of `input`, one of ``INPUTS``.

        Missing values, NaN, become the mean of their column. Unless the input is raw, a column that never changes in
        the training rows, within rounding, becomes 0: whatever it is in other rows, nothing was learnt from it.
        """
        rows, train = self._filled(rows), self._filled(self.train)
        if input == "raw":
            self._check_digits(train)
            return rows.astype(np.float32)
        low, high = train.min(axis=0), train.max(axis=0)
        shift, spread = (low, high - low) if input == "unit" else (train.mean(axis=0), train.std(axis=0))
        constant = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
        scaled = (rows - shift) / np.where(constant, 1, spread)
        return np.asarray(np.where(constant, 0, scaled), dtype=np.float32)

    def _check_digits(self, train: Array) -> None:
        """Raise if a column changes by less than a hundred of the steps that float32 has between its numbers."""
        largest = np.abs(train).max(axis=0).astype(np.float32)
        steps = largest - np.nextafter(largest, np.float32(0))
        change = train.max(axis=0) - train.min(axis=0)
        if lost := np.flatnonzero((change > 0) & (change < 100 * steps)).tolist():
            raise DataError(
                f"column {lost[0] + 1} of the input changes by {change[lost[0]]:g} only, beside {train[0, lost[0]]:g}: "
                "float32 leaves little of that. Choose the input normalized, which takes the mean away before"
            )

    def _filled(self, rows: Array) -> Array:
        gone = np.isnan(rows)
        if not gone.any():
            return rows
        if empty := np.flatnonzero(np.isnan(self.train).all(axis=0)).tolist():
            raise DataError(
                f"column {empty[0] + 1} of the input has no value in any of the {len(self.train):,} training rows, so "
                "there is no mean to fill in. Leave it out, or use more rows"
            )
        return np.where(gone, np.nanmean(self.train, axis=0), rows)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The contents of a data set's files.

    Attributes:
        x_train, x_test: (rows, columns), bytes of images or float64 of a table, NaN where a value is missing that is
            to be filled in; of images that stay on disk a :class:`tinydist.datasets.stream.StreamedRows`.
        y_train, y_test: classes as numbers from 0, int64, (rows,).
        class_names: of class 0, 1, …
        rows: the word for a row, in the plural.
        split: how the rows to test on were chosen, in words.
        columns: of a table; those left out among them.
        notes: what else a user has to know about the data, in words.
        pixels: how the rows are scaled if they are images; by their own mean and deviation if None.
        image_shape: (channels, height, width) of an image, which is a row channel by channel and line by line; None
            if the rows are no images.
    """

    x_train: Any
    y_train: Array
    x_test: Any
    y_test: Array
    class_names: tuple[str, ...]
    rows: str = "rows"
    split: str = OWN_SPLIT
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    pixels: Pixels | None = None
    image_shape: tuple[int, int, int] | None = None

    def reading(self, name: str, used: int) -> Reading:
        """Return what was read.

        Args:
            name: of the data set.
            used: how many of the training rows are used, the first ones.
        """
        return Reading(
            name=name,
            rows=self.rows,
            used=used,
            there=len(self.y_train),
            test=len(self.y_test),
            split=self.split,
            classes=count_classes(self.class_names, self.y_train[:used], self.y_test),
            columns=self.columns,
            notes=self.notes,
        )


def class_numbers(train: Array, test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Return labels of any kind as numbers from 0 in their order, int64; words that are all numbers in that of numbers.

    Args:
        train, test: labels, (rows,).

    Returns:
        The numbers of the training and of the test rows, and the name of each class.

    Raises:
        ValueError: if there is one class only, or a class occurs among the test rows only, or they are measurements.
    """
    levels = sorted(set(train.tolist()))
    try:
        levels = sorted(levels, key=lambda level: (float(level), level))
        fractions = [level for level in levels if not float(level).is_integer()]
    except ValueError:  # they are words
        fractions = []
    if fractions and len(levels) > 10:
        raise ValueError(
            f"targets are measurements, not classes: {len(levels):,} different numbers such as {fractions[0]}. Cut "
            "them into classes first"
        )
    places = {level: place for place, level in enumerate(levels)}
    if unknown := sorted(set(test.tolist()) - places.keys()):
        raise ValueError(f"class {unknown[0]!r} of the test rows is missing among the training rows")
    if len(levels) < 2:
        raise ValueError(f"there is one class, {str(levels[0])!r}, in all training rows; expected two or more")
    y_train, y_test = (
        np.array([places[level] for level in labels.tolist()], dtype=np.int64) for labels in (train, test)
    )
    return y_train, y_test, tuple(map(str, levels))
