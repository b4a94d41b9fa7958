"""Benchmarks of single kernels, beside their NumPy twins and beside the peak performance of the machine.
@@ =CONV_IMAGES, SIDE
Number of images for a convolution, at most, since its twin lays out every window of all of them; and their side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinydist import datasets, kernels
from tinydist.bench.measure import Array, Machine, Timing, interleaved
from tinydist.bench.torch_convolutions import torch_convolutions
from tinydist.figures import canvas, save
from tinydist.kernels import conv, dense, distance, elementwise, loss, narrow, sparse
from tinydist.kernels.memory import empty
from tinydist.models import CONV_CHANNELS, CONV_KERNEL, CONV_POOL

HIDDEN, CLASSES = 128, 10

CONV_IMAGES, SIDE = 1000, 28
"""Images that a convolution takes at most, since its twin lays out every window of all of them; and their side."""


@dataclass(frozen=True)
class Kernel:
    """A kernel at the size it has in an epoch.

    Attributes:
        name: name of the computation.
        ours, twin: the kernel and its NumPy twin, ready to call.
        flops: multiplications, additions and the like in one call.
        nbytes: bytes that have to come from and go to memory at least, inputs and results once each.
    """

    name: str
    ours: Callable[[], object]
    twin: Callable[[], object]
    flops: float
    nbytes: float


@dataclass(frozen=True)
class KernelResult:
    """The measurements of a kernel.

    Attributes:
        name: name of the computation.
        ours, twin: times of the kernel and of its NumPy twin.
        torch: time of PyTorch for convolution and pooling, where it is installed; else None.
        gflops: GFlop/s.
        bandwidth: GB/s.
        intensity: flops per byte.
        first_call: seconds that the first call took, compilation included.
    """

    name: str
    ours: Timing
    twin: Timing
    torch: Timing | None
    gflops: float
    bandwidth: float
    intensity: float
    first_call: float


def to_time(train_size: int, threads: int | None = None) -> tuple[list[Kernel], dict[str, Callable[[], object]]]:
    """Return the kernels of an epoch over the first `train_size` images of MNIST, 784-128-10, float32.

    Convolution (8 kernels of 5 x 5) and pooling (2 x 2) are over the first thousand of them.

    Args:
        train_size: images.
        threads: for PyTorch; None to leave it out.

    Returns:
        The kernels, and PyTorch's computations of some of them, by name.
    """
    images = np.asarray(datasets.load("mnist", train_size=train_size).x_train)
    pixels = images.astype(np.uint8)
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        array = empty(shape, np.float32)
        array[...] = rng.normal(size=shape)
        return array

    n, inputs = images.shape
    w0, w1, hidden, out = random(inputs, HIDDEN), random(CLASSES, HIDDEN), random(n, HIDDEN), random(n, CLASSES)
    mu, alpha, result, start = random(CLASSES, HIDDEN), random(CLASSES, HIDDEN), random(n, HIDDEN), random(HIDDEN)
    flat, flat_result = hidden.reshape(-1), result.reshape(-1)
    labels: Array = np.asarray(rng.integers(0, CLASSES, n))
    by_row, by_column = sparse.compress(pixels), sparse.compress(np.ascontiguousarray(pixels.T))
    nonzeros = len(by_row.values)
    layer, head = 4 * n * HIDDEN, 4 * n * CLASSES  # bytes of the activations of each layer
    pairs = 2 * n * HIDDEN * CLASSES
    product = 2 * n * inputs * HIDDEN
    few = images[:CONV_IMAGES].reshape(-1, 1, SIDE, SIDE)
    weight, bias = random(CONV_CHANNELS, 1, CONV_KERNEL, CONV_KERNEL), random(CONV_CHANNELS)
    maps = conv.conv2d_numpy(few, weight, bias, 1)
    largest = conv.max_pool2d_numpy(maps, CONV_POOL)
    conv_flops, conv_bytes = 2 * maps.size * weight[0].size, few.nbytes + maps.nbytes
    pool_bytes = maps.nbytes + largest.nbytes
    dense_bytes = images.nbytes + layer
    peers = torch_convolutions(few, weight, bias, maps, largest, CONV_POOL, threads) if threads else {}
    return [
        Kernel("X W, sparse", lambda: kernels.sparse_matmul(by_row, w0, start), lambda: images @ w0 + start,
             2 * nonzeros * HIDDEN, by_row.nbytes + layer),
        Kernel("Xᵀ G, sparse", lambda: kernels.sparse_matmul_summed(by_column, hidden), lambda: images.T @ hidden,
             2 * nonzeros * HIDDEN, by_column.nbytes + layer),
        Kernel("X W, BLAS in pieces", lambda: kernels.matmul(images, w0), lambda: images @ w0, product, dense_bytes),
        Kernel("X W, blocked loop", lambda: dense.matmul_blocked_numba(images, w0), lambda: images @ w0,
             product, dense_bytes),
        Kernel("X W, plain loop", lambda: dense.matmul_numba(images, w0), lambda: images @ w0, product, dense_bytes),
        Kernel("head: H Wᵀ", lambda: narrow.narrow_linear_numba(hidden, w1), lambda: hidden @ w1.T,
               pairs, layer + head),
        Kernel("head: G W", lambda: narrow.narrow_vjp_x_numba(out, w1), lambda: out @ w1, pairs, layer + head),
        Kernel("head: Gᵀ H", lambda: narrow.narrow_vjp_weight_numba(out, hidden), lambda: out.T @ hidden,
             pairs, layer + head),
        Kernel("distance", lambda: kernels.weighted_squares(hidden, mu, alpha),
             lambda: distance.weighted_squares_numpy(hidden, mu, alpha), 2 * pairs, layer + head),
        Kernel("distance: to x", lambda: kernels.weighted_squares_vjp_x(out, hidden, mu, alpha),
             lambda: distance.weighted_squares_vjp_x_numpy(out, hidden, mu, alpha), 2 * pairs, 2 * layer + head),
        Kernel("distance: to centre", lambda: kernels.weighted_squares_vjp_center(out, hidden, mu, alpha),
             lambda: distance.weighted_squares_vjp_center_numpy(out, hidden, mu, alpha), 1.5 * pairs, layer + head),
        Kernel("distance: to weight", lambda: kernels.weighted_squares_vjp_weight(out, hidden, mu),
             lambda: distance.weighted_squares_vjp_weight_numpy(out, hidden, mu), 2 * pairs, layer + head),
        Kernel("relu", lambda: elementwise.relu_numba(flat, flat_result),
             lambda: elementwise.relu_numpy(hidden, result), n * HIDDEN, 2 * layer),
        Kernel("relu: gradient", lambda: elementwise.relu_vjp_numba(flat, flat, flat_result),
             lambda: elementwise.relu_vjp_numpy(hidden, hidden, result), n * HIDDEN, 2 * layer),
        Kernel("sum over the batch", lambda: dense.column_sums_numba(hidden), lambda: dense.column_sums_numpy(hidden),
             n * HIDDEN, layer),
        Kernel("cross-entropy", lambda: loss.softmax_cross_entropy_numba(out, labels),
             lambda: loss.softmax_cross_entropy_numpy(out, labels), 8 * n * CLASSES, 2 * head),
        Kernel("conv2d", lambda: kernels.conv2d(few, weight, bias, 1), lambda: conv.conv2d_numpy(few, weight, bias, 1),
             conv_flops, conv_bytes),
        Kernel("conv2d: to x", lambda: kernels.conv2d_vjp_x(maps, weight, few.shape, 1),
             lambda: conv.conv2d_vjp_x_numpy(maps, weight, few.shape, 1), conv_flops, conv_bytes),
        Kernel("conv2d: to weight", lambda: kernels.conv2d_vjp_weight(maps, few, weight.shape, 1),
             lambda: conv.conv2d_vjp_weight_numpy(maps, few, weight.shape, 1), conv_flops, conv_bytes),
        Kernel("max pool", lambda: kernels.max_pool2d(maps, CONV_POOL), lambda: conv.max_pool2d_numpy(maps, CONV_POOL),
             maps.size, pool_bytes),
        Kernel("max pool: gradient", lambda: kernels.max_pool2d_vjp(largest, maps, largest, CONV_POOL),
             lambda: conv.max_pool2d_vjp_numpy(largest, maps, largest, CONV_POOL), 2 * maps.size, 2 * pool_bytes),
        Kernel("average pool", lambda: kernels.avg_pool2d(maps, CONV_POOL),
             lambda: conv.avg_pool2d_numpy(maps, CONV_POOL), maps.size, pool_bytes),
        Kernel("avg. pool: gradient", lambda: kernels.avg_pool2d_vjp(largest, maps.shape, CONV_POOL),
             lambda: conv.avg_pool2d_vjp_numpy(largest, maps.shape, CONV_POOL), largest.size, pool_bytes),
    ], peers  # fmt: skip


def bench_kernels(train_size: int, repetitions: int, torch_threads: int | None = None) -> list[KernelResult]:
    """Time every kernel beside its twin, and convolution and pooling beside PyTorch.

    Args:
        train_size: images.
        repetitions: timed runs of each.
        torch_threads: threads for PyTorch; None to leave it out.
    """
    results = []
    ready, peers = to_time(train_size, torch_threads)
    for one in ready:
        began = time.perf_counter()
        one.ours()
        first_call = time.perf_counter() - began
        torch = {"torch": peers[one.name]} if one.name in peers else {}
        timings = interleaved({"ours": one.ours, "twin": one.twin, **torch}, repetitions)
        seconds = timings["ours"].median / 1e3
        results.append(
            KernelResult(
                name=one.name,
                ours=timings["ours"],
                twin=timings["twin"],
                torch=timings.get("torch"),
                gflops=one.flops / seconds / 1e9,
                bandwidth=one.nbytes / seconds / 1e9,
                intensity=one.flops / one.nbytes,
                first_call=first_call,
            )
        )
    return results


def kernel_table(results: list[KernelResult], machine: Machine) -> str:
    """Return a table with one line a kernel, with its share of the machine's peak arithmetic and bandwidth."""
    columns = "{:20} {:>20} {:>20} {:>6} {:>20} {:>8} {:>5} {:>6} {:>5} {:>11}"
    head = columns.format(
        *("kernel", "tinydist", "NumPy", "ratio", "PyTorch", "GFlop/s", "peak", "GB/s", "peak", "first call")
    )
    lines = [
        columns.format(
            r.name,
            str(r.ours),
            str(r.twin),
            f"{r.ours.median / r.twin.median:.2f}",
            str(r.torch or "–"),
            f"{r.gflops:.1f}",
            f"{r.gflops / machine.gflops:.0%}",
            f"{r.bandwidth:.1f}",
            f"{r.bandwidth / machine.bandwidth:.0%}",
            f"{r.first_call:.2f} s",
        )
        for r in results
    ]
    return "\n".join([head, *lines])


def roofline(results: list[KernelResult], machine: Machine, label: str) -> Figure:
    """Draw GFlop/s against flops per byte.

    Below the slope a kernel is limited by memory, below the flat part by arithmetic.

    Args:
        results: from :func:`bench_kernels`.
        machine: the peak performance.
        label: shown under the title.
    """
    figure = canvas(9, 5.6)
    axes = figure.subplots()
    x = np.geomspace(0.05, 200, 200)
    axes.plot(x, np.minimum(machine.gflops, x * machine.bandwidth), color="#000000", lw=1.5)
    axes.text(0.055, 0.055 * machine.bandwidth * 1.5, f"{machine.bandwidth:.0f} GB/s", rotation=33, fontsize=9)
    axes.text(60, machine.gflops * 1.08, f"{machine.gflops:.0f} GFlop/s (BLAS)", fontsize=9, ha="center")
    for number, r in enumerate(results, 1):
        color = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")[number % 4]
        axes.plot(r.intensity, r.gflops, "o", color=color)
        axes.annotate(str(number), (r.intensity, r.gflops), xytext=(5, 4), textcoords="offset points", fontsize=8.5)
    names = "\n".join(f"{number:2}  {r.name}" for number, r in enumerate(results, 1))
    axes.text(1.02, 1, names, transform=axes.transAxes, va="top", fontsize=8.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("arithmetic intensity, flops per byte that has to move")
    axes.set_ylabel("GFlop/s, float32")
    axes.grid(alpha=0.3, which="both")
    axes.set_title(f"Roofline of the kernels\n{label}", fontsize=10)
    return figure


def save_roofline(results: list[KernelResult], machine: Machine, label: str, path: Path) -> None:
    """Write the figure of :func:`roofline` to a file."""
    save(roofline(results, machine, label), path, dpi=150)
