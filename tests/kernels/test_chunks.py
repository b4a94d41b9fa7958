"""The sum of the chunks' partial sums."""

import numpy as np
import pytest

from tinydist.kernels.chunks import sum_chunks


@pytest.mark.parametrize("chunks", [1, 2, 3, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_chunk_counts_once(chunks, dtype):
    partial = np.arange(chunks * 6, dtype=dtype).reshape(chunks, 2, 3)
    np.testing.assert_array_equal(sum_chunks(partial), partial.sum(axis=0), strict=True)


def test_chunks_are_added_in_order():
    entries = [1, 2.0**53, -(2.0**53), 1]
    for ordered, total in ((entries, 1), ([1, 1, *entries[1:3]], 2)):
        assert sum_chunks(np.reshape(ordered, (4, 1, 1))).tolist() == [[total]]
