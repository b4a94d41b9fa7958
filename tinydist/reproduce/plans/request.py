"""Requests: everything that a user may ask for, and the check that it goes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.batches import Batching
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.plans.studies import PAPER, STUDIES
from tinydist.reproduce.runs.starts import OPTIMIZERS
from tinydist.reproduce.runs.sweep import CHECKPOINT_EVERY
from tinydist.reproduce.studies.study import Study, one_arm
from tinydist.times import read_span

NOT_WITH_BUDGET = (
    *("protocol", "epochs", "train_size", "runs", "scheduler"),
    *("optimizer", "batch_size", "chunk_size"),
)
"""What does not go with a budget, which chooses sizes by the pace of full-batch descent on this machine."""


class PlanError(ValueError):
    """A request with options that contradict each other, or with a value out of range.

    The message names them as options of the command line, such as ``--train-size``.
    """


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of a user. None stands for the value of the protocol or of the study.

    Attributes:
        models: names of the form ``[Conv-]Act[2][-L2][-Neg][-Bias]``; the paper's ten by default.
        runs: of each model, with seeds `seed`, `seed` + 1, …
        epochs: passes over the training rows.
        train_size: training rows, the first ones of the data set.
        input: "raw", "unit" or "normalized", or several of them, each judged on its own.
        lr: learning rate.
        optimizer: "sgd", "momentum" or "adam".
        batch_size: rows of a step; by default a step uses all of them.
        chunk_size: rows in memory at once, for a step with all of them.
        seed: the first one.
        dataset: a name or a path, as in :func:`tinydist.datasets.load`.
        layout: "dense", "sparse" or "auto", how images are held.
        protocol: "quick", "paper" or "extended": sizes that `train_size`, `epochs` and `runs` override.
        budget: a time such as "2h", or seconds: take the largest protocol that should be done by then.
        study: name of a study beyond the paper, in place of `models` and of the report on the paper's claims.
        out: results folder; one named after the settings, in ``results``, by default.
        jobs: runs at a time on this machine; one a core by default.
        scheduler: address of a dask scheduler that has the runs done elsewhere.
        checkpoint_every: seconds from one checkpoint of a run to the next.
        report: whether to analyse the trained weights and write figures and ``report.html``.
    """

    models: Sequence[str] | None = None
    runs: int | None = None
    epochs: int | None = None
    train_size: int | None = None
    input: str | Sequence[str] | None = None
    lr: float | None = None
    optimizer: str | None = None
    batch_size: int | None = None
    chunk_size: int | None = None
    seed: int = 0
    dataset: str | Path | None = None
    layout: str = "auto"
    protocol: str | None = None
    budget: str | int | None = None
    study: str | None = None
    out: str | Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    checkpoint_every: float = CHECKPOINT_EVERY
    report: bool = True


def study_of(request: Request) -> Study:
    """Return the study of a request.

    Raises:
        PlanError: if it is unknown, or other options of the request exclude it.
    """
    if not request.study:
        return PAPER
    if request.study not in STUDIES:
        raise PlanError(f"unknown study {request.study!r}; expected one of {', '.join(STUDIES)}")
    study, name = STUDIES[request.study], f"--study {request.study}"
    if request.models:
        raise PlanError(f"{name} has its own models; leave out --models or --study")
    if not request.report:
        raise PlanError(f"{name} writes its own results in place of the report; leave out --no-report")
    if request.budget and (len(study.datasets) > 1 or study.arms is not one_arm):
        raise PlanError(f"{name} has arms whose pace --budget cannot foresee; give --epochs and --runs instead")
    return study


def inputs_of(request: Request, study: Study) -> list[str]:
    """Return the names of the inputs, each once.

    Raises:
        PlanError: if one is unknown.
    """
    given = [request.input] if isinstance(request.input, str) else request.input or study.inputs
    for name in given:
        if name not in datasets.INPUTS:
            raise PlanError(f"unknown input {name!r}; expected some of {', '.join(datasets.INPUTS)}")
    return list(dict.fromkeys(given))


def seconds_of(budget: str | int) -> int:
    """Return a budget in seconds.

    Raises:
        PlanError: if it is not a time.
    """
    try:
        return budget if isinstance(budget, int) and budget > 0 else read_span(str(budget))
    except ValueError as problem:
        raise PlanError(f"--budget: {problem}") from None


def check(request: Request) -> None:
    """Check that every value is in range, and that no two are given that exclude each other.

    Raises:
        PlanError: if not.
        ValueError: if both `batch_size` and `chunk_size` are given.
    """
    for name in ("runs", "epochs", "train_size", "batch_size", "chunk_size", "jobs"):
        value = getattr(request, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise PlanError(f"{_option(name)}: expected a positive whole number, got {value!r}")
    if request.seed < 0:
        raise PlanError(f"--seed: expected a whole number from 0, got {request.seed!r}")
    for name in ("lr", "checkpoint_every"):
        value = getattr(request, name)
        if value is not None and not 0 < value < float("inf"):
            raise PlanError(f"{_option(name)}: expected a positive number, got {value!r}")
    for name, choices in (("protocol", PROTOCOLS), ("optimizer", OPTIMIZERS), ("layout", datasets.LAYOUTS)):
        value = getattr(request, name)
        if value is not None and value not in choices:
            raise PlanError(f"{_option(name)}: expected one of {', '.join(choices)}, got {value!r}")
    if request.jobs and request.scheduler:
        raise PlanError("--jobs is about this machine, --scheduler about others; leave out one of them")
    Batching(request.batch_size, request.chunk_size)
    given = [_option(name) for name in NOT_WITH_BUDGET if getattr(request, name) is not None]
    if request.budget and given:
        raise PlanError(
            "--budget chooses the sizes of the experiment by the pace of full-batch gradient descent on this "
            f"machine; leave out {', '.join(given)} or --budget"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
