"""Files of data sets: found, fetched and checked by checksum before use.

A file is looked for in ``$TINYDIST_DATA/NAME`` and ``$TINYDIST_DATA``, in the repository's ``data/NAME``, in the user's
cache and where the system's package of the data puts it, and is downloaded into the cache as a last resort. Whatever
its origin, its contents must have the known sha256.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinydist.errors import DataError

REPOSITORY_DATA = Path(__file__).resolve().parent.parent.parent / "data"


@dataclass(frozen=True)
class SourceFile:
    """A file of known contents.

    Attributes:
        name: file name; of a file that is also found gzipped, without ``.gz``.
        sha256: of the contents, not compressed by gzip, which identify the data however they were compressed.
        fetched: name of the mirrors' file, where they have it compressed; otherwise the same name.
        fetched_sha256: of the mirrors' file.
    """

    name: str
    sha256: str
    fetched: str
    fetched_sha256: str


def folders(name: str, installed: Path | None = None) -> list[Path]:
    """Return the folders in which the files of a data set are looked for, in this order.

    Args:
        name: of the data set.
        installed: where a package of the system puts them.
    """
    found = [REPOSITORY_DATA / name, cache() / name, *([installed] if installed else [])]
    if os.environ.get("TINYDIST_DATA"):
        chosen = Path(os.environ["TINYDIST_DATA"])
        found = [chosen / name, chosen, *found]
    return found


def find(file: SourceFile, places: Sequence[Path]) -> Path | None:
    """Return the path of the file in the first of the folders that has it, gzipped or not; None if none has it."""
    paths = (folder / (file.name + suffix) for folder in places for suffix in (".gz", ""))
    return next((path for path in paths if path.is_file()), None)


def contents(dataset: str, file: SourceFile, mirrors: Sequence[str], places: Sequence[Path]) -> bytes:
    """Return the checked, uncompressed contents of a file, fetched from a mirror if it is in none of the folders.

    Args:
        dataset: name of the data set; downloads are kept in a folder of this name.
        file: which file.
        mirrors: URLs of folders that hold it, in order of preference.
        places: folders to look in first.

    Raises:
        DataError: if it is damaged, or missing and cannot be downloaded; says what to do.
    """
    return read_checked(find(file, places) or _download(dataset, file, mirrors, places), file.sha256)


def cache() -> Path:
    """Return the folder for downloads."""
    import pooch  # here, because only downloads need it and it would slow down every import of tinydist

    return Path(pooch.os_cache("tinydist"))


def read_checked(path: Path, sha256: str) -> bytes:
    """Return the uncompressed contents of a file, which may be gzipped; a .tar.gz file is left as it is.

    Raises:
        DataError: if they do not have this checksum.
    """
    try:
        raw = path.read_bytes()
        whole = gzip.decompress(raw) if path.suffix == ".gz" and not path.name.endswith(".tar.gz") else raw
        found = hashlib.sha256(whole).hexdigest()
        if found == sha256:
            return whole
        problem = f"expected contents with sha256 {sha256}, got {found}; or it is a good file of another data set"
    except EOFError:
        problem = "it ends too early"
    except (gzip.BadGzipFile, zlib.error):
        problem = "it is not a valid gzip file"
    raise DataError(f"{path} is damaged: {problem}. {_remedy(path)}")


def _remedy(path: Path) -> str:
    """Return what to do about a file that is not what it should be; only a download may be deleted."""
    chosen = os.environ.get("TINYDIST_DATA")
    if path.is_relative_to(cache()) and not (chosen and path.is_relative_to(chosen)):
        return "Delete it and run again to download a fresh copy"
    if path.is_relative_to(REPOSITORY_DATA):
        return "Restore it (in a git checkout: git checkout -- data)"
    return "Put the right file there, or let TINYDIST_DATA be the folder that holds it"


def _download(dataset: str, file: SourceFile, mirrors: Sequence[str], places: Sequence[Path]) -> Path:
    import pooch

    failures = []
    for mirror in mirrors:
        try:
            fetched = pooch.retrieve(
                mirror + file.fetched,
                known_hash=f"sha256:{file.fetched_sha256}",
                fname=file.fetched,
                path=cache() / dataset,
                progressbar=True,
            )
        except (OSError, ValueError) as failure:  # no network, or a download with the wrong checksum
            failures.append(f"{mirror}: {str(failure).splitlines()[0]}")
        else:
            return Path(fetched)
    looked_in = ", ".join(str(folder) for folder in places)
    raise DataError(
        f"{file.fetched} is missing: it is in none of {looked_in} and could not be downloaded ({'; '.join(failures)}). "
        f"Put the file into one of these folders, or set TINYDIST_DATA to the folder that holds it"
    )


def checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Return the sha256 of files as they are now, by name; missing files are left out."""
    stamps = [(path, path.stat()) for path in paths if path.is_file()]
    return {path.name: _checksum(path, stamp.st_mtime_ns, stamp.st_size) for path, stamp in stamps}


class NamedByPath:
    """Base class of the sources that a user names by a path: all their files have to be here, whatever is in them."""

    def _paths(self) -> list[Path]:
        """Return the paths of the files."""
        raise NotImplementedError

    def is_here(self) -> bool:
        """Return whether all files are there."""
        return all(path.is_file() for path in self._paths())

    def checksums(self) -> dict[str, str]:
        """Return the sha256 of the files as they are now, by name."""
        return checksums(self._paths())


@functools.lru_cache(maxsize=64)
def _checksum(path: Path, modified: int, size: int) -> str:  # noqa: ARG001 (kept until the file changes)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unzipped(path: Path) -> bytes:
    """Return the contents of a file, which may be gzipped.

    Raises:
        DataError: if it is damaged.
    """
    contents = path.read_bytes()
    if path.suffix != ".gz":
        return contents
    try:
        return gzip.decompress(contents)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DataError(f"{path} is damaged: {problem}. Fetch it again, or write it anew") from None


def numbered_from_1(names: Iterable[str], pattern: str, folder: Path | str) -> list[str]:
    """Return the names of files that are numbered from 1, in their order.

    Args:
        names: of the files.
        pattern: of their names, with {} for the number.
        folder: where they are, for error messages.

    Raises:
        DataError: if one is missing, or has a name that is not of this pattern.
    """
    there = set(names)
    wanted = [pattern.format(number) for number in range(1, max(len(there), 1) + 1)]
    if missing := [name for name in wanted if name not in there]:
        others = f"; there are {', '.join(sorted(there))}" if there else ""
        raise DataError(f"{missing[0]} is missing in {folder}{others}. Expected files numbered from 1, without a gap")
    return wanted
