"""Plans: a request turned into runs and the folder of their results."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from tinydist import datasets
from tinydist.batches import MEASURED_ROWS
from tinydist.cores import available_cores
from tinydist.errors import TrainSizeError
from tinydist.models import build_model, parse_model_name
from tinydist.reproduce.evidence.protocols import PROTOCOLS, Protocol
from tinydist.reproduce.plans import budget
from tinydist.reproduce.plans.request import PlanError, Request, checked, study_of
from tinydist.reproduce.report import printout
from tinydist.reproduce.runs.pool import PoolError
from tinydist.reproduce.runs.records import CHECKPOINT, check_folder, check_rows, is_finished
from tinydist.reproduce.runs.run import load_data
from tinydist.reproduce.runs.settings import LR, RunConfig, Setting
from tinydist.reproduce.studies.study import Study, one_arm
from tinydist.tables import WIDTH
from tinydist.times import written_span

LR_OF_TABLES = 0.1
"""Learning rate for data that are no images, with which normalized columns are learnt."""

SHOWN = 6
"""Settings that the heading names, at most."""


@dataclass(frozen=True)
class Plan:
    """The runs to do, and where and how.

    Attributes:
        study: that writes what the runs show.
        configs: the runs, seed by seed, so that an interrupted sweep has some of every model.
        out: results folder.
        heading: what is to be run, in words.
        jobs: runs at a time on this machine.
        scheduler: as in :class:`Request`.
        checkpoint_every: as in :class:`Request`.
        report: as in :class:`Request`.
        readings: what was read of each data set, in words, by its name.
    """

    study: Study
    configs: tuple[RunConfig, ...]
    out: Path
    heading: str
    jobs: int
    scheduler: str | None
    checkpoint_every: float
    report: bool
    readings: Mapping[str, str]

    @property
    def saved(self) -> str:
        """Return, in words, how many runs are finished and half done in the results folder."""
        finished = [config for config in self.configs if is_finished(config, self.out)]
        begun = [config for config in self.configs if (config.folder(self.out) / CHECKPOINT).exists()]
        half_done = len(set(begun) - set(finished))
        return f"{len(finished)} of {len(self.configs)} runs are finished and {half_done} half done in {self.out}"


def make_plan(request: Request) -> Plan:
    """Turn a request into a plan. Read the data, so that errors in them are reported before any work.

    Raises:
        PlanError: if options contradict each other, or a value is out of range.
        DataError: if the data are damaged or missing, the results folder holds results that are not of runs in it, or a
            package that a study needs is not installed.
        BudgetError: if not even the smallest protocol fits the budget.
        ValueError: if a name is unknown, or a model or the number of rows does not fit the data.
        PoolError: if a process ends early while it measures the pace for a budget.
        OSError: if a file cannot be read.
    """
    request = checked(request)
    study, asked_layout = study_of(request), request.layout
    models = list(request.models or study.models)
    names = [datasets.resolved(str(request.dataset))] if request.dataset else study.datasets_here()
    request = _with_layout(request, models, names)
    inputs, lr, why = _input_and_lr(request, study, names[0])
    protocol = _protocol(request, study)
    steps = {name: value for name, value in _shared(request).items() if name in ("optimizer", "batch_size")}
    sizes = protocol.train_size, protocol.epochs
    study.check([Setting(name, kind, *sizes, lr, **steps) for name in names for kind in inputs])
    jobs = request.jobs or available_cores()
    parts = [request.study or "", *(map(datasets.short_name, names) if len(names) == 1 else [])]
    out = Path(request.out) if request.out else None
    if out:
        check_folder(out)
    reason = f"{why}\n" if why else ""
    if request.budget:
        seconds = int(request.budget)
        # named without the protocol, so that the same command finds the one that it has chosen before
        out = out or _folder(*parts, "+".join(inputs), asked_layout, f"budget-{written_span(seconds)}", f"lr{lr:g}")
        check_folder(out)
        choice = _within_budget(seconds, request, models, inputs, names[0], jobs, out)
        protocol = choice.protocol
        reason += f"{textwrap.fill(choice.reason, WIDTH, break_long_words=False, break_on_hyphens=False)}\n"
    loaded = [_look_at(name, request, models, inputs[0], protocol) for name in names]
    first, *_ = loaded
    common = RunConfig(
        **_shared(request)
        | {"dataset": first.name, "input": inputs[0], "train_size": first.train_size, "epochs": protocol.epochs}
        | {"lr": lr, "model": models[0], "seed": request.seed, "layout": first.layout}
    )
    configs = tuple(
        arm
        for seed in range(request.seed, request.seed + protocol.runs)
        for data in loaded
        for input in inputs
        for model in models
        for arm in study.arms(
            replace(
                common,
                model=model,
                seed=seed,
                dataset=data.name,
                input=input,
                layout=data.layout,
                train_size=data.train_size,
                arm=data.name if len(loaded) > 1 else "",
            )
        )
    )
    out = out or _default_folder(parts, inputs, common)
    check_folder(out)
    check_rows(out, configs)
    heading = f"{reason}{_heading(configs, protocol, loaded, study)}\nResults: {out}"
    readings = {data.name: data.reading for data in loaded}
    return Plan(
        study, configs, out, heading, jobs, request.scheduler, request.checkpoint_every, request.report, readings
    )


def _input_and_lr(request: Request, study: Study, dataset: str) -> tuple[list[str], float, str]:
    """Return the inputs, the learning rate, and why they are not the study's, in words; empty if they are.

    Columns of a table have units of their own, so that nothing is learnt from them with the paper's input and rate.
    """
    inputs, lr = list(request.input or study.inputs), request.lr or study.lr
    if datasets.rows_are(dataset) == "images" or study.lr != LR or study.arms is not one_arm:
        return inputs, lr, ""
    inputs = list(request.input or ["normalized"])
    lr = request.lr or (LR if "raw" in inputs else LR_OF_TABLES)
    if request.input and (request.lr or lr == LR):
        return inputs, lr, ""
    why = (
        f"Input {', '.join(inputs)} and lr {lr:g}, unless --input and --lr say otherwise: from raw input with lr "
        f"{LR:g}, as for MNIST, little is learnt of data that are no images."
    )
    return inputs, lr, textwrap.fill(why, WIDTH)


def _shared(request: Request) -> dict[str, Any]:
    """Return what a request says of fields that a run has under the same name."""
    names = {field.name for field in fields(RunConfig)} & {field.name for field in fields(Request)}
    return {name: value for name in names if (value := getattr(request, name)) is not None}


def _with_layout(request: Request, models: Sequence[str], names: Sequence[str]) -> Request:
    """Return the request with the layout, and for rows on disk the chunks, that it needs.

    Raises:
        PlanError: if the request's layout, or its budget, does not fit the data or the models; if a data set is
            unknown or missing.
    """
    try:
        streamed = [name for name in names if datasets.is_streamed(name)]
    except ValueError as problem:
        raise PlanError(str(problem)) from None
    if streamed and request.budget:
        raise PlanError(
            f"{streamed[0]} stays on disk, where --budget cannot foresee the pace; give --epochs and --runs"
        )
    if streamed and not request.batch_size and not request.chunk_size:
        request = replace(request, chunk_size=MEASURED_ROWS)
    dense = {
        "holds all images as one matrix, which --batch-size and --chunk-size cannot cut": bool(
            request.batch_size or request.chunk_size
        ),
        "holds rows that only a linear layer can read, not a convolution (Conv-)": any(
            parse_model_name(model).conv for model in models
        ),
    }
    for why, needed in dense.items():
        if needed and request.layout == "sparse":
            raise PlanError(f"--layout sparse {why}")
    return replace(request, layout="dense") if any(dense.values()) else request


def _protocol(request: Request, study: Study) -> Protocol:
    chosen = PROTOCOLS[request.protocol] if request.protocol else study.protocol
    return Protocol(
        train_size=request.train_size or chosen.train_size,
        epochs=request.epochs or chosen.epochs,
        runs=request.runs or chosen.runs,
    )


def _within_budget(
    seconds: int, request: Request, models: Sequence[str], inputs: Sequence[str], dataset: str, jobs: int, out: Path
) -> budget.Choice:
    """Return the choice of the protocol that the budget allows.

    Raises:
        BudgetError, DataError: as :func:`tinydist.reproduce.plans.budget.within`.
        PoolError: if a process ends early while it measures the pace.
    """
    configs = [
        RunConfig(dataset, input, 1, 1, LR, model=model, seed=request.seed, layout=request.layout)
        for input in inputs
        for model in models
    ]
    try:
        measure = partial(budget.measure, configs)
        return budget.within(seconds, models, inputs, jobs, out, measure, datasets.rows_are(dataset))
    except BrokenExecutor:
        raise PoolError(
            "a worker process died while the pace was measured, perhaps for lack of memory; use fewer --jobs"
        ) from None


@dataclass(frozen=True)
class _Loaded:
    """A data set as the runs will use it: its name, how it is held, how many training rows, and what was read."""

    name: str
    layout: str
    train_size: int
    reading: str


def _look_at(name: str, request: Request, models: Sequence[str], input: str, protocol: Protocol) -> _Loaded:
    """Read a data set, check that every model fits it, and return what the plan needs of it.

    Raises:
        TrainSizeError: if the request has more training rows than there are.
        ValueError: if a model does not fit.
    """
    try:
        data = load_data(name, input, protocol.train_size, request.layout)
    except TrainSizeError as problem:
        if request.train_size:  # not more than there are, unless the user has asked for them
            raise
        data = load_data(name, input, problem.there, request.layout)
    rows, columns = data.x_train.shape
    for model in models:
        try:
            build_model(model, columns, image_shape=data.image_shape)
        except ValueError as problem:
            raise ValueError(f"{model} does not fit {name}: {problem}") from None
    return _Loaded(name, data.layout, rows, str(data.reading))


def _heading(configs: Sequence[RunConfig], protocol: Protocol, loaded: Sequence[_Loaded], study: Study) -> str:
    settings = list(dict.fromkeys(config.setting for config in configs))
    lines = [printout.protocol(setting, protocol.runs, protocol.runs) for setting in settings[:SHOWN]]
    if len(settings) > SHOWN:
        lines.append(f"… and {len(settings) - SHOWN} more settings")
    if left_out := sorted(set(study.datasets) - {d.name for d in loaded}) if len(loaded) > 1 else []:
        lines.append(f"Left out, as they are missing: {', '.join(left_out)} (--dataset NAME says how to get one)")
    return "\n".join([*lines, *(data.reading for data in loaded if data.name not in datasets.SOURCES)])


def _default_folder(parts: Sequence[str], inputs: Sequence[str], config: RunConfig) -> Path:
    """Return a folder for these settings, so that other settings never mix with them."""
    rows = f"{config.train_size}-{datasets.rows_are(config.dataset)}-{config.epochs}-epochs"
    changes = re.sub(r"(?<=\d),(?=\d)", "", config.setting.changes)  # ", adam, batches of 1,000"
    chunks = f"chunks-of-{config.chunk_size}" if config.chunk_size else ""
    steps = changes.replace(", ", "-").replace(" ", "-")
    return _folder(*parts, "+".join(inputs), config.layout, rows, f"lr{config.lr:g}{steps}", chunks)


def _folder(*parts: str) -> Path:
    return Path("results") / "-".join(filter(None, parts))
