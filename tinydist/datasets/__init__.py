"""Data sets by name or path, as rows for a model: images, tables and time series.

Where the files of a data set are looked for, see :mod:`tinydist.datasets.files`; which data sets there are, see
:mod:`tinydist.datasets.registry`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets.dataset import Dataset as Dataset
from tinydist.datasets.dataset import StreamedDataset as StreamedDataset
from tinydist.datasets.options import TableOptions as TableOptions
from tinydist.datasets.options import split_name as split_name
from tinydist.datasets.options import with_options as with_options
from tinydist.datasets.registry import PATHS as PATHS
from tinydist.datasets.registry import SOURCES as SOURCES
from tinydist.datasets.registry import find_source as find_source
from tinydist.datasets.registry import is_table as is_table
from tinydist.datasets.registry import resolved as resolved
from tinydist.datasets.registry import table_parts
from tinydist.datasets.samples import INPUTS as INPUTS
from tinydist.datasets.samples import PIXEL_INPUTS, Columns, Pixels
from tinydist.datasets.stream import CHUNK
from tinydist.datasets.streamed import ImageFolder
from tinydist.errors import DataError, TrainSizeError
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]

LAYOUTS = ("auto", "dense", "sparse")
"""The ways of holding the rows in memory; "auto" takes the faster of the other two."""

SPARSE_BELOW = 0.4
"""Share of non-zero pixels up to which the sparse products are faster than the dense ones (measured: at MNIST's 0.19
they take about half as long, and their time grows in proportion to the share)."""


def load(
    name: str, input: str = "raw", train_size: int | None = None, layout: str = "dense", split: int = 0
) -> Dataset:
    """Load a data set into memory.

    Args:
        name: such as "mnist", see ``SOURCES``, or a path, see ``PATHS``; for options of a table see
            :class:`TableOptions`.
        input: "raw" (as in the file; pixels 0 to 255), "unit" (0 to 1) or "normalized" (zero mean, unit deviation).
            Pixels are scaled all alike, the columns of a table each by its values in the training rows.
        train_size: keep only the first so many training rows; all by default. The test rows all stay.
        layout: "dense" for float32 arrays, "sparse" for compressed bytes that only a first linear layer can read,
            "auto" for whichever is faster (see :func:`choose_layout`).
        split: which of the random splits into training and test rows, of a data set that has none of its own.

    Raises:
        TrainSizeError: if there are not that many training rows.
        ValueError: if a name is unknown, or rows other than bytes are to be sparse.
        DataError: if a file is damaged, or missing and cannot be downloaded; says what to do.
    """
    _check(input, layout)
    samples = find_source(name).read(split)
    size = _train_size(name, train_size, len(samples.y_train))
    x_train, x_test = samples.x_train[:size], samples.x_test
    arrange: Callable[[Array, str], Array | SparseMatrix]
    if samples.image_shape is None:
        if layout == "sparse":
            raise ValueError(f"{name} cannot be held sparse, which is for bytes of images; choose layout dense or auto")
        arrange = Columns(x_train).scaled
    else:
        pixels = samples.pixels or _pixels(np.array_split(x_train, len(x_train) // CHUNK + 1), input)
        sparse = layout == "sparse" or (layout == "auto" and choose_layout(x_train) == "sparse")
        arrange = pixels.compressed if sparse else pixels.scaled
    return Dataset(
        name=name,
        input=input,
        x_train=arrange(x_train, input),
        y_train=samples.y_train[:size],
        x_test=arrange(x_test, input),
        y_test=samples.y_test,
        classes=len(samples.class_names),
        image_shape=samples.image_shape,
        reading=samples.reading(name, size),
    )


def stream(name: str, input: str = "raw", train_size: int | None = None) -> StreamedDataset:
    """Open a folder of images that stay on disk, see :mod:`tinydist.datasets.stream`; arguments as for :func:`load`.

    Mean and deviation for the "normalized" input take a pass through the training images.

    Raises:
        TrainSizeError: if there are not that many training images.
        ValueError: if the data set is not such a folder.
        DataError: if a file is missing or damaged.
    """
    _check(input, "dense")
    folder = find_source(name)
    if not isinstance(folder, ImageFolder):
        raise ValueError(f"{name} is not a folder of images that can stay on disk; use load, which takes it to memory")
    samples = folder.open()
    size = _train_size(name, train_size, len(samples.y_train))
    x_train, x_test = samples.x_train.first(size), samples.x_test
    pixels = _pixels(x_train.chunks(CHUNK), input)
    return StreamedDataset(
        name=name,
        input=input,
        x_train=x_train.scaled(lambda chunk: pixels.scaled(chunk, input)),
        y_train=samples.y_train[:size],
        x_test=x_test.scaled(lambda chunk: pixels.scaled(chunk, input)),
        y_test=samples.y_test,
        classes=len(samples.class_names),
        image_shape=samples.image_shape,
        reading=samples.reading(name, size),
    )


def is_streamed(name: str) -> bool:
    """Return whether a data set is a folder of images that can stay on disk.

    Raises:
        ValueError, DataError: if it is unknown or missing, as in :func:`find_source`.
    """
    return isinstance(find_source(name), ImageFolder)


def choose_layout(pixels: Array) -> str:
    """Return the faster layout for these pixels.

    It is "sparse" if at most a share of ``SPARSE_BELOW`` of them is not zero, else "dense".
    """
    return "sparse" if np.count_nonzero(pixels) <= SPARSE_BELOW * pixels.size else "dense"


def rows_are(name: str) -> str:
    """Return the word for the rows of a data set: "images", or "rows" for other data and for data that are missing."""
    try:
        return "images" if find_source(name).inputs is PIXEL_INPUTS else "rows"
    except (DataError, ValueError):
        return "rows"


LONGEST = 40
"""Characters of a short name, at most."""


def short_name(name: str) -> str:
    """Return a data set's name as a part of file names: of a path its last part, with the column of a table.

    It has only letters, digits and some signs that every system takes in a name, and is never hidden or too long. A
    checksum tells long names apart, and tables that are read by other options.
    """
    if name in SOURCES:
        return name
    bare, options = split_name(name)
    last_parts = (re.split(r"[\\/]", part.rstrip("\\/"))[-1] for part in table_parts(bare))
    last = "-".join(last_parts)
    short = re.sub(r"[^\w.+=-]+", "-", last).strip("-.") or "data"
    if len(short) <= LONGEST and options == TableOptions():
        return short
    return f"{short[:LONGEST]}-{zlib.crc32(f'{last}{options}'.encode()):08x}"


def title(name: str) -> str:
    """Return a data set's name for labels: of a path without the folders above it."""
    if name in SOURCES:
        return name
    bare, _ = split_name(name)
    file, *column = table_parts(bare)
    return ":".join([Path(file).name, *column]) + unquote(name.removeprefix(bare))


def _check(input: str, layout: str) -> None:
    for what, value, known in [("input", input, INPUTS), ("layout", layout, LAYOUTS)]:
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")


def _pixels(chunks: Iterable[Array], input: str) -> Pixels:
    """Return the scaling of images by their own bytes, which only the normalized input needs."""
    return Pixels.of(chunks) if input == "normalized" else Pixels(0.0, 1.0)


def _train_size(name: str, wanted: int | None, there: int) -> int:
    if wanted is not None and not 1 <= wanted <= there:
        raise TrainSizeError(f"{name} has {there} training rows: expected 1 to {there}, got {wanted}", there)
    return there if wanted is None else wanted
