"""Snapshots of arrays, by which the backward pass notices that one was changed after it was used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Snapshot = tuple[int, bytes]

WHOLE = 65_536
"""Size in bytes up to which a snapshot holds all of an array."""

SAMPLE = 2_048
"""About how many entries, evenly spaced, it holds of a larger one; a change of others goes unnoticed."""


def snapshot(array: Array) -> Snapshot:
    """Return the identity of an array and the bytes of its entries, which differ once entries are changed or moved.

    Args:
        array: any shape and memory layout. Beyond :data:`WHOLE` bytes a sample of the entries stands for all.
    """
    if array.nbytes <= WHOLE:
        return id(array), array.tobytes()
    entries = array.ravel("K") if array.flags.forc else array.flat
    return id(array), entries[:: _spacing(array.size)].tobytes()


@lru_cache
def _spacing(size: int) -> int:
    """Return the distance from one sampled entry to the next: one that leaves out no row and no column for long."""
    return next(spacing for spacing in count(size // SAMPLE) if math.gcd(spacing, size) == 1)


def first_changed(arrays: Sequence[Array], before: Sequence[Snapshot], known: dict[int, Snapshot]) -> int | None:
    """Return the position of the first array that differs from its earlier snapshot, None if none does.

    Args:
        arrays: as they are at present.
        before: their earlier snapshots.
        known: present snapshots by the arrays' id, so that each array is read once; those still missing are added.
    """
    for position, (array, earlier) in enumerate(zip(arrays, before, strict=True)):
        present = known.get(id(array))
        if present is None:
            present = known[id(array)] = snapshot(array)
        if present != earlier:
            return position
    return None
