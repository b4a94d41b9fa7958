"""A folder of image files, whose rows can stay on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets.samples import PIXEL_INPUTS, Pixels, Samples, class_numbers
from tinydist.datasets.stream import CHUNK, StreamedRows, image_files, image_shape
from tinydist.errors import DataError, ShapeError

Array = NDArray[Any]


@dataclass(frozen=True)
class ImageFolder:
    """A folder in the form of the downsampled ImageNet, see :mod:`tinydist.datasets.stream`."""

    folder: Path
    inputs = PIXEL_INPUTS
    splits = False

    def is_here(self) -> bool:
        return True

    def checksums(self) -> dict[str, str]:
        train, test = image_files(self.folder)
        return {file.path.name: f"crc32 {file.crc}" for file in (*train, *test)}

    def read(self, _split: int, /) -> Samples:
        """Read all images into memory; :meth:`open` leaves them on disk."""
        x_train, y_train, x_test, y_test, shape = self.open()
        pixels = Pixels(*x_train.moments)
        train, test = (np.concatenate(list(rows.chunks(CHUNK))) for rows in (x_train, x_test))
        return Samples(train, y_train, test, y_test, pixels, shape)

    def open(self) -> tuple[StreamedRows, Array, StreamedRows, Array, tuple[int, int, int]]:
        """Return training images and their classes, test images and their classes, and the shape of an image.

        Raises:
            DataError: if the files are not of this form.
        """
        train, test = image_files(self.folder)
        try:
            y_train, y_test = class_numbers(*(np.concatenate([f.labels for f in part]) for part in (train, test)))
            shape = image_shape(train[0].columns)
        except (ValueError, ShapeError) as problem:
            raise DataError(f"{self.folder}: {problem}") from None
        return StreamedRows(train), y_train, StreamedRows(test), y_test, shape
