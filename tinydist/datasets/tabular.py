"""Tables: scikit-learn's, and any text file with a column of classes.

Unless the user names a file of rows to test on, the rows are split at random, 70% to train on and 30% to test on, each
with its share of every class; the split is chosen by a number, which is the seed of a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.datasets.options import TableOptions
from tinydist.datasets.reading import LEFT_OUT, NUMBERS, Column, listed
from tinydist.datasets.samples import COLUMN_INPUTS, Samples, class_numbers
from tinydist.datasets.text_table import Table, read_table
from tinydist.errors import DataError

Array = NDArray[Any]

SklearnContents = tuple[Array, Array, tuple[Column, ...], tuple[str, ...], str]

TEST_SHARE = 0.3
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
        return {self.name: self.sha256 or self._table()[-1]}

    def read(self, split: int, /) -> Samples:
        x, labels, columns, class_names, sha256 = self._table()
        if self.sha256 not in (None, sha256):
            raise DataError(
                f"{self.name} of this version of scikit-learn is damaged, or another data set: expected sha256 "
                f"{self.sha256}, got {sha256}. Install scikit-learn anew"
            )
        return split_samples(Table(x, labels, columns, ()), split, self.name, class_names)

    def _table(self) -> SklearnContents:
        return _sklearn_table(self.loader, self.fetched)


@lru_cache(maxsize=4)
def _sklearn_table(loader: str, fetched: bool) -> SklearnContents:
    """Return the columns, the classes as numbers, what the columns are, the names of the classes, and the checksum."""
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
    labels, _, numbers = class_numbers(bunch.target, bunch.target[:0])
    digest = hashlib.sha256(columns.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    names = tuple(map(str, bunch.target_names))
    what = tuple(Column(str(name), NUMBERS) for name in bunch.feature_names)
    return columns, labels, what, names if len(names) == len(numbers) else numbers, digest.hexdigest()


@dataclass(frozen=True)
class TextTable(files.NamedByPath):
    """A file such as CSV with headings; one column holds the classes.

    Columns of numbers are taken as they are; a column of words becomes one column for each word, 1 where it is there
    and 0 elsewhere.

    Attributes:
        path: the file.
        target: heading of the column of classes.
        options: how it is read.
    """

    path: Path
    target: str
    options: TableOptions
    inputs = COLUMN_INPUTS

    @property
    def splits(self) -> bool:
        return not self.options.test

    def read(self, split: int, /) -> Samples:
        table = read_table(self.path, self.target, self.options)
        if self.options.test:
            return self._with_test_file(table, self._paths()[1])
        return split_samples(table, split, str(self.path))

    def _paths(self) -> list[Path]:
        return [self.path, *([Path(self.options.test)] if self.options.test else [])]

    def _with_test_file(self, train: Table, path: Path) -> Samples:
        if not path.is_file():
            raise DataError(
                f"the test file {path} is missing; check the path, which is taken as that of {self.path} is"
            )
        test = read_table(path, self.target, self.options, to_test_on=True)
        try:
            y_train, y_test, class_names = class_numbers(train.y, test.y)
        except ValueError as problem:
            raise DataError(f"{path}: {problem}, those of {self.path}") from None
        return Samples(
            x_train=train.x,
            y_train=y_train,
            x_test=_arranged_as(train, test, path),
            y_test=y_test,
            class_names=class_names,
            split=f"those to test on are in {path}",
            columns=train.columns,
            notes=(*train.notes, *(f"{path.name}: {note[0].lower()}{note[1:]}" for note in test.notes)),
        )


def _arranged_as(train: Table, test: Table, path: Path) -> Array:
    """Return the rows to test on with the columns of the training rows.

    Raises:
        DataError: if columns are missing or unknown, or differ in what they hold.
    """
    here, there = ({c.name: c for c in table.columns if c.kind != LEFT_OUT} for table in (train, test))
    if here.keys() != there.keys():
        missing, unknown = (listed(sorted(names)) for names in (here.keys() - there.keys(), there.keys() - here.keys()))
        found = "; ".join(f"{what} {names}" for what, names in (("missing", missing), ("unknown", unknown)) if names)
        raise DataError(
            f"the columns of {path} differ from those to train on: {found}. Give both files the same columns"
        )
    for column in here.values():
        other = there[column.name]
        if column.kind != other.kind:
            raise DataError(f"column {column.name!r} holds {column.kind} to train on, and {other.kind} in {path}")
        if new := sorted(set(other.words) - set(column.words)):
            raise DataError(f"column {column.name!r} of {path} holds {new[0]!r}, which no row to train on has")
    places = {name: place for place, name in enumerate(name for column in there.values() for name in column.inputs)}
    inputs = [name for column in here.values() for name in column.inputs]
    absent = np.zeros(len(test.x))  # a word that no row to test on has
    return np.stack([test.x[:, places[name]] if name in places else absent for name in inputs], axis=1)


def split_samples(table: Table, split: int, origin: str, class_names: tuple[str, ...] | None = None) -> Samples:
    """Split the rows of a table into training and test rows, both with their share of every class.

    Args:
        table: columns and classes.
        split: which of the random splits.
        origin: where the table is from, for error messages.
        class_names: if the classes are numbers from 0, their names.

    Raises:
        DataError: if a class is too small for that, or scikit-learn is not installed.
    """
    try:
        from sklearn.model_selection import train_test_split
    except ImportError as problem:
        raise DataError(f"splitting a table {SCIKIT_LEARN} ({problem})") from None
    y, _, names = class_numbers(table.y, table.y[:0])
    try:
        x_train, x_test, y_train, y_test = train_test_split(
            table.x, y, test_size=TEST_SHARE, random_state=split, stratify=y
        )
    except ValueError as problem:
        raise DataError(f"the rows of {origin} cannot be split into training and test rows: {problem}") from None
    return Samples(
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        class_names=class_names or names,
        split=f"drawn at random by the seed, {TEST_SHARE:.0%} of each class to test on",
        columns=table.columns,
        notes=table.notes,
    )
