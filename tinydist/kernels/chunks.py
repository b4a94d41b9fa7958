"""Sums over the batch: cut into a fixed number of chunks, one partial sum for each, added in order.

So the bits do not depend on the number of threads that share out the chunks. numba keeps compiled kernels by the file
that they stand in: after an edit here, remove ``tinydist/kernels/__pycache__``.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinydist.kernels.jit import kernel

Array = NDArray[Any]

CHUNKS = 64
"""Chunks of a sum over the batch."""
DISTANCE_CHUNKS = 32
"""Chunks of a sum over the batch in the gradients of a distance."""
BLOCK_CHUNKS, BLOCKS_PER_CHUNK = 16, 16
"""A sum over many blocks of a sparse matrix has chunks of at least 16 blocks and at most 16 chunks: enough to share
out, few enough that their sums cost little."""


@kernel()
def sum_chunks(partial: Array) -> Array:
    """Return the sum over the first axis of (chunks, rows, width), added in order."""
    result = partial[0].copy()
    for i in range(len(result)):
        for chunk in range(1, len(partial)):
            total, terms = result[i], partial[chunk, i]
            for j in range(len(terms)):
                total[j] += terms[j]
    return result
