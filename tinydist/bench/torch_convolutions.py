"""Convolution and pooling by PyTorch, for the bench of the kernels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from tinydist.bench.measure import Array


def torch_convolutions(
    x: Array, weight: Array, bias: Array, maps: Array, pooled: Array, size: int, threads: int
) -> dict[str, Callable[[], object]]:
    """Return PyTorch's versions of our kernels, by their names in the bench, ready to call.

    Args:
        x, weight, bias: of the convolution.
        maps: output of the convolution, also used as its gradient.
        pooled: output of max pooling, also used as its gradient.
        size: side of a pooling window in pixels.
        threads: for PyTorch.
    """
    torch: Any = importlib.import_module("torch")  # optional, and slow to import
    torch.set_num_threads(threads)
    functional = torch.nn.functional
    images, kernels, offsets, values, largest = map(torch.from_numpy, (x, weight, bias, maps, pooled))
    leaf = values.clone().requires_grad_()
    by_max, by_mean = functional.max_pool2d(leaf, size), functional.avg_pool2d(leaf, size)

    def back(y: Any) -> Callable[[], object]:
        return lambda: torch.autograd.grad(y, leaf, largest, retain_graph=True)

    return {
        "conv2d": lambda: functional.conv2d(images, kernels, offsets),
        "conv2d: to x": lambda: torch.nn.grad.conv2d_input(images.shape, kernels, values),
        "conv2d: to weight": lambda: torch.nn.grad.conv2d_weight(images, kernels.shape, values),
        "max pool": lambda: functional.max_pool2d(values, size),
        "max pool: gradient": back(by_max),
        "average pool": lambda: functional.avg_pool2d(values, size),
        "avg. pool: gradient": back(by_mean),
    }
