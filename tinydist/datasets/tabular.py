"""Tables: scikit-learn's, and any CSV file with a column of classes.

None of them says which rows to test on. So the rows are split at random, 70% to train on and 30% to test on, each with
its share of every class; the split is chosen by a number, which is the seed of a run.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.datasets.samples import COLUMN_INPUTS, Samples, class_numbers
from tinydist.errors import DataError

Array = NDArray[Any]
Table = tuple[Array, Array]  # columns (rows, columns) in float64, and labels (rows,)

TEST_SHARE = 0.3
MOST_LEVELS = 100
"""Number of different words in a column of a CSV file, at most: each becomes a column of its own."""
SCIKIT_LEARN = "needs scikit-learn. Install it with: pip install 'tinydist[studies]'"


@dataclass(frozen=True)
class SklearnTable:
    """A table that comes with scikit-learn, or that it has fetched before.

    Attributes:
        name: of the data set.
        loader: name of the function in ``sklearn.datasets``.
        sha256: of the columns as little-endian float64, row by row, then the labels as int64; None if it is not known.
        fetched: whether the data are not part of the package; then the loader takes ``download_if_missing``.
    """

    name: str
    loader: str
    sha256: str | None
    fetched: bool = False
    inputs = COLUMN_INPUTS
    splits = True

    def is_here(self) -> bool:
        try:
            self._table()
        except DataError:
            return False
        return True

    def checksums(self) -> dict[str, str]:
        return {self.name: self.sha256 or self._table()[1]}

    def read(self, split: int, /) -> Samples:
        table, sha256 = self._table()
        if self.sha256 not in (None, sha256):
            raise DataError(
                f"{self.name} of this version of scikit-learn is damaged, or another data set: expected sha256 "
                f"{self.sha256}, got {sha256}. Install scikit-learn anew"
            )
        return split_samples(table, split, self.name)

    def _table(self) -> tuple[Table, str]:
        return _sklearn_table(self.loader, self.fetched)


@lru_cache(maxsize=4)
def _sklearn_table(loader: str, fetched: bool) -> tuple[Table, str]:
    """Return the table and its checksum."""
    try:
        from sklearn import datasets as sklearn_datasets
    except ImportError as problem:
        raise DataError(f"the data set of sklearn.datasets.{loader} {SCIKIT_LEARN} ({problem})") from None
    load: Callable[..., Any] = getattr(sklearn_datasets, loader)
    try:
        bunch = load(download_if_missing=False) if fetched else load()
    except OSError as problem:
        raise DataError(
            f"this data set is missing in scikit-learn's data home {sklearn_datasets.get_data_home()} ({problem}). "
            f"Fetch it once, on a machine with a network: python -c 'from sklearn.datasets import {loader}; {loader}()'"
        ) from None
    columns = np.ascontiguousarray(bunch.data, dtype="<f8")
    labels, _ = class_numbers(bunch.target, bunch.target[:0])
    digest = hashlib.sha256(columns.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return (columns, labels), digest.hexdigest()


@dataclass(frozen=True)
class CsvTable:
    """A CSV file with a heading line; one column holds the classes.

    Columns of numbers are taken as they are; a column of words becomes one column for each word, 1 where it is there
    and 0 elsewhere.

    Attributes:
        path: the file, UTF-8, comma-separated.
        target: heading of the column of classes.
    """

    path: Path
    target: str
    inputs = COLUMN_INPUTS
    splits = True

    def is_here(self) -> bool:
        return self.path.is_file()

    def checksums(self) -> dict[str, str]:
        return files.checksums([self.path])

    def read(self, split: int, /) -> Samples:
        return split_samples(self._table(), split, str(self.path))

    def _table(self) -> Table:
        headings, rows = self._lines()
        if self.target not in headings:
            raise DataError(f"column {self.target!r} is missing in {self.path}; its columns are {', '.join(headings)}")
        at = headings.index(self.target)
        columns = {
            heading: [row[number] for row in rows] for number, heading in enumerate(headings) if heading != self.target
        }
        if not columns:
            raise DataError(f"{self.path} has only the column {self.target!r}; expected others to learn it from")
        values = np.concatenate([self._numbers(heading, words) for heading, words in columns.items()], axis=1)
        return values, self._classes([row[at] for row in rows])

    def _lines(self) -> tuple[list[str], list[list[str]]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line]
        except (UnicodeDecodeError, csv.Error) as problem:
            raise DataError(f"{self.path} is not a CSV file in UTF-8: {problem}") from None
        if len(lines) < 2:
            raise DataError(f"{self.path} has {len(lines)} lines; expected headings and rows")
        headings, *rows = lines
        if len(set(headings)) < len(headings):
            raise DataError(f"{self.path} has the same heading twice: {', '.join(headings)}")
        for number, row in enumerate(rows, start=2):
            if len(row) != len(headings) or "" in row:
                found = f"{len(row)} cells" if len(row) != len(headings) else f"{headings[row.index('')]!r} missing"
                raise DataError(
                    f"{self.path}, row {number} has {found}; expected {len(headings)} cells, none of them empty. Fill "
                    "in what is missing, or leave the row out"
                )
        return headings, rows

    def _numbers(self, heading: str, words: list[str]) -> Array:
        try:
            numbers = np.array(words, dtype=np.float64)
        except ValueError:
            levels, which = np.unique(words, return_inverse=True)
            if len(levels) > MOST_LEVELS:
                raise DataError(
                    f"{self.path}: column {heading!r} has {len(levels):,} different words, such as {levels[0]!r}; "
                    f"at most {MOST_LEVELS} can become columns of their own. Leave the column out"
                ) from None
            return np.eye(len(levels))[which]
        if not np.isfinite(numbers).all():
            number = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise DataError(f"{self.path}, row {number + 2}: {heading!r} is {words[number]}; expected a finite number")
        return numbers[:, None]

    def _classes(self, words: list[str]) -> Array:
        try:
            labels, _ = class_numbers(np.array(words, dtype=np.float64), np.empty(0))
        except ValueError:
            labels, _ = class_numbers(np.array(words), np.empty(0, dtype=str))
        if (classes := labels.max() + 1) > len(words) / 2:
            raise DataError(
                f"{self.path}: column {self.target!r} has {classes:,} different values in {len(words):,} rows; "
                "expected classes, each with several rows. Cut a measured quantity into classes first"
            )
        return labels


def split_samples(table: Table, split: int, origin: str) -> Samples:
    """Split the rows of a table into training and test rows, both with their share of every class.

    Args:
        table: columns and labels.
        split: which of the random splits.
        origin: where the table is from, for error messages.

    Raises:
        DataError: if a class is too small for that, or scikit-learn is not installed.
    """
    try:
        from sklearn.model_selection import train_test_split
    except ImportError as problem:
        raise DataError(f"splitting a table {SCIKIT_LEARN} ({problem})") from None
    x, y = table
    try:
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=split, stratify=y)
    except ValueError as problem:
        raise DataError(f"the rows of {origin} cannot be split into training and test rows: {problem}") from None
    return Samples(x_train, y_train, x_test, y_test)
