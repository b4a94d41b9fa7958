"""Data sets as models see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinydist.datasets.reading import Reading
from tinydist.datasets.stream import StreamedRows
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class _About:
    """The properties of a data set beside its rows.

    Attributes:
        name: key of ``SOURCES``, or a path.
        input: one of ``INPUTS``.
        y_train, y_test: classes from 0, int64, (rows,).
        classes: how many there are.
        image_shape: (channels, height, width) of a row that is an image; None if it is none.
        reading: what was read, which prints as a text; None if the data set was not read from files.
    """

    name: str
    input: str
    y_train: Array
    y_test: Array
    classes: int
    image_shape: tuple[int, int, int] | None = None
    reading: Reading | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the name of each class; its number, if the data set was not read from files."""
        if self.reading is None:
            return tuple(map(str, range(self.classes)))
        return tuple(name for name, _, _ in self.reading.classes)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the name of each column of the rows, if the data are a table; empty otherwise."""
        return self.reading.inputs if self.reading else ()


@dataclass(frozen=True, kw_only=True)
class Dataset(_About):
    """Rows of numbers in memory, such as images as rows of pixels, and their classes.

    Attributes:
        x_train, x_test: (rows, columns), a float32 array or a :class:`tinydist.sparse.SparseMatrix`.
    """

    x_train: Array | SparseMatrix
    x_test: Array | SparseMatrix

    @property
    def layout(self) -> str:
        """Return how the rows are held: "dense" or "sparse"."""
        return "sparse" if isinstance(self.x_train, SparseMatrix) else "dense"


@dataclass(frozen=True, kw_only=True)
class StreamedDataset(_About):
    """Rows that stay on disk, and their classes in memory.

    Attributes:
        x_train, x_test: (rows, columns), read in chunks.
    """

    x_train: StreamedRows
    x_test: StreamedRows
    layout = "dense"

    def head(self, rows: int) -> Dataset:
        """Return the first `rows` training rows and test rows, in memory."""
        x_train, x_test = (next(x.chunks(min(rows, len(x)))) for x in (self.x_train, self.x_test))
        return Dataset(
            name=self.name,
            input=self.input,
            x_train=x_train,
            y_train=self.y_train[:rows],
            x_test=x_test,
            y_test=self.y_test[:rows],
            classes=self.classes,
            image_shape=self.image_shape,
            reading=self.reading,
        )
