"""Data sets, checked by checksum before use.

A file is looked for in ``$TINYDIST_DATA/NAME`` and ``$TINYDIST_DATA``, in the repository's ``data/NAME``, in the user's
cache and where the system's package of the data puts it, and is downloaded into the cache as a last resort. Whatever
its origin, its contents must have the known sha256.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.errors import DataError
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]

INPUTS = {
    "raw": "raw pixels 0 to 255, as the author's program fed them",
    "unit": "pixels divided by 255",
    "normalized": "pixels divided by 255, then mean and standard deviation normalised, as the paper describes",
}
"""The ways of feeding an image to a model."""

LAYOUTS = ("auto", "dense", "sparse")
"""The ways of holding the images in memory."""

SPARSE_BELOW = 0.4
"""Share of non-zero pixels up to which the sparse products are faster than the dense ones (measured: at MNIST's 0.19
they take about half as long, and their time grows in proportion to the share)."""

_REPOSITORY_DATA = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class SourceFile:
    """One gzipped IDX file.

    Attributes:
        name: file name without ``.gz``.
        sha256: of the uncompressed contents, which identifies the data however it was compressed.
        gz_sha256: of the mirrors' compressed file.
    """

    name: str
    sha256: str
    gz_sha256: str


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes:
        files: training images, training labels, test images, test labels.
        mirrors: URLs of folders that hold the files, in order of preference.
        mean, std: of the training pixels divided by 255, for the "normalized" input.
        installed: folder in which a system's package of the data puts them; None where there is no such package.
    """

    files: tuple[SourceFile, SourceFile, SourceFile, SourceFile]
    mirrors: tuple[str, ...]
    mean: float
    std: float
    installed: Path | None = None


SOURCES = {
    "mnist": Source(
        files=(
            SourceFile(
                "train-images-idx3-ubyte",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            SourceFile(
                "train-labels-idx1-ubyte",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            SourceFile(
                "t10k-images-idx3-ubyte",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            SourceFile(
                "t10k-labels-idx1-ubyte",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        mean=0.1307,
        std=0.3081,
    ),
    "fashion-mnist": Source(
        files=(
            SourceFile(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            SourceFile(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            SourceFile(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            SourceFile(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        mean=0.2860,
        std=0.3530,
        installed=Path("/usr/share/datasets/fashion-mnist"),  # Debian's package dataset-fashion-mnist
    ),
}
"""Every data set by name."""


@dataclass(frozen=True)
class Dataset:
    """Images as rows of pixels, and their labels.

    Attributes:
        name: key of ``SOURCES``.
        input: key of ``INPUTS``.
        x_train, x_test: (images, pixels), a float32 array or a :class:`tinydist.sparse.SparseMatrix`.
        y_train, y_test: int64, (images,).
    """

    name: str
    input: str
    x_train: Array | SparseMatrix
    y_train: Array
    x_test: Array | SparseMatrix
    y_test: Array

    @property
    def layout(self) -> str:
        """How the images are held: "dense" or "sparse"."""
        return "sparse" if isinstance(self.x_train, SparseMatrix) else "dense"


def load(name: str, input: str = "raw", train_size: int | None = None, layout: str = "dense") -> Dataset:
    """Load a data set by name.

    Args:
        name: "mnist" or "fashion-mnist" (Xiao et al., arXiv 1708.07747).
        input: "raw" (0 to 255), "unit" (0 to 1) or "normalized" (unit, minus the mean, over the standard deviation).
        train_size: keep only the first so many training images; all by default. The test images all stay.
        layout: "dense" for float32 arrays, "sparse" for compressed ones that only a first linear layer can read,
            "auto" for whichever is faster (see :func:`choose_layout`).

    Raises:
        ValueError: if a name is unknown, or there are not that many training images.
        DataError: if a file is damaged, or absent and cannot be downloaded; says what to do.
    """
    for what, value, known in [
        ("data set", name, tuple(SOURCES)),
        ("input", input, tuple(INPUTS)),
        ("layout", layout, LAYOUTS),
    ]:
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    source = SOURCES[name]
    x_train, y_train, x_test, y_test = (_parse_idx(_contents(name, source, file)) for file in source.files)
    if train_size is not None:
        if not 1 <= train_size <= len(x_train):
            raise ValueError(f"{name} has 1 to {len(x_train)} training images to offer, not {train_size}")
        x_train, y_train = x_train[:train_size], y_train[:train_size]
    x_train, x_test = (images.reshape(len(images), -1) for images in (x_train, x_test))
    if layout == "auto":
        layout = choose_layout(x_train)
    arrange = _sparse if layout == "sparse" else _dense
    return Dataset(
        name=name,
        input=input,
        x_train=arrange(x_train, input, source),
        y_train=y_train.astype(np.int64),
        x_test=arrange(x_test, input, source),
        y_test=y_test.astype(np.int64),
    )


def choose_layout(pixels: Array) -> str:
    """The faster layout for these pixels: "sparse" if at most ``SPARSE_BELOW`` of them are not zero, else "dense"."""
    return "sparse" if np.count_nonzero(pixels) <= SPARSE_BELOW * pixels.size else "dense"


def _dense(pixels: Array, input: str, source: Source) -> Array:
    """Bytes (images, pixels) as float32 on the chosen scale."""
    rows = pixels.astype(np.float32)
    if input != "raw":
        rows /= 255
    if input == "normalized":
        rows -= source.mean
        rows /= source.std
    return rows


def _sparse(pixels: Array, input: str, source: Source) -> SparseMatrix:
    """Bytes (images, pixels) compressed, on the chosen scale."""
    if input == "raw":
        return SparseMatrix(pixels)
    if input == "unit":
        return SparseMatrix(pixels, scale=1 / 255)
    return SparseMatrix(pixels, scale=1 / (255 * source.std), shift=-source.mean / source.std)


def _parse_idx(contents: bytes) -> Array:
    """Read the IDX format: two zero bytes, type 8 (unsigned byte), number of axes, sizes, then the entries."""
    axes = contents[3]
    sizes = struct.unpack_from(f">{axes}I", contents, 4)
    return np.frombuffer(contents, dtype=np.uint8, offset=4 + 4 * axes).reshape(sizes)


def _contents(name: str, source: Source, file: SourceFile) -> bytes:
    """The checked, uncompressed contents of one file."""
    folders = [_REPOSITORY_DATA / name, _cache() / name, *([source.installed] if source.installed else [])]
    if os.environ.get("TINYDIST_DATA"):
        chosen = Path(os.environ["TINYDIST_DATA"])
        folders = [chosen / name, chosen, *folders]
    for path in (folder / (file.name + suffix) for folder in folders for suffix in (".gz", "")):
        if path.is_file():
            return _read_checked(path, file.sha256)
    return _read_checked(_download(name, source, file, folders), file.sha256)


def _cache() -> Path:
    import pooch  # here, because only this module needs it and it would slow down every import of tinydist

    return Path(pooch.os_cache("tinydist"))


def _read_checked(path: Path, sha256: str) -> bytes:
    problem = "is damaged"
    try:
        raw = path.read_bytes()
        contents = gzip.decompress(raw) if path.suffix == ".gz" else raw
        found = hashlib.sha256(contents).hexdigest()
        if found == sha256:
            return contents
        problem = f"is not the file it should be: its contents have sha256 {found}, expected {sha256}"
    except EOFError:
        problem = "is truncated"
    except (gzip.BadGzipFile, zlib.error):
        problem = "is not a valid gzip file"
    raise DataError(
        f"{path} {problem}. Delete it and run again to download a fresh copy, or restore it "
        "(in a git checkout: git checkout -- data)"
    )


def _download(name: str, source: Source, file: SourceFile, folders: list[Path]) -> Path:
    import pooch

    failures = []
    for mirror in source.mirrors:
        try:
            fetched = pooch.retrieve(
                mirror + file.name + ".gz",
                known_hash=f"sha256:{file.gz_sha256}",
                fname=file.name + ".gz",
                path=_cache() / name,
                progressbar=True,
            )
        except (OSError, ValueError) as failure:  # no network, or a download with the wrong checksum
            failures.append(f"{mirror}: {str(failure).splitlines()[0]}")
        else:
            return Path(fetched)
    looked_in = ", ".join(str(folder) for folder in folders)
    raise DataError(
        f"{file.name}.gz is in none of {looked_in} and could not be downloaded ({'; '.join(failures)}). "
        f"Put the file into one of these folders, or set TINYDIST_DATA to the folder that holds it"
    )
