"""Plans: the request of a user turned into runs and the folder of their results, and the execution of a plan."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.batches import MEASURED_ROWS, Batching
from tinydist.cores import available_cores
from tinydist.errors import DataError, TrainSizeError
from tinydist.models import PAPER_MODELS, build_model, parse_model_name
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes
from tinydist.reproduce.evidence.outcomes import by_setting
from tinydist.reproduce.evidence.protocols import LADDER, PROTOCOLS, Protocol
from tinydist.reproduce.plans import budget
from tinydist.reproduce.report import page, printout
from tinydist.reproduce.runs.pool import LocalPool, Pool, PoolError
from tinydist.reproduce.runs.records import CHECKPOINT, RunRecord, failures, is_finished, write_csv
from tinydist.reproduce.runs.run import load_data
from tinydist.reproduce.runs.settings import RunConfig, Setting
from tinydist.reproduce.runs.starts import OPTIMIZERS
from tinydist.reproduce.runs.sweep import CHECKPOINT_EVERY, sweep
from tinydist.reproduce.studies import activations, dying, other_data
from tinydist.reproduce.studies.study import Study, one_arm
from tinydist.tables import WIDTH
from tinydist.times import read_span, written_span

SHOWN = 6
"""Settings that the heading names, at most."""
NOT_WITH_BUDGET = (
    *("protocol", "epochs", "train_size", "runs", "scheduler"),
    *("optimizer", "batch_size", "chunk_size"),
)
"""What does not go with a budget, which chooses sizes by the pace of full-batch descent on this machine."""


def _write_report(records: Sequence[RunRecord], out: Path) -> tuple[str, list[Path]]:
    return printout.printed(records), [page.write_page(out, page.finished_records(out))]


PAPER = Study(models=PAPER_MODELS, write=_write_report)
STUDIES: dict[str, Study] = {"activations": activations.STUDY, "dying": dying.STUDY, **other_data.STUDIES}
"""The studies beyond the paper, by name."""


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
    """

    study: Study
    configs: tuple[RunConfig, ...]
    out: Path
    heading: str
    jobs: int
    scheduler: str | None
    checkpoint_every: float
    report: bool

    @property
    def saved(self) -> str:
        """Return, in words, how many runs are finished and half done in the results folder."""
        finished = [config for config in self.configs if is_finished(config, self.out)]
        begun = [config for config in self.configs if (config.folder(self.out) / CHECKPOINT).exists()]
        half_done = len(set(begun) - set(finished))
        return f"{len(finished)} of {len(self.configs)} runs are finished and {half_done} half done in {self.out}"


@dataclass(frozen=True, repr=False)
class Results:
    """The results of a plan.

    Attributes:
        records: of the runs, failed ones among them.
        verdicts: on the paper's claims, for each setting; empty for a study beyond the paper.
        text: everything that was found, as the command line prints it.
        files: written besides ``results.csv`` and the runs.
        out: results folder.
    """

    records: list[RunRecord]
    verdicts: Mapping[Setting, list[ledger.Verdict]]
    text: str
    files: list[Path] = field(default_factory=list)
    out: Path = Path()

    @property
    def failures(self) -> str:
        """Return the runs that failed, one a line; empty if none did."""
        return failures(self.records)

    def __repr__(self) -> str:
        if not self.verdicts:
            return self.text
        parts = []
        for setting, judged in self.verdicts.items():
            group = [record for record in self.records if record.config.setting == setting]
            by_result = {word: [v.claim.number for v in judged if v.result == word] for word in ledger.RESULTS}
            claims = "; ".join(f"{word}: {', '.join(numbers)}" for word, numbers in by_result.items() if numbers)
            parts.append(f"{setting}\n\n{printout.results_table(group)}\n\nClaims of the paper. {claims}")
        return "\n\n".join([*parts, *([self.failures] if self.failures else []), f"Results: {self.out}"])


def make_plan(request: Request) -> Plan:
    """Turn a request into a plan. Read the data, so that errors in them are reported before any work.

    Raises:
        PlanError: if options contradict each other, or a value is out of range.
        DataError: if the data are damaged or missing, or a package that a study needs is not installed.
        BudgetError: if not even the smallest protocol fits the budget.
        ValueError: if a name is unknown, or a model or the number of rows does not fit the data.
        PoolError: if a process ends early while it measures the pace for a budget.
        OSError: if a file cannot be read.
    """
    study = _study(request)
    models = [str(parse_model_name(name)) for name in request.models or study.models]
    inputs = _inputs(request, study)
    _check(request)
    lr = request.lr or study.lr
    names = [str(request.dataset)] if request.dataset else study.datasets_here()
    request = _with_layout(request, models, names)
    study.check()
    protocol = _protocol(request, study)
    jobs = request.jobs or available_cores()
    parts = [request.study or "", *(map(datasets.short_name, names) if len(names) == 1 else [])]
    out = Path(request.out) if request.out else None
    reason = ""
    if request.budget:
        seconds = _seconds(request.budget)
        out = out or _folder(*parts, "+".join(inputs), request.layout, f"budget-{written_span(seconds)}", f"lr{lr:g}")
        choice = _within_budget(seconds, request, models, inputs, names[0], jobs, out)
        protocol, reason = choice.protocol, f"{textwrap.fill(choice.reason, WIDTH, break_on_hyphens=False)}\n"
    loaded = [_look_at(name, request, models, inputs[0], protocol) for name in names]
    configs = tuple(
        arm
        for seed in range(request.seed, request.seed + protocol.runs)
        for data in loaded
        for input in inputs
        for model in models
        for arm in study.arms(
            RunConfig(
                model=model,
                seed=seed,
                dataset=data.name,
                input=input,
                layout=data.layout,
                train_size=data.train_size,
                epochs=protocol.epochs,
                lr=lr,
                optimizer=request.optimizer or "sgd",
                batch_size=request.batch_size,
                chunk_size=request.chunk_size,
                arm=data.name if len(loaded) > 1 else "",
            )
        )
    )
    out = out or _default_folder(parts, inputs, configs[0], lr)
    heading = f"{reason}{_heading(configs, protocol, loaded, study)}\nResults: {out}"
    return Plan(study, configs, out, heading, jobs, request.scheduler, request.checkpoint_every, request.report)


def carry_out(plan: Plan) -> Results:
    """Do all runs that the results folder does not hold yet, and write what all of them show.

    Progress goes to standard error.

    Raises:
        DataError: if the results folder holds runs with other settings or damaged ones.
        PoolError: if a process that does runs ends early.
        OSError: if something cannot be written.
        KeyboardInterrupt: on Ctrl-C; finished runs, and checkpoints of the others, are on disk by then.
    """
    try:
        with _pool(plan) as pool:
            plan.out.mkdir(parents=True, exist_ok=True)
            write_csv(plan.out)
            records = sweep(plan.configs, plan.out, pool, plan.checkpoint_every)
        text, files = plan.study.write(records, plan.out) if plan.report else (printout.printed(records), [])
    except PoolError as problem:
        raise PoolError(f"{problem}. {plan.saved}; the same command goes on from there.") from None
    except OSError as problem:
        raise OSError(
            f"{problem}. {plan.saved}; once that is mended (free space? permissions?), the same command goes on from "
            "there."
        ) from None
    verdicts = {}
    if plan.study is PAPER:
        verdicts = {setting: ledger.verdicts(found, setting) for setting, found in by_setting(records).items()}
    return Results(records, verdicts, text, files, plan.out)


def _study(request: Request) -> Study:
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


def _inputs(request: Request, study: Study) -> list[str]:
    """Return the names of the inputs, each once.

    Raises:
        PlanError: if one is unknown.
    """
    given = [request.input] if isinstance(request.input, str) else request.input or study.inputs
    for name in given:
        if name not in datasets.INPUTS:
            raise PlanError(f"unknown input {name!r}; expected some of {', '.join(datasets.INPUTS)}")
    return list(dict.fromkeys(given))


def _check(request: Request) -> None:
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


def _with_layout(request: Request, models: Sequence[str], names: Sequence[str]) -> Request:
    """Return the request with the layout, and for rows on disk the chunks, that it needs.

    Raises:
        PlanError: if the request's layout, or its budget, does not fit the data or the models; if a data set is
            unknown or missing.
    """
    try:
        streamed = [name for name in names if datasets.is_streamed(name)]
    except (DataError, ValueError) as problem:
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


def _seconds(budget: str | int) -> int:
    """Return a budget in seconds.

    Raises:
        PlanError: if it is not a time.
    """
    try:
        return budget if isinstance(budget, int) and budget > 0 else read_span(str(budget))
    except ValueError as problem:
        raise PlanError(f"--budget: {problem}") from None


def _within_budget(
    seconds: int, request: Request, models: Sequence[str], inputs: Sequence[str], dataset: str, jobs: int, out: Path
) -> budget.Choice:
    """Return the choice of the protocol that the budget allows.

    Raises:
        BudgetError, DataError: as :func:`tinydist.reproduce.plans.budget.within`.
        PoolError: if a process ends early while it measures the pace.
        ValueError: if the data set has too few rows for it to choose among.
    """
    configs = [
        RunConfig(dataset, input, 1, 1, 1.0, model=model, seed=request.seed, layout=request.layout)
        for input in inputs
        for model in models
    ]
    try:
        return budget.within(seconds, models, inputs, jobs, out, partial(budget.measure, configs))
    except BrokenExecutor:
        raise PoolError(
            "a worker process died while the pace was measured, perhaps for lack of memory; use fewer --jobs"
        ) from None
    except TrainSizeError as problem:
        raise ValueError(
            f"--budget chooses among {LADDER[0].train_size:,} to {LADDER[-1].train_size:,} training images, and "
            f"{problem}; give --epochs and --runs instead"
        ) from None


@dataclass(frozen=True)
class _Loaded:
    """A data set as the runs will use it: its name, how it is held, how many training rows, and all that in words."""

    name: str
    layout: str
    train_size: int
    words: str


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
    in_memory = isinstance(data.x_train, np.ndarray)
    held = f"{rows} x {columns}, dense array of float32" if in_memory else repr(data.x_train)
    return _Loaded(name, data.layout, rows, held)


def _heading(configs: Sequence[RunConfig], protocol: Protocol, loaded: Sequence[_Loaded], study: Study) -> str:
    lines = []
    settings = list(dict.fromkeys(config.setting for config in configs))
    for setting in settings[:SHOWN]:
        label = protocol_label(setting, protocol.runs, protocol.runs)
        lines += [f"{label[0].upper()}{label[1:]}", protocol_notes(setting, protocol.runs)]
    if len(settings) > SHOWN:
        lines.append(f"… and {len(settings) - SHOWN} more settings")
    if left_out := sorted(set(study.datasets) - {d.name for d in loaded}) if len(loaded) > 1 else []:
        lines.append(f"Left out, as they are not here: {', '.join(left_out)} (--dataset NAME says how to get one)")
    lines.append(f"Models: {', '.join(dict.fromkeys(config.model for config in configs))}")
    lines += [f"Training rows{f' of {d.name}' if len(loaded) > 1 else ''}: {d.words}" for d in loaded]
    return "\n".join(lines)


def _default_folder(parts: Sequence[str], inputs: Sequence[str], config: RunConfig, lr: float) -> Path:
    """Return a folder for these settings, so that other settings never mix with them."""
    rows = f"{config.train_size}-{datasets.rows_are(config.dataset)}-{config.epochs}-epochs"
    changes = (
        "" if config.optimizer == "sgd" else config.optimizer,
        f"batches-of-{config.batch_size}" if config.batch_size else "",
        f"chunks-of-{config.chunk_size}" if config.chunk_size else "",
    )
    return _folder(*parts, "+".join(inputs), config.layout, rows, f"lr{lr:g}", *changes)


def _folder(*parts: str) -> Path:
    return Path("results") / "-".join(filter(None, parts))


def _pool(plan: Plan) -> AbstractContextManager[Pool]:
    if plan.scheduler is None:
        return nullcontext(LocalPool(plan.jobs))
    try:
        from tinydist.reproduce.runs.cluster import connect  # here, because dask is an extra, and slow to import
    except ImportError as problem:
        raise DataError(
            f"--scheduler needs dask.distributed ({problem}). Install it with: pip install 'tinydist[cluster]'"
        ) from None
    return connect(plan.scheduler)
