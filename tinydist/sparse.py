"""Input matrices that are mostly zero, of which only the non-zero bytes are stored."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinydist import kernels
from tinydist.arrays import as_real
from tinydist.errors import DTypeError, ShapeError

Array = NDArray[Any]


class SparseMatrix:
    """The constant matrix ``X = scale * P + shift``, where P holds bytes that are mostly zero.

    It takes the place of a dense input to a model: a first linear layer multiplies by it without ever building it.
    Scaled pixels stay sparse as well: with normalisation ``(p / 255 - mean) / std``, scale is ``1 / (255 std)`` and
    shift is ``-mean / std``, and ``X M = P (scale M) + shift 1 (1^T M)``, a sparse product plus a matrix of rank one.

    Args:
        pixels: P, uint8, (rows, columns).
        scale: factor of the pixels.
        shift: added to every scaled pixel, zeros included.

    Raises:
        DTypeError: unless the pixels are bytes.
        ShapeError: unless they are a matrix.
    """

    def __init__(self, pixels: Array, scale: float = 1.0, shift: float = 0.0) -> None:
        pixels = as_real("SparseMatrix", pixels)
        if pixels.dtype != np.uint8:
            raise DTypeError(f"SparseMatrix compresses bytes (uint8), got {pixels.dtype}")
        if pixels.ndim != 2 or 0 in pixels.shape:
            raise ShapeError(f"SparseMatrix needs a matrix (rows, columns) that is not empty, got shape {pixels.shape}")
        self.shape: tuple[int, int] = pixels.shape
        self.scale = float(scale)  # a whole number would multiply bytes in bytes, NumPy's float64 widen float32
        self.shift = float(shift)
        self._by_row = kernels.compress(pixels)
        self._by_column = kernels.compress(np.ascontiguousarray(pixels.T))

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a SparseMatrix has no {name!r}: it only serves as the input of a first linear layer; "
            "for anything else make it dense with Tensor(x.dense())"
        )

    @property
    def ndim(self) -> int:
        """Return 2, the number of axes."""
        return 2

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Return the memory taken, in bytes."""
        return self._by_row.nbytes + self._by_column.nbytes

    @property
    def density(self) -> float:
        """Return the share of the pixels that are not zero."""
        return len(self._by_row.values) / (self.shape[0] * self.shape[1])

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"SparseMatrix({rows} x {columns}, {self.density:.0%} non-zero, {self.nbytes / 1e6:.1f} MB)"

    def dense(self) -> Array:
        """Return X as a float32 array, (rows, columns)."""
        return (kernels.decompress(self._by_row) * self.scale + self.shift).astype(np.float32)

    def times(self, matrix: Array, start: Array) -> Array:
        """Return ``X M + start``, (rows, width), in the dtype of `matrix`.

        Args:
            matrix: M, float32 or float64, (columns, width).
            start: added to every row, (width,).

        Raises:
            DTypeError, ShapeError: if the matrix is another one, or the start does not fit it.
        """
        self._check_factor(matrix, self.shape[1])
        if start.shape != matrix.shape[1:]:
            raise ShapeError(f"a start of shape {start.shape} cannot be added to rows of {matrix.shape[1]}")
        constant = start + self.shift * matrix.sum(axis=0) if self.shift else start
        scaled = matrix if self.scale == 1 else matrix * self.scale
        return kernels.sparse_matmul(self._by_row, scaled, constant)

    def transposed_times(self, matrix: Array) -> Array:
        """Return ``X^T M``, (columns, width), in the dtype of `matrix`.

        Args:
            matrix: M, float32 or float64, (rows, width).

        Raises:
            DTypeError, ShapeError: if the matrix is another one.
        """
        self._check_factor(matrix, self.shape[0])
        product = kernels.sparse_matmul_summed(self._by_column, matrix)
        if self.scale != 1:
            product *= self.scale
        if self.shift:
            product += self.shift * kernels.column_sums(matrix)
        return product

    def _check_factor(self, matrix: Array, rows: int) -> None:
        """Raise unless a matrix has so many rows and a dtype that the kernels know, as they look no further."""
        if matrix.dtype not in (np.float32, np.float64):
            raise DTypeError(f"a SparseMatrix is multiplied by float32 or float64, got {matrix.dtype}")
        if matrix.ndim != 2 or len(matrix) != rows:
            raise ShapeError(
                f"a SparseMatrix of shape {self.shape} is multiplied by ({rows}, width) here, got {matrix.shape}"
            )
