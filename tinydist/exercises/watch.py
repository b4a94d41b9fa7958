"""Waiting for a learner to save a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinydist.exercises.exercise import Exercise
from tinydist.exercises.workspace import Workspace

EVERY = 0.3
"""Seconds between two looks at the files."""


def changed(workspace: Workspace, exercises: Sequence[Exercise]) -> Iterator[Exercise]:
    """Yield each exercise whose file is saved; the last one again when a helper that it may import is. Never ends.

    Args:
        workspace: the learner's folder.
        exercises: whose files to look at.
    """
    before = _looks(workspace, exercises)
    last = None
    while True:
        time.sleep(EVERY)
        now = _looks(workspace, exercises)
        saved = [exercise for exercise in exercises if _differ(before, now, workspace.path(exercise))]
        if last is not None and not saved and any(_differ(before, now, path) for path in workspace.helpers()):
            saved = [last]
        before = now
        for exercise in saved:
            last = exercise
            yield exercise


def _looks(workspace: Workspace, exercises: Sequence[Exercise]) -> dict[Path, tuple[int, int]]:
    """Return time and size of each file."""
    looks = {}
    for path in (*map(workspace.path, exercises), *workspace.helpers()):
        try:
            state = path.stat()
        except OSError:  # an editor may just be replacing it
            continue
        looks[path] = state.st_mtime_ns, state.st_size
    return looks


def _differ(before: dict[Path, tuple[int, int]], now: dict[Path, tuple[int, int]], path: Path) -> bool:
    return path in now and before.get(path) != now[path]
