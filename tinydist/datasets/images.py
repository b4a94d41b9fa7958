"""Data sets of images: MNIST and Fashion-MNIST in the IDX format, CIFAR-10 in its binary form."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.datasets.files import SourceFile
from tinydist.datasets.samples import PIXEL_INPUTS, Pixels, Samples
from tinydist.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class IdxImages:
    """Four files in the IDX format, gzipped or not.

    Attributes:
        name: of the data set.
        files: training images, training labels, test images, test labels.
        mirrors: URLs of folders that hold the files, in order of preference.
        pixels: their mean and deviation.
        installed: folder in which a system's package of the data puts them; None where there is no such package.
    """

    name: str
    files: tuple[SourceFile, SourceFile, SourceFile, SourceFile]
    mirrors: tuple[str, ...]
    pixels: Pixels
    installed: Path | None = None
    inputs = PIXEL_INPUTS
    splits = False

    def is_here(self) -> bool:
        places = files.folders(self.name, self.installed)
        return all(files.find(file, places) for file in self.files)

    def checksums(self) -> dict[str, str]:
        return {file.name: file.sha256 for file in self.files}

    def read(self, _split: int, /) -> Samples:
        places = files.folders(self.name, self.installed)
        x_train, y_train, x_test, y_test = (
            parse_idx(files.contents(self.name, file, self.mirrors, places)) for file in self.files
        )
        return Samples(
            x_train.reshape(len(x_train), -1),
            y_train.astype(np.int64),
            x_test.reshape(len(x_test), -1),
            y_test.astype(np.int64),
            self.pixels,
            (1, *x_train.shape[1:]),
        )


def gzipped(name: str, sha256: str, gz_sha256: str) -> SourceFile:
    """Return the description of a file that mirrors have gzipped.

    Args:
        name: of the file, without ``.gz``.
        sha256: of its uncompressed contents.
        gz_sha256: of the gzipped file.
    """
    return SourceFile(name, sha256, f"{name}.gz", gz_sha256)


def parse_idx(contents: bytes) -> Array:
    """Read the IDX format: two zero bytes, type 8 (unsigned byte), number of axes, sizes, then the entries.

    Returns:
        uint8, in the shape that the file states.
    """
    axes = contents[3]
    sizes = struct.unpack_from(f">{axes}I", contents, 4)
    return np.frombuffer(contents, dtype=np.uint8, offset=4 + 4 * axes).reshape(sizes)


CIFAR_PIXELS = Pixels(mean=0.4734, std=0.2516)
CIFAR_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR_TEST = "test_batch.bin"
CIFAR_SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class CifarArchive:
    """CIFAR-10 (A. Krizhevsky, 2009) in the archive of its binary form, which needs no unpickling.

    Attributes:
        name: of the data set.
        archive: the .tar.gz file.
        mirrors: URLs of folders that hold it.
    """

    name: str
    archive: SourceFile
    mirrors: tuple[str, ...]
    inputs = PIXEL_INPUTS
    splits = False

    def is_here(self) -> bool:
        return files.find(self.archive, files.folders(self.name)) is not None

    def checksums(self) -> dict[str, str]:
        return {self.archive.name: self.archive.sha256}

    def read(self, _split: int, /) -> Samples:
        whole = files.contents(self.name, self.archive, self.mirrors, files.folders(self.name))
        wanted = (*CIFAR_TRAIN, CIFAR_TEST)
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            members = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
            contents = {name: file.read() for name in wanted if (file := members.get(name))}
        return cifar_samples(contents, self.archive.name)


@dataclass(frozen=True)
class CifarFolder:
    """A folder with files in the binary form of CIFAR-10."""

    folder: Path
    inputs = PIXEL_INPUTS
    splits = False

    def is_here(self) -> bool:
        return True

    def checksums(self) -> dict[str, str]:
        return files.checksums(self._paths())

    def read(self, _split: int, /) -> Samples:
        return cifar_samples({path.name: path.read_bytes() for path in self._paths()}, str(self.folder))

    def _paths(self) -> list[Path]:
        return [path for name in (*CIFAR_TRAIN, CIFAR_TEST) if (path := self.folder / name).is_file()]


def cifar_samples(contents: Mapping[str, bytes], origin: str) -> Samples:
    """Read the files of CIFAR-10's binary form, in which an image is a byte for its class, then 3072 for its pixels.

    Args:
        contents: of the files by name; of the training files there may be fewer than five.
        origin: where they are from, for error messages.

    Raises:
        DataError: if a file is missing or damaged.
    """
    train_names = [name for name in CIFAR_TRAIN if name in contents]
    if not train_names or CIFAR_TEST not in contents:
        raise DataError(
            f"{CIFAR_TEST if train_names else CIFAR_TRAIN[0]} is missing in {origin}. Expected CIFAR-10's binary form: "
            f"one or more of {CIFAR_TRAIN[0]} to {CIFAR_TRAIN[-1]}, and {CIFAR_TEST}"
        )
    rows = {name: _cifar_rows(name, contents[name], origin) for name in (*train_names, CIFAR_TEST)}
    train, test = np.concatenate([rows[name] for name in train_names]), rows[CIFAR_TEST]
    return Samples(
        train[:, 1:],
        train[:, 0].astype(np.int64),
        test[:, 1:],
        test[:, 0].astype(np.int64),
        CIFAR_PIXELS,
        CIFAR_SHAPE,
    )


def _cifar_rows(name: str, contents: bytes, origin: str) -> Array:
    size = 1 + int(np.prod(CIFAR_SHAPE))
    if not contents or len(contents) % size:
        raise DataError(
            f"{name} in {origin} is damaged, or not of CIFAR-10's binary form: expected a whole number of images of "
            f"{size:,} bytes, got {len(contents):,} bytes. Fetch it again"
        )
    rows = np.frombuffer(contents, dtype=np.uint8).reshape(-1, size)
    if rows[:, 0].max() > 9:
        raise DataError(
            f"{name} in {origin} is damaged, or not of CIFAR-10's binary form: expected classes 0 to 9, got "
            f"{rows[:, 0].max()}. Fetch it again"
        )
    return rows
