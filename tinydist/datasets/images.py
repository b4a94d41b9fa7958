"""Data sets of images: MNIST and others in the IDX format, CIFAR-10 and others in its binary form."""

from __future__ import annotations

import io
import math
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import files
from tinydist.datasets.files import SourceFile
from tinydist.datasets.samples import PIXEL_INPUTS, Pixels, Samples, class_numbers
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
        class_names: of class 0, 1, …; their numbers if empty.
        installed: folder in which a system's package of the data puts them; None where there is no such package.
    """

    name: str
    files: tuple[SourceFile, SourceFile, SourceFile, SourceFile]
    mirrors: tuple[str, ...]
    pixels: Pixels
    class_names: tuple[str, ...] = ()
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
            parse_idx(files.contents(self.name, file, self.mirrors, places), file.name) for file in self.files
        )
        return Samples(
            x_train=x_train.reshape(len(x_train), -1),
            y_train=y_train.astype(np.int64),
            x_test=x_test.reshape(len(x_test), -1),
            y_test=y_test.astype(np.int64),
            class_names=self.class_names or tuple(map(str, range(y_train.max() + 1))),
            rows="images",
            pixels=self.pixels,
            image_shape=(1, *x_train.shape[1:]),
        )


def gzipped(name: str, sha256: str, gz_sha256: str) -> SourceFile:
    """Return the description of a file that mirrors have gzipped.

    Args:
        name: of the file, without ``.gz``.
        sha256: of its uncompressed contents.
        gz_sha256: of the gzipped file.
    """
    return SourceFile(name, sha256, f"{name}.gz", gz_sha256)


def parse_idx(contents: bytes, origin: Path | str) -> Array:
    """Read the IDX format: two zero bytes, type 8 (unsigned byte), number of axes, sizes, then the entries.

    Args:
        contents: of the file.
        origin: its name, for error messages.

    Returns:
        uint8, in the shape that the file states.

    Raises:
        DataError: if the contents are not of this format.
    """
    axes = int.from_bytes(contents[3:4])
    if contents[:3] != b"\0\0\x08" or len(contents) < 4 + 4 * axes:
        raise DataError(
            f"{origin} is damaged, or not an IDX file of bytes: expected it to begin with 00 00 08, got "
            f"{contents[:3].hex(' ') or 'nothing'}. Fetch it again"
        )
    sizes = struct.unpack_from(f">{axes}I", contents, 4)
    expected, found = math.prod(sizes), len(contents) - 4 - 4 * axes
    if expected != found:
        raise DataError(
            f"{origin} is damaged: expected {expected:,} bytes after its header, as sizes {sizes} say, got {found:,}. "
            "Fetch it again"
        )
    return np.frombuffer(contents, dtype=np.uint8, offset=4 + 4 * axes).reshape(sizes)


IDX_IMAGES = "*train-images?idx3-ubyte*"
"""Name of the file of training images in a folder of IDX files; the names of the others follow from it."""


@dataclass(frozen=True)
class IdxFolder(files.NamedByPath):
    """Four files in the IDX format that the user names by their folder, such as those of EMNIST or KMNIST.

    Attributes:
        train_images: the file of training images, whose name has "train-images-idx3-ubyte" in it.
    """

    train_images: Path
    inputs = PIXEL_INPUTS
    splits = False

    def read(self, _split: int, /) -> Samples:
        parts = []
        for path in self._paths():
            if not path.is_file():
                raise DataError(f"{path} is missing; expected images and labels, to train on and to test on, beside it")
            parts.append(parse_idx(files.unzipped(path), path))
        x_train, labels_train, x_test, labels_test = parts
        for x, labels in ((x_train, labels_train), (x_test, labels_test)):
            if x.ndim != 3 or labels.shape != x.shape[:1] or x.shape[1:] != x_train.shape[1:]:
                raise DataError(
                    f"the files beside {self.train_images} do not go together: expected images (number, height, width) "
                    f"of one size and as many labels, got images {x.shape} and labels {labels.shape}"
                )
        try:
            y_train, y_test, names = class_numbers(labels_train, labels_test)
        except ValueError as problem:
            raise DataError(f"{self.train_images}: {problem}") from None
        return Samples(
            x_train=x_train.reshape(len(x_train), -1),
            y_train=y_train,
            x_test=x_test.reshape(len(x_test), -1),
            y_test=y_test,
            class_names=names,
            rows="images",
            image_shape=(1, *x_train.shape[1:]),
        )

    def _paths(self) -> list[Path]:
        """Return the files: training images, training labels, test images, test labels."""
        name = self.train_images.name
        tests = (name.replace("train-images", part) for part in ("t10k-images", "test-images"))
        found = [self.train_images.with_name(test) for test in tests]
        images = [self.train_images, next((path for path in found if path.is_file()), found[0])]
        return [
            path.with_name(path.name.replace("-images", part).replace("idx3", dimensions))
            for path in images
            for part, dimensions in (("-images", "idx3"), ("-labels", "idx1"))
        ]


CIFAR_PIXELS = Pixels(mean=0.4734, std=0.2516)
CIFAR_TRAIN, CIFAR_TEST = "data_batch_{}.bin", "test_batch.bin"
CIFAR_SHAPE = (3, 32, 32)
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


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
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            members = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
            contents = {name: file.read() for name, file in members.items() if file and name.endswith(".bin")}
        samples = cifar_samples(contents, self.archive.name)
        return replace(samples, class_names=CIFAR_CLASSES[: len(samples.class_names)], pixels=CIFAR_PIXELS)


@dataclass(frozen=True)
class CifarFolder(files.NamedByPath):
    """A folder with files in the binary form of CIFAR-10, which may hold other pictures."""

    folder: Path
    inputs = PIXEL_INPUTS
    splits = False

    def read(self, _split: int, /) -> Samples:
        return cifar_samples({path.name: path.read_bytes() for path in self._paths()}, str(self.folder))

    def _paths(self) -> list[Path]:
        return [*self.folder.glob(CIFAR_TRAIN.format("*")), *self.folder.glob(CIFAR_TEST)]


def cifar_samples(contents: Mapping[str, bytes], origin: str) -> Samples:
    """Read the files of CIFAR-10's binary form, in which an image is a byte for its class, then 3072 for its pixels.

    Args:
        contents: of the files by name; the training files are numbered from 1.
        origin: where they are from, for error messages.

    Raises:
        DataError: if a file is missing or damaged.
    """
    batches = files.numbered_from_1([name for name in contents if name != CIFAR_TEST], CIFAR_TRAIN, origin)
    if CIFAR_TEST not in contents:
        raise DataError(
            f"{CIFAR_TEST} is missing in {origin}. Expected CIFAR-10's binary form: {CIFAR_TRAIN.format(1)} and so on, "
            f"and {CIFAR_TEST}"
        )
    rows = {name: _cifar_rows(name, contents[name], origin) for name in (*batches, CIFAR_TEST)}
    train, test = np.concatenate([rows[name] for name in batches]), rows[CIFAR_TEST]
    y_train, y_test = (part[:, 0].astype(np.int64) for part in (train, test))
    return Samples(
        x_train=train[:, 1:],
        y_train=y_train,
        x_test=test[:, 1:],
        y_test=y_test,
        class_names=tuple(map(str, range(max(y_train.max(), y_test.max()) + 1))),
        rows="images",
        image_shape=CIFAR_SHAPE,
    )


def _cifar_rows(name: str, contents: bytes, origin: str) -> Array:
    size = 1 + math.prod(CIFAR_SHAPE)
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
