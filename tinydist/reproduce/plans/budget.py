"""``--budget``: the largest protocol that should be done within a time, judged by how fast training is here.

The choice is kept in ``DIR/budget.json``, so that the same command goes on with the same protocol, however fast the
machine is by then.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from tinydist.cores import available_cores
from tinydist.datasets import rows_are
from tinydist.errors import BudgetError, DataError, TrainSizeError
from tinydist.files import read_bytes, temporary_folder, write_atomically
from tinydist.reproduce.evidence.protocols import LADDER, Protocol
from tinydist.reproduce.runs.pool import leave_signals_to_parent
from tinydist.reproduce.runs.records import load_configs
from tinydist.reproduce.runs.run import data_in_memory, tell
from tinydist.reproduce.runs.seals import opened, sealed
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.runs.status import finish_time
from tinydist.times import duration, written_span
from tinydist.training import training_step

CHOICE = "budget.json"

STEPS = 5
"""Training steps that are timed, for each model and input."""

MARGIN = 1.15
"""What a run takes beyond its training steps, as a factor: evaluations, checkpoints, an uneven pace."""

OVERHEAD = 60.0
"""Seconds beside the runs, at most: to start, to measure the pace with every number of images, to draw the figures."""

Paces = Mapping[str, float]
"""Seconds an epoch, for each model and input, as in "ReLU raw"."""

PaceFunction = Callable[[int, int], Paces]
"""Gives the paces for a number of training images and a number of runs at a time."""


@dataclass(frozen=True)
class Choice:
    """A protocol, and what it was chosen for.

    Attributes:
        budget: seconds.
        models, inputs: what is to be run.
        protocol: the largest that should be done within the budget.
        reason: the choice in words.
        measured: the paces that it rests on, for each number of training images and of runs at a time.
    """

    budget: int
    models: list[str]
    inputs: list[str]
    protocol: Protocol
    reason: str
    measured: list[dict[str, Any]]


def within(
    budget: int,
    models: Sequence[str],
    inputs: Sequence[str],
    jobs: int,
    out: Path,
    pace: PaceFunction,
    rows: str = "images",
) -> Choice:
    """Return the choice that the results folder `out` holds; if it holds none, make one and store it there.

    Args:
        budget: seconds.
        models, inputs: what is to be run, every model with every input.
        jobs: runs at a time.
        out: results folder.
        pace: measures how fast the models are; called for a new choice only.
        rows: the word for what there is to train on.

    Raises:
        BudgetError: if not even the smallest protocol fits.
        DataError: if the choice in `out` is damaged or was made for something else, or `out` holds runs without one.
    """
    path = out / CHOICE
    if path.exists():
        choice = _load(path, _settings(budget, models, inputs))
        return replace(choice, reason=f"{choice.reason} Chosen before: {path}")
    if load_configs(out):
        raise DataError(
            f"{out} holds runs that were begun without --budget. Choose another folder with --out, or go on with them "
            f"{_without_budget(out)}"
        )
    choice = choose(budget, models, inputs, jobs, pace, rows)
    write_atomically(path, json.dumps(sealed(asdict(choice)), indent=1))
    return choice


def choose(
    budget: int,
    models: Sequence[str],
    inputs: Sequence[str],
    jobs: int,
    pace: PaceFunction,
    rows: str = "images",
    most: int | None = None,
) -> Choice:
    """Choose the largest protocol of the ladder that should be done within the budget; arguments as for `within`.

    The pace is measured from the largest protocol down, wherever the training rows or the runs at a time change.

    Args:
        most: training rows, if there are less than a protocol of the ladder has.

    Raises:
        BudgetError: if not even the smallest protocol fits.
    """
    measured: dict[tuple[int, int], Paces] = {}
    larger = "there is no larger protocol"
    ladder = [replace(step, train_size=min(step.train_size, most or step.train_size)) for step in LADDER]
    for protocol in reversed(list(dict.fromkeys(ladder))):
        at_a_time = min(jobs, protocol.runs * len(models) * len(inputs))
        key = protocol.train_size, at_a_time
        if key not in measured:
            try:
                measured[key] = pace(*key)
            except TrainSizeError as problem:
                return choose(budget, models, inputs, jobs, pace, rows, problem.there)
        paces = measured[key].values()
        seconds = estimate(protocol, paces, at_a_time)
        if seconds <= budget:
            reason = (
                f"Budget {written_span(budget)}: {protocol.in_words(rows)} should take about {duration(seconds)}, at "
                f"{1000 * statistics.mean(paces):,.1f} ms an epoch on average with {at_a_time} at a time; {larger}."
            )
            measurements = [
                {"train_size": size, "jobs": number, "seconds_an_epoch": dict(found)}
                for (size, number), found in measured.items()
            ]
            return Choice(budget, list(models), list(inputs), protocol, reason, measurements)
        larger = f"the next larger protocol ({protocol.in_words(rows)}) would take about {duration(seconds)}"
    raise BudgetError(
        f"a budget of {written_span(budget)} is too short: here even the smallest protocol ({protocol.in_words(rows)}) "
        f"takes about {duration(seconds)}. Give more time, or fewer --models"
    )


def estimate(protocol: Protocol, paces: Collection[float], jobs: int) -> float:
    """Estimate the seconds that a protocol takes, runs and everything around them.

    Args:
        protocol: the sizes.
        paces: seconds an epoch, of each model with each input.
        jobs: runs at a time.
    """
    runs = [protocol.epochs * pace for pace in paces] * protocol.runs
    return MARGIN * finish_time(runs, jobs) + OVERHEAD


def measure(configs: Sequence[RunConfig], train_size: int, jobs: int) -> dict[str, float]:
    """Measure how fast training is on this machine, as a sweep does it: in `jobs` processes side by side.

    Each process takes steps of all runs, while the others do the same, with its share of the cores as threads.

    Args:
        configs: one for each model and input.
        train_size: training rows, in place of those of the configs.
        jobs: processes.

    Returns:
        The median of seconds an epoch, for each model and input.

    Raises:
        DataError, ValueError: if the data cannot be loaded, as in :func:`tinydist.datasets.load`.
    """
    rows = rows_are(configs[0].dataset)
    tell(f"Measuring how fast training is here, with {train_size:,} {rows} and {jobs} at a time …")
    sized = [replace(config, train_size=train_size) for config in configs]
    data_in_memory(sized[0])  # here first, so that a download is made once only
    if jobs == 1:
        timed = [_time_steps(sized)]
    else:
        threads = max(1, available_cores() // jobs)
        # the folder is not used: making it removes what joblib left of killed processes
        with temporary_folder(), joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
            timed = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_time_steps_in_worker)(sized) for _ in range(jobs))
    return {run: statistics.median(step for times in timed for step in times[run]) for run in timed[0]}


def _time_steps_in_worker(configs: Sequence[RunConfig]) -> dict[str, list[float]]:
    leave_signals_to_parent()
    return _time_steps(configs)


def _time_steps(configs: Sequence[RunConfig]) -> dict[str, list[float]]:
    """Return the seconds of each timed step, for each model and input."""
    times: dict[str, list[float]] = {}
    for config in configs:
        data = data_in_memory(config)
        model, optimizer = start(config, data)
        steps = times[f"{config.model} {config.input}"] = []
        for _ in range(1 + STEPS):
            begun = time.perf_counter()
            training_step(model(data.x_train).cross_entropy(data.y_train), optimizer)
            steps.append(time.perf_counter() - begun)
        del steps[0]  # compiles what is not compiled yet, and wakes the threads
    return times


def _load(path: Path, settings: Mapping[str, str]) -> Choice:
    """Read the stored choice.

    Raises:
        DataError: if the file is damaged, or the choice was made for other settings than these.
    """
    try:
        contents = opened(read_bytes(path))
        sizes = contents["protocol"]
        if not all(isinstance(size, int) and size > 0 for size in sizes.values()):
            raise ValueError(f"expected positive whole sizes, got {sizes}")
        choice = Choice(**{**contents, "protocol": Protocol(**sizes)})
        was = _settings(choice.budget, choice.models, choice.inputs)
    except (ValueError, TypeError, KeyError, AttributeError) as reason:
        raise DataError(
            f"{path} is damaged ({reason}). Choose another folder with --out, or go on with the runs in this one "
            f"{_without_budget(path.parent)}"
        ) from None
    if changes := "; ".join(f"{what} {was[what]} (now {now})" for what, now in settings.items() if was[what] != now):
        raise DataError(
            f"the protocol in {path} was chosen for other settings: {changes}. Choose another folder with --out"
        )
    return choice


def _settings(budget: int, models: Sequence[str], inputs: Sequence[str]) -> dict[str, str]:
    """Return, in words, what must be the same for a choice to be used; the order of the models does not matter."""
    return {
        "budget": written_span(budget),
        "models": ", ".join(sorted(models)),
        "inputs": ", ".join(sorted(inputs)),
    }


def _without_budget(out: Path) -> str:
    return (
        "by --train-size, --epochs and --runs in place of --budget: "
        f"python -m tinydist.reproduce status {out} shows their sizes"
    )
