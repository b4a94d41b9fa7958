"""Command line of ``python -m tinydist.bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tinydist.arguments import model_list, positive
from tinydist.bench.epochs import LIBRARIES, installed_libraries
from tinydist.bench.growth import as_json, bench_growth, sweeps
from tinydist.bench.growth_figure import save_growth_figure
from tinydist.bench.images import load_images
from tinydist.bench.kernels import bench_kernels, kernel_table, save_roofline
from tinydist.bench.measure import check_threads, measure_machine, threads
from tinydist.bench.processes import Job, ProcessError, take_turns
from tinydist.bench.streaming import CHUNK, bench_streaming, streaming_table
from tinydist.cores import available_cores
from tinydist.errors import DataError
from tinydist.files import write_atomically
from tinydist.models import parse_model_name
from tinydist.sparse import SparseMatrix

DESCRIPTION = """\
How fast one full-batch epoch (forward, backward, step) on MNIST with raw pixels is: with tinydist, with the same
written out in NumPy, and with PyTorch if it is installed. The three take turns, each in a process of its own; medians
and quartiles are in milliseconds, and peak memory is that of the whole process.

what to time:
  epoch      one epoch of each model
  kernels    the kernels one by one, beside their NumPy twins and what the machine can do at most; draws a roofline
  streaming  the memory of a step on images that stay on disk, beside the same in memory, while they grow tenfold
  growth     how time and memory grow with the images, the hidden units and the threads; takes minutes; draws a figure
"""
MODELS = ["ReLU", "ReLU2-Neg", "Abs2-Neg", "Abs-L2"]
DEFAULTS: dict[str, dict[str, object]] = {
    "epoch": {"models": MODELS, "repetitions": 11, "figure": None, "train_size": 60_000},
    "kernels": {"models": MODELS, "repetitions": 11, "figure": Path("results/roofline.png"), "train_size": 60_000},
    "streaming": {"models": MODELS, "repetitions": 1, "figure": None, "train_size": 20_000},
    "growth": {"models": MODELS[:1], "repetitions": 5, "figure": Path("results/growth.png"), "train_size": 60_000},
}
"""What a flag that is not given stands for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _options(arguments)
    try:
        for path in (options.json, options.figure):
            if path:
                _check_writable(path)
        results = COMMANDS[options.what](options)
        if options.json:
            write_atomically(options.json, json.dumps(results, indent=1) + "\n")
    except KeyboardInterrupt:
        print("\nStopped; the lines above are all there is, and no file was written.", file=sys.stderr)
        return 130
    except (DataError, ProcessError, ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


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
    print(f"One epoch over {train_size:,} images with {number} threads; tinydist holds the images {layout}.")
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
    """Time the kernels, print a table, draw the roofline, and return the figures by kernel."""
    label = f"{options.train_size:,} images, 784-128-10, float32, {options.threads} threads"
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
    """Measure how the cost of an epoch grows, print a table, draw it, and return the figures by row and library."""
    check_threads(options.threads)
    load_images(options.train_size)  # so that what is wrong with the data is said before minutes of work
    (model,) = options.models
    label = f"{model}; where not varied: {options.train_size:,} images, 128 hidden units, {options.threads} threads"
    print(f"How the cost of one epoch grows. {label}.")
    print(f"Times in ms, median [quartiles] of {options.repetitions} turns; MB: peak memory of the whole process;")
    print("k: the exponent of growth since the line above, time ∝ n^k. Synthetic: the same images ten times, each")
    print("time shifted by one more pixel.", flush=True)
    rows = bench_growth(sweeps(model, options.train_size, options.threads), installed_libraries(), options.repetitions)
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


COMMANDS: dict[str, Callable[[argparse.Namespace], object]] = {
    "epoch": _epochs,
    "kernels": _kernels,
    "growth": _growth,
    "streaming": _streaming,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    for flag, value in DEFAULTS[options.what].items():
        if getattr(options, flag) is None:
            setattr(options, flag, value)
    specs = {model: parse_model_name(model) for model in options.models}
    others = [model for model, spec in specs.items() if spec.conv or spec.activation not in ("ReLU", "Abs")]
    if others:
        parser.error(
            f"the peers are written out for ReLU and Abs only, without Conv-, so {', '.join(others)} cannot be compared"
        )
    if options.what == "growth" and len(options.models) > 1:
        parser.error(f"growth takes one model at a time, got {len(options.models)}: {', '.join(options.models)}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinydist.bench",
        description=DESCRIPTION,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=110),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("what", choices=COMMANDS, nargs="?", default="epoch", help="what to time (default: epoch)")
    add(
        "--models",
        type=model_list,
        metavar="A,B,…",
        help=f"models (default: {','.join(MODELS)}; growth takes one, by default {MODELS[0]})",
    )
    add(
        "--train-size",
        type=positive,
        metavar="N",
        help="training images (default: 60000; streaming: 20000); growth goes up to N, and to ten times N with "
        "synthetic ones, as streaming does",
    )
    add(
        "--threads",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="threads (default: all cores, here %(default)s); growth goes from 1 up to N",
    )
    add("--repetitions", type=positive, metavar="N", help="timed turns of each (default: 11; growth: 5)")
    add(
        "--figure",
        type=Path,
        metavar="FILE",
        help="where kernels and growth draw their figures (default: results/roofline.png, results/growth.png)",
    )
    add("--json", type=Path, metavar="FILE", help="write the results to a file")
    return parser
