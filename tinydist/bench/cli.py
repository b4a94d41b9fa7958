"""Command line of ``python -m tinydist.bench``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinydist.bench.epochs import LIBRARIES, has_peers, installed_libraries
from tinydist.bench.growth import as_json, bench_growth, variations
from tinydist.bench.growth_figure import save_growth_figure
from tinydist.bench.images import load_images
from tinydist.bench.kernels import bench_kernels, kernel_table, save_roofline
from tinydist.bench.measure import check_threads, measure_machine, threads
from tinydist.bench.processes import Job, ProcessError, take_turns
from tinydist.bench.streaming import CHUNK, bench_streaming, streaming_table
from tinydist.command_line import add_commands, add_option, command_parser, exit_status, positive, program
from tinydist.cores import available_cores
from tinydist.errors import DataError
from tinydist.figures import check_figure
from tinydist.files import check_replaceable, write_atomically
from tinydist.kernels.processor import INSTRUCTIONS
from tinydist.models import parse_model_name
from tinydist.sparse import SparseMatrix
from tinydist.tables import counted

DESCRIPTION = """\
How fast one full-batch epoch (forward, backward, step) on MNIST with raw pixels is: with tinydist, with the same
written out in NumPy, and with PyTorch if it is installed. The three take turns, each in a process of its own; medians
and quartiles are in milliseconds, and peak memory is that of the whole process. NUMBA_CPU_NAME=haswell and
NUMBA_CPU_FEATURES=+avx2,+fma make tinydist use no more than AVX2.
"""
MODELS = ["ReLU", "ReLU2-Neg", "Abs2-Neg", "Abs-L2"]
DEFAULTS: dict[str, dict[str, Any]] = {
    "epoch": {"models": MODELS, "repetitions": 11, "train_size": 60_000},
    "kernels": {"repetitions": 11, "figure": Path("results/roofline.png"), "train_size": 60_000},
    "streaming": {"train_size": 20_000},
    "growth": {"models": MODELS[:1], "repetitions": 5, "figure": Path("results/growth.png"), "train_size": 60_000},
}
"""What each command takes for an option that is not given."""
EXPECTED = (DataError, ProcessError, ValueError, OSError)
"""Errors whose message says what a user can correct."""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _options(arguments)

    def work() -> int:
        _check_models(options.what, getattr(options, "models", []))
        for path in (options.json, getattr(options, "figure", None)):
            if path:
                _check_writable(path)
        if options.json:
            check_replaceable(options.json)
        if getattr(options, "figure", None):
            check_figure(options.figure)
        results = options.run(options)
        if options.json:
            write_atomically(options.json, json.dumps(results, indent=1) + "\n")
        return 0

    return exit_status(work, EXPECTED, lambda: "Stopped; no file was written, the results so far are above.")


def _check_writable(path: Path) -> None:
    """Make the folder of a file to come, so that a wrong path is refused before minutes of work.

    Raises:
        OSError: if the folder cannot be made or written to, or the path is a folder itself.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(f"{path.parent} is a file, so {path} cannot be in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent} cannot be written to; choose another folder")


def _epochs(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    return bench_epochs(options.models, options.train_size, options.threads, options.repetitions)


def bench_epochs(models: Sequence[str], train_size: int, number: int, repetitions: int) -> dict[str, dict[str, object]]:
    """Time an epoch of each model with so many threads, print a table as it grows, and return it by model."""
    check_threads(number)
    libraries = installed_libraries()
    layout = "sparse" if isinstance(load_images(train_size)[0], SparseMatrix) else "dense"
    print(f"One epoch over {train_size:,} images with {counted(number, 'thread')} and {INSTRUCTIONS} instructions.")
    print(f"tinydist holds the images {layout}.")
    print("Times in ms, median [quartiles]; peak memory of a process in MB.")
    columns = "{:10} {:>21} {:>21} {:>21} {:>14} {:>16}"
    print(columns.format("model", *LIBRARIES.values(), "ratio to torch", "memory (torch's)"), flush=True)
    results: dict[str, dict[str, object]] = {}
    for model in models:
        measured = take_turns({name: Job(name, model, train_size, number) for name in libraries}, repetitions)
        time = {name: measured[name].time if name in measured else None for name in LIBRARIES}
        memory = {name: measured[name].memory if name in measured else None for name in LIBRARIES}
        ratio = measured["tinydist"].time.median / measured["torch"].time.median if "torch" in measured else None
        results[model] = {
            **{f"{name}_ms": timing.median if timing else None for name, timing in time.items()},
            "ratio": ratio,
            "threads": number,
            "train_size": train_size,
            "layout": layout,
            "instructions": INSTRUCTIONS,
            "peak_rss_mb": memory["tinydist"],
            "numpy_peak_rss_mb": memory["numpy"],
            "torch_peak_rss_mb": memory["torch"],
        }
        torch_memory = f" ({memory['torch']:.0f})" if memory["torch"] else ""
        shown = [str(timing or "not installed") for timing in time.values()]
        shown += ["–" if ratio is None else f"{ratio:.2f}", f"{memory['tinydist']:.0f}{torch_memory}"]
        print(columns.format(model, *shown), flush=True)
    return results


def _kernels(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Time the kernels, print a table, draw the roofline, and return the numbers by kernel."""
    label = f"{options.train_size:,} images, 784-128-10, float32, {counted(options.threads, 'thread')}, {INSTRUCTIONS}"
    with threads(options.threads):
        machine = measure_machine()
        print(f"Kernels at {label}; times in ms, median [quartiles]; ratio: tinydist to NumPy.")
        print(f"The machine: {machine.gflops:.0f} GFlop/s in a large BLAS product, {machine.bandwidth:.0f} GB/s.")
        print("The first call compiles, unless an earlier process has.", flush=True)
        results = bench_kernels(
            options.train_size, options.repetitions, options.threads if "torch" in installed_libraries() else None
        )
    print(kernel_table(results, machine))
    save_roofline(results, machine, label, options.figure)
    print(f"Roofline saved in {options.figure}")
    return {result.name: asdict(result) for result in results}


def _growth(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure how the cost of an epoch grows, print a table, draw it, and return the numbers by row and library."""
    check_threads(options.threads)
    load_images(options.train_size)  # so that what is wrong with the data is said before minutes of work
    (model,) = options.models
    number = counted(options.threads, "thread")
    label = f"{model}; where not varied: {options.train_size:,} images, 128 hidden units, {number}"
    print(f"How the cost of one epoch grows. {label}.")
    print(f"Times in ms, median [quartiles] of {options.repetitions} turns; MB: peak memory of the whole process;")
    print("k: the exponent of growth since the line above, time ∝ n^k. Synthetic: the same images ten times, each")
    print("time shifted by one more pixel.", flush=True)
    rows = bench_growth(
        variations(model, options.train_size, options.threads), installed_libraries(), options.repetitions
    )
    save_growth_figure(rows, label, options.figure)
    print(f"\nFigure saved in {options.figure}")
    return as_json(rows)


def _streaming(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure steps on images that stay on disk, print a table, and return its rows."""
    print(f"One full-batch step of ReLU2-Neg on made-up images of 32 x 32 in three colours, {CHUNK:,} at a time.")
    print("MB: peak memory of the whole process.", flush=True)
    rows = list(bench_streaming(options.train_size))
    print(streaming_table(rows))
    return [asdict(row) for row in rows]


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], object], str]] = {
    "epoch": (_epochs, "time one epoch of each model (also done if no command is given)"),
    "kernels": (
        _kernels,
        "time the kernels one by one, compared with NumPy and with the peak of the machine; draws a roofline",
    ),
    "streaming": (
        _streaming,
        "measure the memory of a step on images that stay on disk, compared with some in memory, as they grow tenfold",
    ),
    "growth": (
        _growth,
        "measure how time and memory grow with the images, the hidden units and the threads; takes minutes; draws a "
        "figure",
    ),
}


def _check_models(what: str, models: Sequence[str]) -> None:
    """Raise a ValueError unless the models can be compared with what they are timed beside."""
    specs = {model: parse_model_name(model) for model in models}
    others = [model for model, spec in specs.items() if not has_peers(spec)]
    if others:
        raise ValueError(f"NumPy and PyTorch are timed on ReLU and Abs without Conv-; leave out {', '.join(others)}")
    if what == "growth" and len(models) > 1:
        raise ValueError(f"growth takes one model at a time, got {len(models)}: {', '.join(models)}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options: those given, and the defaults of the command for the others."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    if strange := given.keys() - DEFAULTS[given["what"]].keys() - {"run", "what", "json", "threads"}:
        parser.error(f"{given['what']} does not take --{min(strange)}; leave it out")
    return argparse.Namespace(**({"json": None, "threads": available_cores()} | DEFAULTS[given["what"]] | given))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m tinydist.bench", DESCRIPTION)
    parser.set_defaults(run=_epochs, what="epoch")
    _add_options(parser, "epoch")
    add = add_commands(parser, "what to time")
    for name, (run, words) in COMMANDS.items():
        command = add(name, run, words)
        command.set_defaults(what=name)
        _add_options(command, name)
    return parser


def _add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options of one command. None has a default here, since :func:`_options` fills them in."""
    defaults, absent = DEFAULTS[what], argparse.SUPPRESS
    if "models" in defaults:
        models = ",".join(defaults["models"])
        add_option(
            parser, "models", f"{'one model' if what == 'growth' else 'models'} (default: {models})", default=absent
        )
    grows = {"growth": "; goes up to N, and to ten times N with synthetic ones", "streaming": ", and ten times N"}
    size = f"training images{grows.get(what, '')} (default: {defaults['train_size']})"
    add_option(parser, "train-size", size, default=absent)
    threads = f"threads{'; goes from 1 up to N' if what == 'growth' else ''} (default: all cores, {available_cores()})"
    add_option(parser, "threads", threads, default=absent)
    if "repetitions" in defaults:
        turns = f"timed turns of each (default: {defaults['repetitions']})"
        parser.add_argument("--repetitions", type=positive, metavar="N", default=absent, help=turns)
    if "figure" in defaults:
        figure = f"where the figure is drawn (default: {defaults['figure']})"
        parser.add_argument("--figure", type=Path, metavar="FILE", default=absent, help=figure)
    parser.add_argument("--json", type=Path, metavar="FILE", default=absent, help="write the results to a file")
