"""Rows that stay on disk and are read a chunk at a time, so that memory does not grow with the data.

The files are those of the downsampled ImageNet (Chrabaszcz, Loshchilov and Hutter, arXiv 1707.08819):
``train_data_batch_1.npz``, ``train_data_batch_2.npz``, … and ``val_data.npz``, each with ``data`` (images, 3 · size²),
bytes, channel by channel, and ``labels`` (images,).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.errors import DataError, ShapeError
from tinydist.files import DAMAGED_NPZ

Array = NDArray[Any]

TRAIN, TEST = "train_data_batch_*.npz", "val_data.npz"
CHUNK = 1_000
"""Number of rows that are read at a time in a pass through all of them."""
_HEADERS: dict[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class ImageFile:
    """An ``.npz`` file of images, of which only the labels are in memory.

    Attributes:
        path: the file.
        rows, columns: shape of its ``data``.
        labels: (rows,).
        crc: checksum of the images and labels, as the file states it; it is verified whenever they are read to the end.
    """

    path: Path
    rows: int
    columns: int
    labels: Array
    crc: str

    @classmethod
    def open(cls, path: Path) -> ImageFile:
        """Read the labels, and of the images only their number and size.

        Raises:
            DataError: if the file is not of this form.
        """
        try:
            with path.open("rb") as file, _read_as_npz(), zipfile.ZipFile(file) as archive:
                with archive.open("data.npy") as member:
                    shape, fortran, dtype = _header(member)
                with archive.open("labels.npy") as member:
                    labels = np.lib.format.read_array(member, allow_pickle=False)
                crc = "-".join(f"{archive.getinfo(name).CRC:08x}" for name in ("data.npy", "labels.npy"))
        except _DamageError as problem:
            raise DataError(f"{path} is damaged, or not a file of images: {problem}. {_EXPECTED}") from None
        if len(shape) != 2 or dtype != np.uint8 or fortran or labels.shape != shape[:1]:
            order = ", column by column" if fortran else ""
            raise DataError(f"{path} holds data {shape} of {dtype}{order} and labels {labels.shape}. {_EXPECTED}")
        return cls(path, *shape, labels, crc)

    def read(self, rows: int) -> Iterator[Array]:
        """Yield all images in order, at most `rows` at a time, as bytes (rows, columns).

        Raises:
            DataError: if the file turns out to be damaged.
        """
        left = self.rows
        try:
            with (
                self.path.open("rb") as file,
                _read_as_npz(),
                zipfile.ZipFile(file) as archive,
                archive.open("data.npy") as member,
            ):
                _header(member)
                while left:
                    count = min(rows, left)
                    contents = member.read(count * self.columns)
                    yield np.frombuffer(contents, dtype=np.uint8).reshape(count, self.columns)
                    left -= count
        except _DamageError as problem:
            raise DataError(
                f"{self.path} is damaged after {self.rows - left:,} of {self.rows:,} images ({problem}); fetch it again"
            ) from None


class _DamageError(Exception):
    """Damage of an open .npz file; errors of opening it, such as a lack of permission, are not."""


@contextmanager
def _read_as_npz() -> Iterator[None]:
    try:
        yield
    except DAMAGED_NPZ as problem:
        raise _DamageError(problem) from None


_EXPECTED = (
    "Expected an .npz file with 'data', bytes (images, 3 · size²) stored row by row, and 'labels' (images,), as the "
    "downsampled ImageNet has them"
)


def _header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        raise ValueError(f"unknown version {version} of the npy format; known: {', '.join(map(str, _HEADERS))}")
    return _HEADERS[version](member)


class StreamedRows:
    """Rows of bytes in files, read and scaled anew for every pass.

    Args:
        files: in the order of their rows.
        rows: use only the first so many; all by default.
        scale: turns a chunk of bytes (rows, columns) into the input of a model.
    """

    def __init__(
        self, files: Sequence[ImageFile], rows: int | None = None, scale: Callable[[Array], Array] | None = None
    ) -> None:
        self._files = list(files)
        self._scale = scale
        there = sum(file.rows for file in files)
        self.shape = (there if rows is None else rows, files[0].columns)

    ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"StreamedRows({rows} x {columns}, {len(self._files)} files)"

    def first(self, rows: int) -> StreamedRows:
        """Return only the first `rows` of these."""
        return StreamedRows(self._files, rows, self._scale)

    def scaled(self, scale: Callable[[Array], Array]) -> StreamedRows:
        """Return the same rows, each chunk passed through `scale` in place of an earlier scale."""
        return StreamedRows(self._files, len(self), scale)

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield all rows in order, `size` at a time; the last chunk may have fewer.

        Raises:
            DataError: if a file is damaged.
        """
        left, waiting = len(self), np.empty((0, self.shape[1]), dtype=np.uint8)
        for file in self._files:
            for piece in file.read(size):
                waiting = np.concatenate([waiting, piece]) if len(waiting) else piece
                while left and len(waiting) >= min(size, left):
                    chunk, waiting = waiting[: min(size, left)], waiting[min(size, left) :]
                    left -= len(chunk)
                    yield chunk if self._scale is None else self._scale(chunk)
                if not left:
                    return


def image_files(folder: Path) -> tuple[list[ImageFile], list[ImageFile]]:
    """Return the files of a folder to train on, by number, and those to test on.

    Raises:
        DataError: if one is missing or not of this form, or their images differ in size.
    """
    names = (path.name for path in folder.glob(TRAIN))
    train = [folder / name for name in files.numbered_from_1(names, TRAIN.replace("*", "{}"), folder)]
    test = [folder / TEST]
    if not test[0].is_file():
        raise DataError(f"{TEST} is missing in {folder}. Expected {TRAIN} and {TEST}")
    opened = [ImageFile.open(path) for path in (*train, *test)]
    if other := [file for file in opened if file.columns != opened[0].columns]:
        raise DataError(
            f"{other[0].path} has images of {other[0].columns} bytes, {opened[0].path.name} of {opened[0].columns}; "
            "all files of a folder must hold images of one size"
        )
    return opened[:-1], opened[-1:]


def image_shape(columns: int) -> tuple[int, int, int]:
    """Return the shape (3, size, size) of an image of so many bytes.

    Args:
        columns: bytes of the image.

    Raises:
        ShapeError: if no square image in three colours has so many.
    """
    size = round((columns / 3) ** 0.5)
    if columns != 3 * size * size:
        raise ShapeError(f"{columns} bytes are not a square image in three colours; expected 3 · size²")
    return 3, size, size
