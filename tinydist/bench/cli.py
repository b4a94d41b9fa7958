"""Command line of ``python -m tinydist.bench``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from tinydist import datasets
from tinydist.arguments import model_list, positive
from tinydist.bench import measure
from tinydist.bench.epochs import Array, Epoch, numpy_epoch, tinydist_epoch, torch_epoch, torch_is_installed
from tinydist.bench.kernels import bench_kernels, kernel_table, save_roofline
from tinydist.bench.measure import interleaved, measure_machine, threads
from tinydist.cores import available_cores
from tinydist.files import write_atomically

DESCRIPTION = """\
Time one full-batch epoch (forward, backward, step) of each model on MNIST with raw pixels: tinydist, the same written
out in NumPy, and PyTorch if it is installed. The three take turns; medians and quartiles are in milliseconds. Peak
memory is that of a whole process that loads the data and trains for three epochs. "kernels" times the kernels one by
one instead, beside their NumPy twins and what the machine can do at most.
"""
MODELS = ["ReLU", "ReLU2-Neg", "Abs2-Neg", "Abs-L2"]
LIBRARIES = ["tinydist", "numpy", "torch"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.peak_memory_of:
        print(_peak_memory(options.peak_memory_of, options.models[0], options.train_size, options.threads))
        return 0
    try:
        for path in (options.json, options.figure if options.what == "kernels" else None):
            if path:
                _check_writable(path)
        if options.what == "epoch":
            results = bench_epochs(options.models, options.train_size, options.threads, options.repetitions)
        else:
            results = _kernels(options.train_size, options.threads, options.repetitions, options.figure)
        if options.json:
            write_atomically(options.json, json.dumps(results, indent=1) + "\n")
    except KeyboardInterrupt:
        print("\nStopped; the lines above are all there is, and no file was written.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as problem:
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


def _kernels(train_size: int, number: int, repetitions: int, figure: Path) -> dict[str, dict[str, object]]:
    """Time the kernels with so many threads, print a table, draw the roofline, and return the figures by kernel."""
    label = f"{train_size:,} images, 784-128-10, float32, {number} threads"
    with threads(number):
        machine = measure_machine()
        print(f"Kernels at {label}; times in ms, median [quartiles]; ratio: tinydist to NumPy.")
        print(f"The machine: {machine.gflops:.0f} GFlop/s in a large BLAS product, {machine.bandwidth:.0f} GB/s.")
        print("The first call compiles, unless an earlier process has.", flush=True)
        results = bench_kernels(train_size, repetitions)
    print(kernel_table(results, machine))
    save_roofline(results, machine, label, figure)
    print(f"Roofline saved in {figure}")
    return {result.name: asdict(result) for result in results}


def bench_epochs(models: Sequence[str], train_size: int, number: int, repetitions: int) -> dict[str, dict[str, object]]:
    """Time an epoch of each model with so many threads, print a table as it grows, and return it by model."""
    libraries = LIBRARIES if torch_is_installed() else LIBRARIES[:2]
    layout = datasets.load("mnist", train_size=train_size, layout="auto").layout
    print(f"One epoch over {train_size:,} images with {number} threads; tinydist holds the images {layout}.")
    print("Times in ms, median [quartiles]; peak memory of a process in MB.")
    columns = "{:10} {:>21} {:>21} {:>21} {:>14} {:>16}"
    print(columns.format("model", "tinydist", "NumPy", "PyTorch", "ratio to torch", "memory (torch's)"), flush=True)
    results: dict[str, dict[str, object]] = {}
    for model in models:
        with threads(number):
            epochs = {library: _epoch(library, model, train_size, number) for library in libraries}
            timings = interleaved(epochs, repetitions)
        memory = {library: _peak_memory_of_a_process(library, model, train_size, number) for library in libraries}
        ratio = timings["tinydist"].median / timings["torch"].median if "torch" in timings else None
        times = {f"{library}_ms": timings[library].median if library in timings else None for library in LIBRARIES}
        peaks = {f"{library}_peak_rss_mb": memory.get(library) for library in LIBRARIES[1:]}
        results[model] = {
            **times,
            "ratio": ratio,
            "threads": number,
            "train_size": train_size,
            "layout": layout,
            "peak_rss_mb": memory["tinydist"],
            **peaks,
        }
        shown = [str(timings[library]) if library in timings else "not installed" for library in LIBRARIES]
        torch_memory = f" ({memory['torch']:.0f})" if "torch" in memory else ""
        shown += ["–" if ratio is None else f"{ratio:.2f}", f"{memory['tinydist']:.0f}{torch_memory}"]
        print(columns.format(model, *shown), flush=True)
    return results


def _epoch(library: str, model: str, train_size: int, number: int) -> Epoch:
    """One epoch of a model by a library, which loads the data as that library takes them."""
    data = datasets.load("mnist", train_size=train_size, layout="auto" if library == "tinydist" else "dense")
    if library == "tinydist":
        return tinydist_epoch(model, data.x_train, data.y_train)
    images: Array = np.asarray(data.x_train)
    if library == "numpy":
        return numpy_epoch(model, images, data.y_train)
    return torch_epoch(model, images, data.y_train, number)


def _peak_memory_of_a_process(library: str, model: str, train_size: int, number: int) -> float:
    """Peak resident memory in MB of a fresh process that trains for three epochs."""
    sizes = ["--train-size", str(train_size), "--threads", str(number)]
    command = [sys.executable, "-m", "tinydist.bench", "epoch", "--models", model, "--peak-memory-of", library, *sizes]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_memory(library: str, model: str, train_size: int, number: int) -> float:
    with threads(number):
        epoch = _epoch(library, model, train_size, number)
        for _ in range(3):
            epoch()
    return measure.peak_memory()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinydist.bench",
        description=DESCRIPTION,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=110),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("what", choices=["epoch", "kernels"], nargs="?", default="epoch", help="what to time (default: epoch)")
    add("--models", type=model_list, default=MODELS, metavar="A,B,…", help=f"models (default: {','.join(MODELS)})")
    add("--train-size", type=positive, default=60_000, metavar="N", help="training images (default: 60000)")
    add("--threads", type=positive, default=available_cores(), metavar="N", help="threads (default: %(default)s)")
    add("--repetitions", type=positive, default=11, metavar="N", help="timed epochs of each (default: 11)")
    add(
        "--figure",
        type=Path,
        default=Path("results/roofline.png"),
        metavar="FILE",
        help="where kernels draws its roofline (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write the results to a file")
    add("--peak-memory-of", choices=LIBRARIES, help=argparse.SUPPRESS)
    return parser
