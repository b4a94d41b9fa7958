"""Requests: everything that a user may ask for, and the check that it goes together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.batches import Batching
from tinydist.models import parse_model_name
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


OF_TABLES = ("drop", "missing", "delimiter", "decimal", "test_file")
"""What is for tables alone, and becomes part of the name of the data set."""


class PlanError(ValueError):
    """A request with options that contradict each other, or with a value out of range.

    The message names them as options of the command line, such as ``--train-size``.
    """


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of a user. None stands for the value of the protocol or of the study.

    Attributes:
        models: names of the form ``[Conv-]Act[2][-L2][-Neg][-Bias]``, or one text with commas; the paper's ten by
            default.
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
        drop: columns of a table of one's own to leave out, or one text with commas.
        missing: "refuse", "drop" or "mean": what becomes of missing values of such a table.
        delimiter: the character between its cells; recognised by default.
        decimal: "." or ",", the decimal point of its numbers; recognised by default.
        test_file: a file with the rows to test on; they are drawn from the table by default.
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

    models: str | Sequence[str] | None = None
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
    drop: str | Sequence[str] | None = None
    missing: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    test_file: str | Path | None = None
    layout: str = "auto"
    protocol: str | None = None
    budget: str | float | None = None
    study: str | None = None
    out: str | Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    checkpoint_every: float = CHECKPOINT_EVERY
    report: bool = True


def checked(request: Request) -> Request:
    """Return the request in plain values: numbers of Python, names as they are spelt here and each once, seconds.

    Raises:
        PlanError: if a value is out of range or unknown, or two are given that exclude each other.
        ModelNameError: if a model is unknown.
        ValueError: if both `batch_size` and `chunk_size` are given.
    """
    whole = {name: _whole(request, name, 1) for name in ("runs", "epochs", "train_size", "batch_size", "chunk_size")}
    reals = {name: _real(request, name) for name in ("lr", "checkpoint_every")}
    jobs, seed = _whole(request, "jobs", 1), _whole(request, "seed", 0)
    models, inputs = (_names(request, name) for name in ("models", "input"))
    for name in inputs or ():
        if name not in datasets.INPUTS:
            raise PlanError(f"unknown input {name!r}; expected some of {', '.join(datasets.INPUTS)}")
    choices: dict[str, Collection[str]] = {
        "protocol": PROTOCOLS,
        "optimizer": OPTIMIZERS,
        "layout": datasets.LAYOUTS,
        "study": STUDIES,
    }
    for name, known in choices.items():
        value = getattr(request, name)
        if value is not None and value not in known:
            raise PlanError(f"{_option(name)}: expected one of {', '.join(known)}, got {value!r}")
    if jobs and request.scheduler:
        raise PlanError("--jobs is about this machine, --scheduler about others; leave out one of them")
    Batching(whole["batch_size"], whole["chunk_size"])
    given = [_option(name) for name in NOT_WITH_BUDGET if getattr(request, name) is not None]
    if request.budget is not None and given:
        raise PlanError(
            "--budget chooses the sizes of the experiment by the pace of full-batch gradient descent on this "
            f"machine; leave out {', '.join(given)} or --budget"
        )
    return replace(
        request,
        dataset=_dataset(request),
        drop=None,
        missing=None,
        delimiter=None,
        decimal=None,
        test_file=None,
        models=None if models is None else list(dict.fromkeys(str(parse_model_name(name)) for name in models)),
        input=inputs,
        seed=seed or 0,
        jobs=jobs,
        budget=None if request.budget is None else _seconds(request.budget),
        checkpoint_every=reals["checkpoint_every"] or CHECKPOINT_EVERY,
        lr=reals["lr"],
        runs=whole["runs"],
        epochs=whole["epochs"],
        train_size=whole["train_size"],
        batch_size=whole["batch_size"],
        chunk_size=whole["chunk_size"],
    )


def study_of(request: Request) -> Study:
    """Return the study of a checked request.

    Raises:
        PlanError: if other options of the request exclude it.
    """
    if request.study is None:
        return PAPER
    study, name = STUDIES[request.study], f"--study {request.study}"
    if request.models:
        raise PlanError(f"{name} has its own models; leave out --models or --study")
    if not request.report:
        raise PlanError(f"{name} writes its own results in place of the report; leave out --no-report")
    if request.budget and (len(study.datasets) > 1 or study.arms is not one_arm):
        raise PlanError(f"{name} has arms whose pace --budget cannot foresee; give --epochs and --runs instead")
    return study


def _dataset(request: Request) -> str | None:
    """Return the name of the data set with the options for a table, None if it is not given."""
    given = {name: str(value) for name in OF_TABLES[1:] if (value := getattr(request, name)) is not None}
    drop = _names(request, "drop") or []
    if request.dataset is None:
        if given or drop:
            options = ", ".join(map(_option, (*(["drop"] if drop else []), *given)))
            raise PlanError(
                f"{options}: for a table of your own; give --dataset FILE.csv:COLUMN or FILE.arff:COLUMN as well"
            )
        return None
    if "test_file" in given:
        given["test"] = given.pop("test_file")
    name = datasets.with_options(str(request.dataset), drop, **given)
    try:
        datasets.split_name(name)
    except ValueError as problem:
        raise PlanError(f"{'--' if given else ''}{problem}") from None
    return name


def _whole(request: Request, name: str, least: int) -> int | None:
    """Return a whole number of the request, None if it is not given."""
    value = getattr(request, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        expected = "a positive whole number" if least else "a whole number from 0"
        raise PlanError(f"{_option(name)}: expected {expected}, got {value!r}")
    return int(value)


def _real(request: Request, name: str) -> float | None:
    """Return a positive number of the request, None if it is not given."""
    value = getattr(request, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < float("inf"):
        raise PlanError(f"{_option(name)}: expected a positive number, got {value!r}")
    return float(value)


def _names(request: Request, name: str) -> list[str] | None:
    """Return names of the request, given as a sequence or in one text with commas, each once; None if not given."""
    value = getattr(request, name)
    if value is None:
        return None
    names = list(dict.fromkeys(str(part).strip() for part in (value.split(",") if isinstance(value, str) else value)))
    if not names:
        raise PlanError(f"{_option(name)}: expected at least one name, got {value!r}")
    return names


def _seconds(budget: str | float) -> int:
    """Return a budget in seconds."""
    if isinstance(budget, int | float) and not isinstance(budget, bool) and 1 <= budget < float("inf"):
        return int(budget)
    try:
        return read_span(str(budget))
    except ValueError as problem:
        raise PlanError(f"--budget: {problem}") from None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
