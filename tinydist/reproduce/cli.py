"""Command line of ``python -m tinydist.reproduce``: turns options into a plan, has it done, and prints the results."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tinydist import datasets
from tinydist.command_line import (
    add_commands,
    add_option,
    command_parser,
    exit_status,
    positive,
    positive_real,
    program,
    time_span,
)
from tinydist.cores import available_cores
from tinydist.datasets.options import DELIMITERS, MISSING
from tinydist.errors import DataError
from tinydist.files import check_replaceable
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.outcomes import COUNTS
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.evidence.tables_judged import judge
from tinydist.reproduce.evidence.tables_of_curves import NEEDED as NEEDED_OF_A_CURVE
from tinydist.reproduce.evidence.tables_of_curves import read_curves
from tinydist.reproduce.evidence.tables_of_runs import NEEDED, read_table
from tinydist.reproduce.plans.plan import LR_OF_TABLES, Plan, make_plan
from tinydist.reproduce.plans.request import Request
from tinydist.reproduce.plans.results import carry_out
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.report import page, page_of_tables, printout, printout_of_tables
from tinydist.reproduce.runs.export import CURVES, export, export_table
from tinydist.reproduce.runs.pool import PoolError
from tinydist.reproduce.runs.settings import LR
from tinydist.reproduce.runs.starts import OPTIMIZERS
from tinydist.reproduce.runs.status import status
from tinydist.reproduce.runs.sweep import CHECKPOINT_EVERY
from tinydist.tables import counted
from tinydist.times import duration

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
  python -m tinydist.reproduce --study dying                       when do the outputs of ReLU2 die? 30 arms
  python -m tinydist.reproduce --dataset my.csv:class --drop id    a table of your own, without its column id
  python -m tinydist.reproduce --scheduler tcp://host:8786         on the machines of a dask cluster
  python -m tinydist.reproduce status DIR                          what is done, and how long the rest will take
  python -m tinydist.reproduce report DIR                          the report on the runs that are finished
  python -m tinydist.reproduce export DIR --to tensorboard         the learning curves for TensorBoard
  python -m tinydist.reproduce judge theirs.csv ours.csv           runs of other programs, by the same rules
"""
EXPLAIN = "print every claim with its comparisons and their tests, and the paper's own contradictions, as well"
VERDICT_STYLES = {ledger.HELD: "bold green", ledger.NOT_HELD: "bold red", ledger.NOT_ENOUGH: "bold yellow"}
EXPECTED = (DataError, PoolError, ValueError, OSError)
"""Errors whose message says what a user can correct."""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 if runs failed, 2 for bad input, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is not _run:
        names = [
            field.name for field in fields(Request) if getattr(options, field.name) != parser.get_default(field.name)
        ]
        if names:
            parser.error(f"--{names[0].replace('_', '-')} is for a sweep only; leave it out, or the command after it")
    if options.explain and (options.study or options.run not in (_run, _report, _judge)):
        parser.error(
            "--explain is about the paper's claims, which only the experiment, report and judge test; leave it out"
        )
    return int(options.run(options))


def _run(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    plan: Plan | None = None

    def work() -> int:
        nonlocal plan
        plan = make_plan(Request(**{field.name: getattr(options, field.name) for field in fields(Request)}))
        print(plan.heading, flush=True)
        results = carry_out(plan)
        _show(f"\n{results.text}\n")
        if options.explain:
            print(f"{results.evidence}\n", flush=True)
        files = ", ".join(str(file.relative_to(plan.out)) for file in [*results.files, plan.out / "results.csv"])
        print(f"{duration(time.perf_counter() - start)}. Saved in {plan.out}: {files}")
        return 1 if results.failures and not options.study else 0  # a study's failures are among its findings

    def stopped() -> str:
        if plan is None:
            return "Stopped before any run began."
        return f"Stopped. {plan.saved}; the same command goes on from there."

    return exit_status(work, EXPECTED, stopped)


def _show(text: str) -> None:
    """Print results; on a terminal with the headings of verdicts in colour, unless NO_COLOR is set."""
    console = Console()
    if console.is_terminal:
        styled = Text(text)
        for result, style in VERDICT_STYLES.items():
            styled.highlight_regex(rf"(?m)^{result.upper()}: .*$", style)
        console.print(styled, soft_wrap=True)
    else:
        print(text, flush=True)


def _status(options: argparse.Namespace) -> int:
    def work() -> int:
        print(status(options.folder))
        return 0

    return exit_status(work, EXPECTED)


def _report(options: argparse.Namespace) -> int:
    def work() -> int:
        records = page.finished_records(options.folder)
        _show(f"{printout.protocols(records)}\n\n{printout.brief(records)}\n")
        if options.explain:
            print(f"{printout.evidence(records)}\n", flush=True)
        print(f"Saved: {page.write_page(options.folder, records, available_cores())}")
        return 0

    return exit_status(work, EXPECTED, lambda: "Stopped; the page is as it was before.")


def _judge(options: argparse.Namespace) -> int:
    def work() -> int:
        twice = [path for path, count in Counter(path.resolve() for path in options.tables).items() if count > 1]
        if twice:
            raise DataError(f"{twice[0]} is given twice; give each table once")
        if options.page and options.page.is_dir():
            raise IsADirectoryError(
                f"--out: {options.page} is a folder; name a file, such as {options.page / page.PAGE}"
            )
        if options.page:
            check_replaceable(options.page)
        if len(options.curves) > len(options.tables):
            ours, theirs = counted(len(options.curves), "table"), counted(len(options.tables), "table")
            raise ValueError(f"--curves: got {ours} for {theirs} of runs; give one for each, in the same order")
        tables = {str(path): read_table(path) for path in options.tables}
        pairs = zip(options.curves, tables.items(), strict=False)
        read = {name: read_curves(path, table) for path, (name, table) in pairs}
        judged = judge(tables, {name: curves for name, (curves, _) in read.items()})
        _show(printout_of_tables.in_words(judged, tables, options.explain))
        for name, (_, left_out) in read.items():
            if left_out:
                print(f"\nCurves left out, as {name} has no successful run of them: {'; '.join(left_out)}")
        if options.page:
            print(f"\nSaved: {page_of_tables.write_page(options.page, judged, tables)}")
        return 0

    return exit_status(work, EXPECTED)


def _export(options: argparse.Namespace) -> int:
    def work() -> int:
        if options.to == "csv":
            path = options.exported or options.folder / CURVES
            print(f"Runs exported to {path}: {export_table(options.folder, path)}.")
        else:
            logdir = options.exported or options.folder / options.to
            written = export(options.folder, logdir)
            print(f"Runs exported to {logdir}: {len(written)}. To see them: tensorboard --logdir {logdir}")
        return 0

    return exit_status(work, EXPECTED)


def _parser() -> argparse.ArgumentParser:
    protocols = "\n".join(f"  {name:10}{protocol}" for name, protocol in PROTOCOLS.items())
    parser = command_parser("python -m tinydist.reproduce", DESCRIPTION + protocols, EPILOG)
    parser.set_defaults(run=_run)
    _add_run_options(parser)
    add = add_commands(parser, "commands for a results folder")
    for name, run, words, details in (
        (
            "status",
            _status,
            "show what is done, and how long the rest will take",
            "Show which runs in a results folder are finished, running, half done, not begun or failed, and how long "
            "the rest will take at the speed so far. Changes nothing; works while the runs are going on, too.",
        ),
        (
            "report",
            _report,
            "judge the finished runs and write the report",
            "Judge the finished runs in a results folder, analyse their trained weights, print the verdicts and write "
            "report.html and figures/ there, with more figures than a sweep draws. Works while others are going on.",
        ),
        (
            "export",
            _export,
            "write the learning curves for another program",
            "Write the learning curve of every run in a results folder, finished or not, for another program to show. "
            "Changes no run; works while they are going on, too. Later exports replace earlier ones.",
        ),
    ):
        command = add(name, run, words, description=details, formatter_class=argparse.HelpFormatter)
        command.add_argument("folder", type=Path, metavar="DIR", help="results folder")
        if run is _report:
            _add_explain(command)
    command.add_argument(
        "--to", choices=["tensorboard", "csv"], required=True, help="the program; csv: a table, a line a measurement"
    )
    command.add_argument(
        "--out",
        dest="exported",
        type=Path,
        metavar="PATH",
        help=f"the folder, or the table, to write (default: DIR/tensorboard, DIR/{CURVES})",
    )
    judging = add(
        "judge",
        _judge,
        "judge runs of any program, from tables",
        description="Judge the runs in tables, whatever program did them, by the rules of the report. A table is a CSV "
        f"file with a line for each run and the columns {', '.join(NEEDED)} (in percent). Others are optional: "
        f"{', '.join(COUNTS)}, dataset (default: mnist), status (ok, or how the run failed), and those of results.csv "
        "that say how it was trained. Several tables, and several settings in one, are judged each on its own, and "
        "shown side by side.",
        usage="%(prog)s FILE.csv [FILE.csv ...] [--curves CURVES.csv [CURVES.csv ...]] [--out PAGE.html] [--explain]",
        formatter_class=argparse.HelpFormatter,
    )
    judging.add_argument("tables", type=Path, nargs="+", metavar="FILE.csv", help="a table of runs")
    judging.add_argument(
        "--curves",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="CURVES.csv",
        help="behind the tables, learning curves: a table for each table of runs, or for the first ones, in order, as "
        f"export DIR --to csv writes it, with the columns {', '.join(NEEDED_OF_A_CURVE)} and those that tell the runs "
        "apart; then verdicts say what still moves, and the page shows the curves side by side",
    )
    judging.add_argument(
        "--out", type=Path, dest="page", metavar="PAGE.html", help="write a page like report.html as well, a new file"
    )
    _add_explain(judging)
    return parser


def _add_explain(command: argparse.ArgumentParser) -> None:
    """Add --explain, which may stand before the command as well."""
    command.add_argument("--explain", action="store_true", default=argparse.SUPPRESS, help=EXPLAIN)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
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
        "the outputs of ReLU2 die; overshoot asks whether one number, before the first step, says so; lead asks "
        "whether OffsetL2 is ahead by its layer or by its start and step; datasets, tabular and sequential set "
        "OffsetL2 beside the plain models and scikit-learn's classifiers on images, tables and time series; in place "
        "of --models and of the report on the paper's claims",
    )
    add_option(
        parser,
        "models",
        "models by name, [Conv-]Act[2][-L2][-Neg][-Bias] with Act ReLU, Abs, GELU, SiLU or others; Conv- puts a "
        "convolution in front (default: the paper's ten without -Bias)",
    )
    add("--runs", type=positive, metavar="N", help="runs of each model (default: the protocol's)")
    add_option(parser, "epochs", "passes over the images (default: the protocol's)")
    add_option(parser, "train-size", "use the first N training images (default: the protocol's)")
    add_option(
        parser,
        "input",
        "raw: pixels 0..255, which the author's program fed; unit: 0..1; normalized: zero mean, unit variance, "
        "which the paper describes (default: raw, normalized for tables and series, or the study's); of several, each "
        "is run and judged on its own",
    )
    add_option(parser, "lr", f"learning rate (default: {LR}, {LR_OF_TABLES} for tables and series, or the study's)")
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
    add_option(parser, "seed", "first seed; runs use N, N+1, … (default: 0)")
    add("--explain", action="store_true", help=f"{EXPLAIN}; report.html has them, too")
    add("--out", type=Path, metavar="DIR", help="results folder (default: results/ and the settings)")
    where = parser.add_mutually_exclusive_group()
    add_option(
        where,
        "jobs",
        f"runs, and then figures, at a time, each with its share of the cores (default: one a core, here "
        f"{available_cores()})",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="have the runs done by the workers of this dask scheduler, such as tcp://host:8786, instead of here; they "
        "need tinydist with its data, one thread each (dask worker ADDRESS --nworkers 2 --nthreads 1), and DIR at the "
        "same path; whoever can reach a tcp:// address can run programs there, so keep it inside a network that you "
        "trust, or use tls:// with certificates (see distributed.comm.tls in dask's settings)",
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
        help="save the state of every run each S seconds, the most work that can be lost (default: %(default)g)",
    )
    add(
        "--no-report",
        dest="report",
        action="store_false",
        help="leave out the analyses of trained weights, the figures and report.html; report DIR makes them later",
    )
    add(
        "--dataset",
        metavar="NAME|PATH",
        help=f"one of {', '.join(datasets.SOURCES)}; or {datasets.PATHS} (default: mnist, or the study's)",
    )
    tables = parser.add_argument_group("options for a table of your own, FILE.csv:COLUMN or FILE.arff:COLUMN")
    tables.add_argument("--drop", metavar="A,B,…", help="leave out these columns")
    tables.add_argument(
        "--missing",
        choices=MISSING,
        help="missing values: refuse the table, drop the rows that have some, or fill in the column's mean over the "
        "training rows (default: refuse)",
    )
    tables.add_argument(
        "--delimiter",
        metavar="CHARACTER",
        help=f"what separates cells: one character, or {', '.join(DELIMITERS)} (default: recognised; a comma in .arff)",
    )
    tables.add_argument(
        "--decimal",
        choices=[".", ","],
        metavar="CHARACTER",
        help="the decimal point of its numbers, a point or a comma (default: recognised; a point in .arff)",
    )
    tables.add_argument(
        "--test-file",
        type=Path,
        metavar="FILE.csv",
        help="test on the rows of this file, which has the same columns (default: 30%% of the table, by the seed)",
    )
