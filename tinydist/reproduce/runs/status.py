"""The status of the runs in a results folder: how far each has come, and how long the rest will take."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinydist.datasets import rows_are
from tinydist.errors import DataError
from tinydist.reproduce.runs.checkpoints import find_checkpoint
from tinydist.reproduce.runs.records import is_finished, load_config, load_configs, load_record, no_runs
from tinydist.reproduce.runs.run import is_held
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.tables import counted
from tinydist.times import duration

STATES = ("finished", "running", "half done", "not begun", "failed")
NO_PACE = "How long it will take is known after the first checkpoint."


@dataclass(frozen=True)
class RunStatus:
    """The state of a run, and how far it has come.

    Attributes:
        config: its settings.
        state: one of ``STATES``.
        epochs: done and saved; of a failed run all, because none is left to do.
        pace: seconds an epoch; None if that is not known.
        note: what else there is to say, such as how it failed.
    """

    config: RunConfig
    state: str
    epochs: int
    pace: float | None = None
    note: str = ""


def status(out: Path) -> str:
    """Return which runs in the results folder `out` are finished, running or left, and how long the rest will take.

    Raises:
        DataError: if it holds no runs, or damaged ones.
    """
    configs = load_configs(out)
    if not configs:
        raise no_runs(out)
    return "\n".join(status_lines([run_status(config, out) for config in configs], *_last_part(configs, out)))


def run_status(config: RunConfig, out: Path) -> RunStatus:
    """Return how far a run in the results folder `out` has come; one with a damaged checkpoint is not begun.

    Raises:
        DataError: if the record of a finished run is damaged.
    """
    if is_finished(config, out):
        record = load_record(config.folder(out))
        if record.status == "ok":
            return RunStatus(config, "finished", config.epochs, record.seconds / config.epochs)
        return RunStatus(config, "failed", config.epochs, note=f"FAILED {config}: {record.status}")
    try:
        checkpoint = find_checkpoint(config, out)
    except DataError as problem:
        return RunStatus(config, "not begun", 0, note=f"{config}: {problem}")
    running = is_held(config.folder(out))
    if checkpoint is None:
        if is_finished(config, out):  # in this moment
            return run_status(config, out)
        return RunStatus(config, "running" if running else "not begun", 0)
    state = "running" if running else "half done"
    return RunStatus(config, state, checkpoint.epoch, checkpoint.seconds / checkpoint.epoch)


def _last_part(configs: Iterable[RunConfig], out: Path) -> tuple[int, str]:
    """Return how many runs were done at a time the last time, and by which command; 1 and "" if none was begun."""
    parts = [part for config in configs for part in load_config(config.folder(out))[1]]
    if not parts:
        return 1, ""
    last = max(parts, key=lambda part: part["began"])
    return last["jobs"], last["command"]


def status_lines(runs: Sequence[RunStatus], jobs: int, command: str) -> Iterator[str]:
    """Yield the lines to print.

    Args:
        runs: all runs, at least one.
        jobs: how many are done at a time.
        command: that goes on with them; may be empty.
    """
    by_setting: dict[str, list[RunStatus]] = {}
    for run in runs:
        by_setting.setdefault(_setting(run.config), []).append(run)
    for setting, group in by_setting.items():
        yield setting
        yield ""
        yield from table(group)
        yield ""
    counts = {state: sum(run.state == state for run in runs) for state in STATES}
    yield f"{counted(len(runs), 'run')}: {', '.join(f'{count} {state}' for state, count in counts.items() if count)}."
    yield from (run.note for run in runs if run.note)
    if counts["running"] or counts["half done"] or counts["not begun"]:
        left = time_left(runs, jobs)
        yield "Running and half-done runs count up to their last checkpoint."
        yield f"About {duration(left)} left at the speed so far, {counted(jobs, 'run')} at a time." if left else NO_PACE
        if command and not counts["running"]:
            yield f"To go on: {command}"


def _setting(config: RunConfig) -> str:
    rows = f"{config.train_size:,} training {rows_are(config.dataset)}"
    steps = f"lr {config.lr:g}{config.setting.changes}"
    return f"{config.dataset}, {rows}, {config.epochs:,} epochs, {steps}, input {config.input}, {config.layout}"


def table(runs: Sequence[RunStatus]) -> Iterator[str]:
    """Yield the lines of a table, with a row for each model and, if there are several, one for all of them."""
    rows: list[tuple[str, ...]] = [("model", *STATES, "epochs done", "ms an epoch", "saved at epoch")]
    models = list(dict.fromkeys(run.config.model for run in runs))
    rows += [_row(model, [run for run in runs if run.config.model == model]) for model in models]
    if len(models) > 1:
        rows.append(_row("all", runs))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))
    for first, *numbers, last in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=False)]
        yield "  ".join([first.ljust(widths[0]), *cells, last]).rstrip()


def _row(name: str, runs: Sequence[RunStatus]) -> tuple[str, ...]:
    done, total = sum(run.epochs for run in runs), sum(run.config.epochs for run in runs)
    counts = [str(sum(run.state == state for run in runs) or "") for state in STATES]
    speed = pace(runs)
    at = "" if name == "all" else ", ".join(f"{run.epochs:,}" for run in runs if run.state in ("running", "half done"))
    return (name, *counts, f"{100 * done // total} %", f"{1000 * speed:.1f}" if speed else "", at)


def pace(runs: Iterable[RunStatus]) -> float | None:
    """Return the seconds an epoch, averaged over the epochs of these runs; None if none has been timed."""
    timed = [(run.epochs, run.epochs * run.pace) for run in runs if run.pace is not None]
    return sum(seconds for _, seconds in timed) / sum(epochs for epochs, _ in timed) if timed else None


def time_left(runs: Sequence[RunStatus], jobs: int) -> float | None:
    """Return the seconds until all runs are finished, `jobs` at a time; None if no epoch has been timed.

    A model that has not been timed is taken to be as fast as the others on average.
    """
    overall = pace(runs)
    if overall is None:
        return None
    left = []
    for run in runs:
        own = pace(other for other in runs if replace(other.config, seed=run.config.seed) == run.config)
        left.append((run.config.epochs - run.epochs) * (own or overall))
    return finish_time(left, jobs)


def finish_time(seconds: Iterable[float], jobs: int) -> float:
    """Return the seconds until all runs are finished, each begun in the given order as soon as another ends.

    That is at least an even share of all the work, and at least the longest run, for no run is split.

    Args:
        seconds: that each run takes.
        jobs: runs at a time.
    """
    ends = [0.0] * jobs
    for length in seconds:
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)
