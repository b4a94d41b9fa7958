"""Command line of ``python -m tinydist.reproduce``."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.arguments import input_list, model_list, not_negative, positive, positive_real, time_span, written_span
from tinydist.batches import MEASURED_ROWS
from tinydist.cores import available_cores
from tinydist.errors import DataError, TrainSizeError
from tinydist.models import PAPER_MODELS, build_model, parse_model_name
from tinydist.reproduce.evidence.protocols import LADDER, PROTOCOLS, Protocol
from tinydist.reproduce.plans import budget
from tinydist.reproduce.report import page, printout
from tinydist.reproduce.report.page import write_page
from tinydist.reproduce.runs import export, status
from tinydist.reproduce.runs.pool import LocalPool, Pool, PoolError
from tinydist.reproduce.runs.records import CHECKPOINT, RunRecord, is_finished, write_csv
from tinydist.reproduce.runs.run import load_data
from tinydist.reproduce.runs.settings import LR, RunConfig
from tinydist.reproduce.runs.starts import OPTIMIZERS
from tinydist.reproduce.runs.sweep import CHECKPOINT_EVERY, sweep
from tinydist.reproduce.studies import activations, dying, other_data
from tinydist.reproduce.studies.study import Study, as_it_is

DESCRIPTION = """\
Rerun "Neural Networks Learn Distance Metrics" (arXiv 2502.02103): train the paper's models by full-batch gradient
descent on real MNIST, print a table beside the published numbers, and say which of the paper's claims held.

protocols:
"""
EPILOG = """\
Results go to DIR: report.html (verdicts, figures and all numbers on one page), figures/, results.csv (a row a run) and
runs/ (a folder a run, with its learning curve and trained weights). Stop it at any time, by Ctrl-C or however: the same
command goes on from there.

examples:
  python -m tinydist.reproduce                                     the quick protocol, all ten models
  python -m tinydist.reproduce --models ReLU2,ReLU2-Neg --runs 10  two models, ten seeds each
  python -m tinydist.reproduce --input raw,normalized              the author's input and the one the paper describes
  python -m tinydist.reproduce --budget 2h                         as much as should be done in two hours
  python -m tinydist.reproduce --study activations                 GELU, SiLU, Tanh and others beside ReLU and Abs
  python -m tinydist.reproduce --study dying                       is it intensity, or the step? 28 arms
  python -m tinydist.reproduce --dataset my.csv:class --input normalized --lr 0.1     a table of your own
  python -m tinydist.reproduce --scheduler tcp://host:8786         on the machines of a dask cluster
  python -m tinydist.reproduce status DIR                          what is done, and how long the rest will take
  python -m tinydist.reproduce report DIR                          the report on the runs that are finished
  python -m tinydist.reproduce export DIR --to tensorboard         the learning curves for TensorBoard
"""
SHOWN = 6
"""Settings that are told before the runs begin, at most."""
COMMANDS = {"status": status.main, "report": page.main, "export": export.main}
NOT_WITH_BUDGET = (
    *("protocol", "epochs", "train_size", "runs", "scheduler"),
    *("optimizer", "batch_size", "chunk_size"),
)
"""The options that do not go with --budget, which chooses sizes by the pace of full-batch descent on this machine."""


def _write_report(records: Sequence[RunRecord], out: Path) -> tuple[str, list[Path]]:
    return printout.printed(records), [write_page(out, page.finished_records(out))]


THE_PAPER = Study(models=PAPER_MODELS, write=_write_report)
STUDIES = {"activations": activations.STUDY, "dying": dying.STUDY, **other_data.STUDIES}
"""The experiments beyond the paper, by name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 if runs failed, 2 for bad input, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and (command := COMMANDS.get(arguments[0])):
        return command(arguments[1:])
    options = _options(arguments)
    start = time.perf_counter()
    try:  # first of all, so that damaged data are refused before any work
        options.experiment.check()
        protocol = _protocol(options)
        loaded = [_look_at(name, options, protocol) for name in options.datasets]
    except KeyboardInterrupt:
        print("\nStopped before any run began.", file=sys.stderr)
        return 130
    except BrokenExecutor:
        print(
            "error: a worker process died while the pace was measured, perhaps for lack of memory; use fewer --jobs",
            file=sys.stderr,
        )
        return 2
    except (DataError, ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    configs = _configs(options, protocol, loaded)
    out = options.out or _default_folder(options, configs[0])
    try:
        with _pool(options) as pool:
            out.mkdir(parents=True, exist_ok=True)
            write_csv(out)
            print(_heading(configs, protocol, loaded, options, out), flush=True)
            records = sweep(configs, out, pool, options.checkpoint_every)
        if options.no_report:
            told, written = printout.printed(records), []
        else:
            told, written = options.experiment.write(records, out)
        print(f"\n{told}\n", flush=True)
    except KeyboardInterrupt:
        print(f"\nStopped. {_saved(configs, out)}; the same command goes on from there.", file=sys.stderr)
        return 130
    except (DataError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except PoolError as problem:
        print(
            f"error: {problem}. {_saved(configs, out)}; the same command goes on from there.",
            file=sys.stderr,
        )
        return 2
    except OSError as problem:
        print(
            f"error: {problem}. {_saved(configs, out)}; "
            "once that is mended (free space? permissions?), the same command goes on from there.",
            file=sys.stderr,
        )
        return 2
    print(f"{time.perf_counter() - start:.0f} s. Saved: {', '.join(map(str, [out / 'results.csv', *written]))}")
    return 1 if printout.failures(records) and not options.study else 0  # a study's failures are among its findings


def _pool(options: argparse.Namespace) -> AbstractContextManager[Pool]:
    if options.scheduler is None:
        return nullcontext(LocalPool(options.jobs or available_cores()))
    try:
        from tinydist.reproduce.runs.cluster import connect  # here, because dask is an extra, and slow to import
    except ImportError as problem:
        raise DataError(
            f"--scheduler needs dask.distributed ({problem}). Install it with: pip install 'tinydist[cluster]'"
        ) from None
    return connect(options.scheduler)


@dataclass(frozen=True)
class _Loaded:
    """A data set as the runs will find it: its name, how it is held, how many training rows, and all that in words."""

    name: str
    layout: str
    train_size: int
    told: str


def _look_at(name: str, options: argparse.Namespace, protocol: Protocol) -> _Loaded:
    try:
        data = load_data(name, options.input[0], protocol.train_size, options.layout)
    except TrainSizeError as problem:
        if options.train_size:  # not more than there are, unless the user has asked for them
            raise
        data = load_data(name, options.input[0], problem.there, options.layout)
    rows, columns = data.x_train.shape
    for model in options.models:
        try:  # before any work
            build_model(model, columns, image_shape=data.image_shape)
        except ValueError as problem:
            raise ValueError(f"{model} does not fit {name}: {problem}") from None
    in_memory = isinstance(data.x_train, np.ndarray)
    held = f"{rows} x {columns}, dense array of float32" if in_memory else repr(data.x_train)
    return _Loaded(name, data.layout, rows, held)


def _heading(
    configs: Sequence[RunConfig],
    protocol: Protocol,
    loaded: Sequence[_Loaded],
    options: argparse.Namespace,
    out: Path,
) -> str:
    models = ", ".join(dict.fromkeys(config.model for config in configs))
    lines = []
    settings = list(dict.fromkeys(config.setting for config in configs))
    for setting in settings[:SHOWN]:
        label = printout.protocol_label(setting, protocol.runs, protocol.runs)
        lines += [f"{label[0].upper()}{label[1:]}", printout.protocol_notes(setting, protocol.runs)]
    if len(settings) > SHOWN:
        lines.append(f"… and {len(settings) - SHOWN} more settings")
    if left_out := sorted(set(options.experiment.datasets) - {d.name for d in loaded}) if len(loaded) > 1 else []:
        lines.append(f"Left out, as they are not here: {', '.join(left_out)} (--dataset NAME says how to get one)")
    lines.append(f"Models: {models}")
    lines += [f"Training rows{f' of {d.name}' if len(loaded) > 1 else ''}: {d.told}" for d in loaded]
    return "\n".join([*lines, f"Results: {out}"])


def _saved(configs: Sequence[RunConfig], out: Path) -> str:
    finished = sum(is_finished(config, out) for config in configs)
    half_done = sum((config.folder(out) / CHECKPOINT).exists() and not is_finished(config, out) for config in configs)
    return f"{finished} of {len(configs)} runs are finished and {half_done} half done in {out}"


def _configs(options: argparse.Namespace, protocol: Protocol, loaded: Sequence[_Loaded]) -> list[RunConfig]:
    """All runs, seed by seed, so that an interrupted sweep has some of every model."""
    return [
        variant
        for seed in range(options.seed, options.seed + protocol.runs)
        for data in loaded
        for input in options.input
        for model in options.models
        for variant in options.experiment.variants(
            RunConfig(
                model=model,
                seed=seed,
                dataset=data.name,
                input=input,
                layout=data.layout,
                train_size=data.train_size,
                epochs=protocol.epochs,
                lr=options.lr,
                optimizer=options.optimizer or "sgd",
                batch_size=options.batch_size,
                chunk_size=options.chunk_size,
                arm=data.name if len(loaded) > 1 else "",
            )
        )
    ]


def _protocol(options: argparse.Namespace) -> Protocol:
    if options.budget:
        return _protocol_within_budget(options)
    chosen = PROTOCOLS[options.protocol] if options.protocol else options.experiment.protocol
    return Protocol(
        train_size=options.train_size or chosen.train_size,
        epochs=options.epochs or chosen.epochs,
        runs=options.runs or chosen.runs,
    )


def _protocol_within_budget(options: argparse.Namespace) -> Protocol:
    """The protocol that the budget allows, after saying which and why."""
    pace = partial(budget.measure, options.datasets[0], options.layout, options.models, options.input)
    jobs = options.jobs or available_cores()
    try:
        choice = budget.within(options.budget, options.models, options.input, jobs, options.out, pace)
    except TrainSizeError as problem:
        raise ValueError(
            f"--budget chooses among {LADDER[0].train_size:,} to {LADDER[-1].train_size:,} training images, and "
            f"{problem}; give --epochs and --runs instead"
        ) from None
    print(textwrap.fill(choice.reason, printout.WIDTH, break_long_words=False, break_on_hyphens=False), flush=True)
    return choice.protocol


def _budget_folder(options: argparse.Namespace) -> Path:
    """A folder named without the protocol, so that the same command finds the one that it has chosen before."""
    return _folder(options, options.layout, f"budget-{written_span(options.budget)}")


def _default_folder(options: argparse.Namespace, config: RunConfig) -> Path:
    """A folder for these settings, so that other settings never mix with them."""
    return _folder(
        options,
        config.layout,
        f"{config.train_size}-{datasets.rows_are(config.dataset)}-{config.epochs}-epochs",
        _steps(config),
    )


def _folder(options: argparse.Namespace, layout: str, sizes: str, steps: str = "") -> Path:
    experiment = [options.study] if options.study else []
    data = map(datasets.short_name, options.datasets) if len(options.datasets) == 1 else []
    parts = [*experiment, *data, "+".join(options.input), layout, sizes, f"lr{options.lr:g}{steps}"]
    return Path("results") / "-".join(parts)


def _steps(config: RunConfig) -> str:
    """What the steps have that the paper's have not, as the end of a folder's name."""
    parts = [
        "" if config.optimizer == "sgd" else f"-{config.optimizer}",
        f"-batches-of-{config.batch_size}" if config.batch_size else "",
        f"-chunks-of-{config.chunk_size}" if config.chunk_size else "",
    ]
    return "".join(parts)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    study = options.experiment = STUDIES.get(options.study, THE_PAPER)
    if options.study:
        if options.models:
            parser.error(f"--study {options.study} has its own models; leave out --models or --study")
        if options.no_report:
            parser.error(
                f"--study {options.study} writes its own results in place of the report; leave out --no-report"
            )
        if options.budget and (len(study.datasets) > 1 or study.variants is not as_it_is):
            parser.error(
                f"--study {options.study} has arms whose pace --budget cannot foresee; give --epochs and --runs instead"
            )
    options.models = options.models or list(study.models)
    options.datasets = [options.dataset] if options.dataset else study.datasets_here()
    options.input = options.input or list(study.inputs)
    options.lr = options.lr or study.lr
    if options.budget:
        given = [f"--{name.replace('_', '-')}" for name in NOT_WITH_BUDGET if getattr(options, name) is not None]
        if given:
            parser.error(
                "--budget chooses the sizes of the experiment by the pace of full-batch gradient descent on this "
                f"machine; leave out {', '.join(given)} or --budget"
            )
        options.out = options.out or _budget_folder(options)
    try:
        streamed = [name for name in options.datasets if datasets.is_streamed(name)]
    except (DataError, ValueError) as problem:
        parser.error(str(problem))
    if streamed and options.budget:
        parser.error(f"{streamed[0]} stays on disk, where --budget cannot foresee the pace; give --epochs and --runs")
    if streamed and not options.batch_size:
        options.chunk_size = options.chunk_size or MEASURED_ROWS
    if options.batch_size or options.chunk_size:
        if options.layout == "sparse":
            parser.error(
                "--layout sparse holds all images as one matrix, which --batch-size and --chunk-size cannot cut"
            )
        options.layout = "dense"
    if any(parse_model_name(model).conv for model in options.models):
        if options.layout == "sparse":
            parser.error("--layout sparse holds rows that only a linear layer can read, not a convolution (Conv-)")
        options.layout = "dense"
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinydist.reproduce",
        description=DESCRIPTION + "\n".join(f"  {name:10}{protocol}" for name, protocol in PROTOCOLS.items()),
        epilog=EPILOG,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=110),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--protocol", choices=PROTOCOLS, help="sizes of the experiment (default: quick)")
    add(
        "--budget",
        type=time_span,
        metavar="TIME",
        help="a time such as 90m, 2h, 1h30m or 2d: measure how fast training is here, and take the largest of ten "
        "protocols from quick to extended that should be done by then; in place of --protocol, --train-size, "
        "--epochs and --runs",
    )
    add(
        "--study",
        choices=STUDIES,
        help="beyond the paper: activations runs every activation under the paper's constraints, and says which "
        "property goes with collapse; dying varies input scale, learning rate, width and initialisation, and says when "
        "the outputs of ReLU2 die; datasets, tabular and sequential set OffsetL2 beside the plain models and "
        "scikit-learn's classifiers on images, tables and time series; in place of --models and of the report on the "
        "paper's claims",
    )
    add(
        "--models",
        type=model_list,
        metavar="A,B,…",
        help="models by name, [Conv-]Act[2][-L2][-Neg][-Bias] with Act ReLU, Abs, GELU, SiLU or others; Conv- puts a "
        "convolution in front (default: the paper's ten without -Bias)",
    )
    add("--runs", type=positive, metavar="N", help="runs of each model (default: the protocol's)")
    add("--epochs", type=positive, metavar="N", help="passes over the images (default: the protocol's)")
    add("--train-size", type=positive, metavar="N", help="use the first N training images (default: the protocol's)")
    add(
        "--input",
        type=input_list,
        metavar="I,J,…",
        help="raw: pixels 0..255, which the author's program fed; unit: 0..1; normalized: zero mean, unit variance, "
        "which the paper describes (default: raw, or the study's); of several, each is run and judged on its own",
    )
    add("--lr", type=positive_real, metavar="R", help=f"learning rate (default: {LR}, or the study's)")
    add(
        "--optimizer",
        choices=OPTIMIZERS,
        help="sgd: gradient descent, as in the paper; momentum: with momentum 0.9; adam (default: sgd)",
    )
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="take a step on every N images, in another order each epoch (default: one step an epoch on all images)",
    )
    steps.add_argument(
        "--chunk-size",
        type=positive,
        metavar="N",
        help="compute the one step an epoch N images at a time, which takes less memory and rounds differently",
    )
    add("--seed", type=not_negative, default=0, metavar="N", help="first seed; runs use N, N+1, … (default: 0)")
    add("--out", type=Path, metavar="DIR", help="results folder (default: results/ and the settings)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help=f"runs at a time, each with its share of the cores (default: one a core, here {available_cores()})",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="have the runs done by the workers of this dask scheduler, such as tcp://host:8786, instead of here; they "
        "need tinydist with its data, one thread each (dask worker ADDRESS --nworkers 2 --nthreads 1), and DIR at the "
        "same path",
    )
    add(
        "--layout",
        choices=datasets.LAYOUTS,
        default="auto",
        help="how images are held: dense, or sparse (non-zero pixels only); auto takes the faster one for the data; "
        "results agree within rounding (default: auto)",
    )
    add(
        "--checkpoint-every",
        type=positive_real,
        default=CHECKPOINT_EVERY,
        metavar="S",
        help="save the state of every run each S seconds, so that no more is ever lost (default: %(default)g)",
    )
    add(
        "--no-report",
        action="store_true",
        help="leave out the analyses of trained weights, the figures and report.html; report DIR makes them later",
    )
    add(
        "--dataset",
        metavar="NAME|PATH",
        help=f"one of {', '.join(datasets.SOURCES)}; or {datasets.PATHS} (default: mnist, or the study's)",
    )
    return parser
