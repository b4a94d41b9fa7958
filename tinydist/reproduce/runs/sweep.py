"""Sweeps: many runs, done by a pool, each recorded as it goes, none repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tinydist.errors import DataError
from tinydist.reproduce.runs.checkpoints import ForeignCheckpointError, find_checkpoint
from tinydist.reproduce.runs.environment import command
from tinydist.reproduce.runs.pool import Pool, Task
from tinydist.reproduce.runs.progress import Progress
from tinydist.reproduce.runs.records import (
    CHECKPOINT,
    CONFIG,
    RunRecord,
    all_finished,
    load_finished,
    write_config,
    write_csv,
)
from tinydist.reproduce.runs.run import held, tell
from tinydist.reproduce.runs.settings import RunConfig

CHECKPOINT_EVERY = 30.0
"""Seconds from one checkpoint of a run to the next: what is lost at most when it is stopped."""


def sweep(
    configs: Sequence[RunConfig], out: Path, pool: Pool, checkpoint_every: float = CHECKPOINT_EVERY
) -> list[RunRecord]:
    """Do all runs that `out` does not hold yet, and return the records of all.

    Half-done runs go on from their last checkpoint. A damaged checkpoint is reported and removed, and its run begins
    again: that costs time but not the result. A checkpoint of another run is left alone, for its owner to rescue.

    Progress goes to standard error.

    Args:
        configs: the runs.
        out: results folder.
        pool: that does them.
        checkpoint_every: seconds from one checkpoint of a run to the next.

    Raises:
        ValueError: if two runs share a folder.
        DataError: if `out` holds runs with other settings, damaged ones, or a checkpoint in the wrong place; or if
            another process is doing runs there.
        PoolError: if a process of the pool ends early; like after Ctrl-C, what was saved is on disk.
        KeyboardInterrupt: on Ctrl-C; finished runs, and checkpoints of the others, are on disk by then.
    """
    if len({config.folder(out) for config in configs}) < len(configs):
        raise ValueError("two of these runs share a folder; give each run once, and each arm a name of its own")
    out.mkdir(parents=True, exist_ok=True)
    with held(out):
        return _sweep(configs, out, pool, checkpoint_every)


def _sweep(configs: Sequence[RunConfig], out: Path, pool: Pool, checkpoint_every: float) -> list[RunRecord]:
    finished = load_finished(configs, out)
    left = [config for config in configs if config not in finished]
    done = {config: _epochs_done(config, out) for config in left}
    for config in left:
        if not (config.folder(out) / CONFIG).exists():
            write_config(config, out, parts=[])
    records = {record.config: record for record in all_finished(out)}  # those in `finished`, and of other sweeps
    write_csv(out, records.values())
    start = {"command": command(), "jobs": min(pool.jobs, max(len(left), 1))}
    with pool.scratch(out) as scratch, Progress(done, scratch / "epochs", [*finished.values()]) as progress:
        tasks = [
            Task(config, out.resolve(), checkpoint_every, start, scratch / "epochs", slot)
            for slot, config in enumerate(left)
        ]
        for record in pool.do([*_both_ends(tasks)]):
            records[record.config] = record
            write_csv(out, records.values())
            progress.finished(record)
    return [records[config] for config in configs]


def _both_ends(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks in the order in which they are to begin: of each seed from both ends of the list in turn.

    Models next to each other are alike and need the same kernels. Processes that begin with unlike ones compile
    different kernels, and find the others on disk later: half the time of compiling.
    """
    for _, group in groupby(tasks, lambda task: task.config.seed):
        left = deque(group)
        while left:
            yield left.popleft()
            if left:
                yield left.pop()


def _epochs_done(config: RunConfig, out: Path) -> int:
    """Return the epochs up to the last checkpoint of the run; report and remove a damaged one."""
    try:
        checkpoint = find_checkpoint(config, out)
    except ForeignCheckpointError:
        raise
    except DataError as problem:
        tell(f"{problem}; {config} begins again")
        (config.folder(out) / CHECKPOINT).unlink()
        return 0
    return checkpoint.epoch if checkpoint else 0
