"""Seals: checksums by which a file shows that it is as it was written, and which run it belongs to.

Every JSON object that a results folder holds carries one, under ``sha256``, over all that is in it. What counts are the
values, not the text: another order of the keys, or other blanks, break no seal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"


class UnsealedError(ValueError):
    """A JSON object without a seal."""


def digest(*parts: Any) -> str:
    """Return the sha256 of values that JSON can hold, whatever the order of the keys in them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sealed(contents: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the contents of a JSON object with their seal.

    Args:
        contents: values by name.
        before: the seal of what comes before, for objects in a row, so that none can be lost or exchanged.
    """
    return {**contents, SEAL: digest(before, contents)}


def opened(text: str | bytes, before: str = "") -> dict[str, Any]:
    """Return the contents of a sealed JSON object, without the seal; arguments as for :func:`sealed`.

    Raises:
        UnsealedError: if it has no seal.
        ValueError: if the text is no JSON object, or not as it was sealed.
    """
    contents = json.loads(text)
    if not isinstance(contents, dict):
        raise ValueError(f"expected a JSON object, got {type(contents).__name__}")
    if SEAL not in contents:
        raise UnsealedError(f"its checksum {SEAL!r} is missing, as in results of versions that wrote none")
    seal = contents.pop(SEAL)
    if seal != digest(before, contents):
        raise ValueError("its contents do not have the checksum that they were written with")
    return contents
