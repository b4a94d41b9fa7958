"""A folder of image files, whose rows can stay on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinydist.datasets.samples import PIXEL_INPUTS, Samples, class_numbers
from tinydist.datasets.stream import CHUNK, StreamedRows, image_files, image_shape
from tinydist.errors import DataError, ShapeError


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
        opened = self.open()
        train, test = (np.concatenate(list(rows.chunks(CHUNK))) for rows in (opened.x_train, opened.x_test))
        return replace(opened, x_train=train, x_test=test)

    def open(self) -> Samples:
        """Return the contents of the files with :class:`StreamedRows` in place of arrays of images.

        Raises:
            DataError: if the files are not of this form.
        """
        train, test = image_files(self.folder)
        try:
            shape = image_shape(train[0].columns)
            y_train, y_test, names = class_numbers(
                *(np.concatenate([file.labels for file in part]) for part in (train, test))
            )
        except (ValueError, ShapeError) as problem:
            raise DataError(f"{self.folder}: {problem}") from None
        return Samples(
            x_train=StreamedRows(train),
            y_train=y_train,
            x_test=StreamedRows(test),
            y_test=y_test,
            class_names=names,
            rows="images",
            image_shape=shape,
        )
