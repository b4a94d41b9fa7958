"""Reading and atomic writing of files: a crash, a full disk or Ctrl-C never leaves half a file behind."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import re
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

DAMAGED_NPZ = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, RuntimeError, OverflowError, MemoryError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""Exceptions that reading a damaged .npz file raises, once it is open: OSError if an offset in it points outside the
file, MemoryError if an array claims to be larger than any."""


MACHINE = re.sub(r"[^\w.-]", "_", platform.node())
"""The name of this machine, for the names of temporary files: others may write to the same folders."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path` to write to; it replaces `path` when the block succeeds.

    The folder is made if it is missing. The file is flushed to disk before it takes the name, so `path` is either the
    old file or the whole new one. If anything fails, the temporary file is removed and `path` is untouched; what a
    killed process has left of it is removed the next time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over, process in left_overs(path).items():
        if not _is_alive(process):
            left_over.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.{MACHINE}-{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def left_overs(path: Path) -> dict[Path, int]:
    """Return the temporary files of `path` by this machine, and the process that writes each, or was killed at it."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.{re.escape(MACHINE)}-(\d+){re.escape(path.suffix)}")
    return {found: int(match[1]) for found in path.parent.glob(".*") if (match := name.fullmatch(found.name))}


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere, asking would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder, which is removed at the end; remove what killed processes have left of theirs.

    That is their folders and, since these show that the processes were ours, what joblib made for them.
    """
    place = Path(tempfile.gettempdir())
    ours = f"tinydist-{MACHINE}-"
    for left_over in place.glob(f"{glob.escape(ours)}*"):
        process = left_over.name.removeprefix(ours).split("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(left_over, ignore_errors=True)
            for folder in (place, Path("/dev/shm")):
                for of_joblib in folder.glob(f"joblib_memmapping_folder_{process}_*"):
                    shutil.rmtree(of_joblib, ignore_errors=True)
                for semaphore in folder.glob(f"sem.loky-{process}-*"):
                    with contextlib.suppress(OSError):
                        semaphore.unlink()
    with tempfile.TemporaryDirectory(prefix=f"{ours}{os.getpid()}-") as name:
        yield Path(name)


def check_replaceable(path: Path) -> None:
    """Check that a file may be written at `path`, before the work for it is done.

    Raises:
        FileExistsError: if there is something already; says what to do.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already, and would be lost. Delete it, or name another file")


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by a file of `text` in UTF-8, in which bytes of a file's name that are no text are spelt out."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def read_bytes(path: Path) -> bytes:
    """Return the contents of a file.

    Raises:
        PermissionError: if it may not be read; says what to do.
        OSError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except PermissionError:
        raise unreadable(path) from None


def unreadable(path: Path) -> PermissionError:
    """Return the error that a file or folder may not be read."""
    return PermissionError(
        f"{path} cannot be read: permission denied. Give yourself the permission (on Linux and macOS: chmod -R u+rwX "
        f"{path}), or ask the owner"
    )
