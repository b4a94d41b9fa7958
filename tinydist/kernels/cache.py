"""numba's files of machine code, with checksums.

numba has no public way to do this. Its names that are used here may be others in another version, in which case
importing this module raises an ImportError or making a :class:`CheckedCache` an AttributeError.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile


class _CheckedFiles(IndexDataCacheFile):
    """numba's files for one function, each with a checksum at its end, which unpickling ignores."""

    def _dump(self, obj: Any) -> bytes:
        data = super()._dump(obj)
        return data + sha256(data).digest()

    def _load_index(self) -> Any:
        intact = _is_intact(self._index_path, head=pickle.dumps(self._version, protocol=-1))
        return super()._load_index() if intact else {}

    def _load_data(self, name: str) -> Any:
        if not _is_intact(self._data_path(name)):
            raise OSError(f"{name} is missing or damaged")  # then numba compiles anew, and replaces the file
        return super()._load_data(name)


def _is_intact(path: str, head: bytes = b"") -> bool:
    """Return whether a file can be read, begins with `head`, and ends with the checksum of what lies between."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return False
    size = sha256().digest_size
    return content.startswith(head) and sha256(content[len(head) : -size]).digest() == content[-size:]


class CheckedCache(FunctionCache):
    """numba's cache of one function, to which neither damaged files nor a full or locked disk are fatal.

    Args:
        function: the function.
        warn: called if its machine code cannot be written.
    """

    def __init__(self, function: Callable[..., Any], warn: Callable[[], None]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _CheckedFiles(self._cache_path, self._impl.filename_base, locator.get_source_stamp())
        self._warn = warn

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            self._warn()
