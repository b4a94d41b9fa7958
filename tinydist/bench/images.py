"""The images of the benchmarks: the first of MNIST and, to go beyond its 60,000, shifted copies of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist import datasets
from tinydist.sparse import SparseMatrix

Array = NDArray[Any]


def load_images(train_size: int, copies: int = 1, layout: str = "auto") -> tuple[Array | SparseMatrix, Array]:
    """Return raw training images and their labels.

    Args:
        train_size: the first so many images of MNIST.
        copies: how often each of them occurs; with more than one the images are synthetic, see :func:`shifted_copies`.
        layout: "dense", "sparse" or "auto", as in :func:`tinydist.datasets.load`.

    Returns:
        Images, (copies * train_size, pixels), and labels, int64, (copies * train_size,).

    Raises:
        ValueError: if MNIST does not have that many images.
        DataError: if a file is damaged, or missing and cannot be downloaded.
    """
    if copies == 1:
        data = datasets.load("mnist", train_size=train_size, layout=layout)
        return data.x_train, data.y_train
    data = datasets.load("mnist", train_size=train_size)
    pixels = shifted_copies(np.asarray(data.x_train, dtype=np.uint8), copies)
    labels = np.tile(data.y_train, copies)
    sparse = layout == "sparse" or (layout == "auto" and datasets.choose_layout(pixels) == "sparse")
    return SparseMatrix(pixels) if sparse else pixels.astype(np.float32), labels


def shifted_copies(images: Array, copies: int) -> Array:
    """Return copies of the images, each shifted one pixel further to the right, so that no copy equals another.

    The pixels that leave a row enter the next one (and the last row's pixels enter the first), so every copy has as
    many non-zeros as the original.

    Args:
        images: (images, pixels).
        copies: how many; the first is not shifted.

    Returns:
        (copies * images, pixels).
    """
    count, width = images.shape
    result = np.empty((copies * count, width), images.dtype)
    for shift in range(copies):
        result[shift * count : (shift + 1) * count] = np.roll(images, shift, axis=1)
    return result
