"""A judgement in a process of its own: whatever an answer does there, the other exercises go on."""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from tinydist.exercises.exercise import Exercise, ExerciseError, shown
from tinydist.exercises.judgement import Judgement
from tinydist.files import temporary_folder

SECONDS = 20.0
"""Time that an answer may take in all its cases together; numba's compiler needs some of it."""

MEMORY = 2**31
"""Bytes of address space that an answer may ask for, on Linux."""

THREADS = 4
"""Threads of numba at most: the stack of each takes part of the memory."""

STARTING = 120.0
"""Seconds that the process may need to import what it needs, and to compile kernels that the cases call."""

LINES, MOST_KEPT, MOST_LINES = 10, 2_000, 100_000
"""Number of lines and of characters of what an answer prints that are shown, and of lines that it may print."""

StatusAndMessage = tuple[Any, str]
"""The parts of a judgement that one process hands to the other."""

PROCESSES: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    PROCESSES.set_forkserver_preload(["tinydist.exercises.judge"])  # once, instead of once for each answer


_inside = False


def is_inside() -> bool:
    """Return whether this process is here to judge an answer. A check that the file itself calls rests meanwhile."""
    return _inside


def judge_apart(exercise: Exercise, path: Path, seconds: float = SECONDS) -> Judgement:
    """Check the answer in the learner's file `path` in a process of its own, and return the judgement.

    Args:
        exercise: whose answer to judge.
        path: the learner's file.
        seconds: the time after which the answer is stopped.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() and os.access(path, os.R_OK) else ""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    with temporary_folder() as folder:
        stack = folder / "stack"
        process = PROCESSES.Process(target=_work, args=(exercise, path, seconds, stack, theirs), daemon=True)
        with by_itself():
            process.start()
        theirs.close()
        try:
            end = _wait(ours, seconds)
        finally:
            _stop(process)
            ours.close()
        if isinstance(end, str):
            line = _innermost(path, text, stack)
            return Judgement(exercise, "wrong", _fate(exercise, path, end, process.exitcode, seconds, line))
        return Judgement(exercise, *end)


def _wait(connection: Connection, seconds: float) -> StatusAndMessage | str:
    """Return what the process sends, or the name of its end if it sends nothing."""
    try:
        if not connection.poll(STARTING):
            return "never began"
        connection.recv()  # it has imported what it needs: the time of the answer begins
    except EOFError:
        return "never began"
    try:
        if not connection.poll(seconds + 1):
            return "running"
        judged: StatusAndMessage = connection.recv()
    except EOFError:
        return "ended"
    return judged


def _stop(process: Any) -> None:
    """End the process, if it is still running, and all processes that it has started."""
    if sys.platform == "win32":
        process.kill()
    else:
        process.join(0.1)  # so that a fatal signal of its own is not hidden by ours
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _fate(exercise: Exercise, path: Path, end: str, code: int | None, seconds: float, line: str) -> str:
    """Return in words what became of an answer that was not judged."""
    name, place = exercise.name, shown(path)
    if end == "never began":
        return f"{name} in {place} could not be judged: no process could be started for it. Try again."
    if end == "running":
        return f"{name} in {place} was stopped: after {seconds:g} seconds it had not come to an end.{line}"
    if code is not None and code < 0:
        cause = signal.Signals(-code).name
        return (
            f"{name} in {place} crashed Python ({cause}). A compiled loop that writes outside its array does that, or "
            "very deep recursion, or too much memory."
        )
    return (
        f"{name} in {place} ended Python itself, with exit status {code}, before it could be judged. Does it call "
        "os._exit? Take that out."
    )


def _innermost(path: Path, text: str, stack: Path) -> str:
    """Return the innermost line of the learner's file in the stack that faulthandler has written, in words.

    Args:
        path: the learner's file.
        text: what was in it when the check began; it may have been saved again since.
        stack: the file with the stack.
    """
    written = stack.read_text(encoding="utf-8") if stack.exists() else ""
    match = re.search(rf'File "{re.escape(str(path))}", line (\d+)', written)
    if match is None:
        return ""
    number = int(match[1])
    line = dict(enumerate(text.splitlines(), 1)).get(number, "").strip()
    return f"\n    It was at {path.name}, line {number}: {line}"


@contextmanager
def by_itself() -> Iterator[None]:
    """Let a process that is started in this block know nothing of this one's main module, folder and threads.

    It would import the main module once more, which may be a learner's file, and look for modules in the current
    folder before any other, where a learner's file may have the name of a module of Python.
    """
    main, before = sys.modules["__main__"], dict(os.environ)
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ |= {"PYTHONSAFEPATH": "1", "NUMBA_NUM_THREADS": str(min(THREADS, os.cpu_count() or 1))}
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in ("PYTHONSAFEPATH", "NUMBA_NUM_THREADS"):
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


# --- in the other process --------------------------------------------------------------------------------------------


class _Keyboard(io.TextIOBase):
    """What an answer reads from instead of the keyboard."""

    def readline(self, _size: int | None = -1) -> NoReturn:
        raise ExerciseError("nobody can answer input() during a check; take it out, and use the arguments")

    read = readline


class _Paper(io.TextIOBase):
    """What an answer prints on instead of the screen: the first lines are kept, the rest is counted."""

    def __init__(self) -> None:
        self.kept, self.lines, self.characters = "", 0, 0

    def write(self, text: str) -> int:
        if self.characters < MOST_KEPT and self.lines < LINES:
            self.kept += text[:MOST_KEPT]
        self.lines += text.count("\n")
        self.characters += len(text)
        if self.lines > MOST_LINES or self.characters > 100 * MOST_LINES:
            raise ExerciseError(f"printed more than {MOST_LINES:,} lines; take the print() out of the loop")
        return len(text)

    def report(self, name: str) -> str:
        """Return what was printed in words, "" if nothing was."""
        if not self.kept.strip():
            return ""
        shown_lines = self.kept.splitlines()[:LINES]
        text = "\n".join(f"    {line[:120]}" for line in shown_lines)
        more = f"\n    ... and {self.lines - len(shown_lines):,} lines more" if self.lines > len(shown_lines) else ""
        return f"{name} printed:\n{text}{more}"


def _work(exercise: Exercise, path: Path, seconds: float, stack: Path, connection: Connection) -> None:
    """Judge an answer, and send the outcome."""
    from numba.core import config

    from tinydist.exercises.judge import judge, passes

    global _inside
    _inside = True
    if not exercise.rubric.turns:  # the answer's time begins when kernels that the cases call are compiled
        passes(exercise.rubric, exercise.rubric.solution)
    paper = _Paper()
    sys.stdin, sys.stdout, sys.stderr = _Keyboard(), paper, paper
    if sys.platform != "win32":
        os.setpgrp()
        _limit_memory()
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(), seconds), daemon=True).start()
    # numba's own cache goes by time and size of a file, which may stay the same
    vars(config)["CACHE_DIR"] = str(stack.parent)
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    depth = sys.getrecursionlimit()
    connection.send("ready")
    with stack.open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(seconds, file=file)
        try:
            judgement = judge(exercise, path)
        except Exception as problem:  # noqa: BLE001 - the learner should hear of it, and of whose fault it is
            words = f"{exercise.name} in {shown(path)} could not be judged. That is a fault of tinydist, not yours."
            judgement = Judgement(exercise, "wrong", f"{words}\n    {type(problem).__name__}: {problem}")
        except BaseException as problem:  # noqa: BLE001 - such as a KeyboardInterrupt that the answer raises itself
            words = f"{exercise.name} in {shown(path)} raised {type(problem).__name__}, which ends Python."
            judgement = Judgement(exercise, "wrong", words)
        finally:
            faulthandler.cancel_dump_traceback_later()
    notes = [judgement.message]
    if sys.getrecursionlimit() != depth:
        notes.append(
            f"{exercise.name} has set Python's recursion limit to {sys.getrecursionlimit():,} and left it so, for the "
            "whole program. Put it back at the end."
        )
    notes.append(paper.report(exercise.name))
    connection.send((judgement.status, "\n\n".join(filter(None, notes))))


def _end_with(parent: Any, seconds: float) -> None:
    """End this process when the one that waits for it ends, or should have stopped it long ago."""
    wait([parent.sentinel], timeout=seconds + 10)
    os._exit(1)


def _limit_memory() -> None:
    """Let the process ask for MEMORY bytes more than it has, on Linux."""
    import resource

    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
