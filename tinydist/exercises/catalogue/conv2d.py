"""Exercise conv2d: a convolution and its two gradient rules."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinydist import ops
from tinydist.exercises.probes import Array, OpCase, numbers, op_cases
from tinydist.exercises.rubric import Mistake, Rubric
from tinydist.kernels import conv
from tinydist.ops import Result
from tinydist.tensor import Tensor


def conv2d(  # only x and weight count
    x: Array,
    weight: Array,
    bias: Array | None = None,  # noqa: ARG001
    stride: int = 1,  # noqa: ARG001
    padding: int = 0,  # noqa: ARG001
) -> Result:
    kh, kw = weight.shape[2:]
    rows, columns = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    y = np.empty((len(x), len(weight), rows, columns), dtype=x.dtype)
    for r, s in np.ndindex(rows, columns):
        y[:, :, r, s] = np.einsum("ncij,ocij->no", x[:, :, r : r + kh, s : s + kw], weight)

    def rule_x(g: Array) -> Array:
        gradient = np.zeros_like(x)
        for r, s in np.ndindex(rows, columns):
            gradient[:, :, r : r + kh, s : s + kw] += np.einsum("no,ocij->ncij", g[:, :, r, s], weight)
        return gradient

    def rule_weight(g: Array) -> Array:
        gradient = np.zeros_like(weight)
        for r, s in np.ndindex(rows, columns):
            gradient += np.einsum("no,ncij->ocij", g[:, :, r, s], x[:, :, r : r + kh, s : s + kw])
        return gradient

    return y, (rule_x, rule_weight)


IMAGE = numbers(1, 1, 1, 3, 3)
WEIGHT = numbers(2, 1, 1, 2, 2)

CASES = op_cases(
    conv2d,
    OpCase({"x": np.array([[[[3.0]]]]), "weight": np.array([[[[-2.0]]]])}, why="one pixel, under one number"),
    OpCase({"x": numbers(3, 1, 1, 2, 3), "weight": np.array([[[[-2.0]]]])}, why="a kernel of one number"),
    OpCase({"x": IMAGE[:, :, :2, :2], "weight": WEIGHT}, why="a kernel as large as the image"),
    OpCase({"x": IMAGE, "weight": WEIGHT}, why="one image, one channel, one kernel"),
    OpCase({"x": IMAGE, "weight": WEIGHT}, g=-numbers(4, 1, 1, 2, 2, low=1, high=3), why="a negative g"),
    OpCase({"x": IMAGE, "weight": numbers(5, 1, 1, 1, 2)}, why="a kernel of one row"),
    OpCase({"x": IMAGE, "weight": numbers(6, 1, 1, 3, 1)}, why="a kernel of one column"),
    OpCase({"x": numbers(7, 1, 1, 5, 3), "weight": numbers(8, 1, 1, 2, 3)}, why="a kernel as wide as the image"),
    OpCase({"x": numbers(9, 1, 1, 3, 6), "weight": WEIGHT}, why="a wide image"),
    OpCase({"x": numbers(10, 1, 1, 6, 6), "weight": numbers(11, 1, 1, 3, 3)}, why="pixels that lie in nine windows"),
    OpCase({"x": IMAGE * (IMAGE > 0), "weight": WEIGHT * np.eye(2)}, why="zeros"),
    OpCase({"x": numbers(12, 3, 1, 3, 3), "weight": WEIGHT}, why="three images"),
    OpCase({"x": numbers(13, 1, 3, 3, 3), "weight": numbers(14, 1, 3, 2, 2)}, why="three channels"),
    OpCase({"x": IMAGE, "weight": numbers(15, 3, 1, 2, 2)}, why="three kernels"),
    OpCase({"x": numbers(16, 2, 2, 3, 3), "weight": numbers(17, 2, 2, 2, 2)}, why="two of everything"),
    OpCase(
        {"x": np.array([1e-15, 2e15, 1.0]).reshape(3, 1, 1, 1), "weight": np.array([9e15, 1e-15]).reshape(2, 1, 1, 1)},
        g=np.array([1e15, 3.0, 1e-15, 5.0, 0.0, 5.0]).reshape(3, 2, 1, 1),
        why="small and large numbers",
        atol=0,
    ),
    OpCase({"x": numbers(18, 2, 3, 4, 5), "weight": numbers(19, 4, 3, 2, 3)}, why="three channels, four kernels"),
)


def _windows(x: Array, weight: Array) -> Array:
    return sliding_window_view(x, weight.shape[2:], axis=(2, 3))


def _correlate(x: Array, weight: Array) -> Array:
    return np.einsum("ncrsij,ocij->nors", _windows(x, weight), weight)


def _turned(weight: Array) -> Array:
    return weight[:, :, ::-1, ::-1]


def _widened(g: Array, weight: Array) -> Array:
    kh, kw = weight.shape[2:]
    return np.pad(g, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))


def _to_x(g: Array, weight: Array) -> Array:
    return _correlate(_widened(g, weight), _turned(weight).swapaxes(0, 1))


def _to_weight(g: Array, x: Array, weight: Array) -> Array:
    return np.einsum("ncrsij,nors->ocij", _windows(x, weight), g)


def _rules(x: Array, weight: Array, rule_x: Any = None, rule_weight: Any = None) -> Result:
    to_x, to_weight = lambda g: _to_x(g, weight), lambda g: _to_weight(g, x, weight)
    return _correlate(x, weight), (rule_x or to_x, rule_weight or to_weight)


def conv2d_turned_forward(x: Array, weight: Array) -> Result:
    turned = _turned(weight)
    return _correlate(x, turned), (lambda g: _to_x(g, turned), lambda g: _turned(_to_weight(g, x, turned)))


def conv2d_not_turned_for_x(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_x=lambda g: _correlate(_widened(g, weight), weight.swapaxes(0, 1)))


def conv2d_not_widened(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_x=lambda g: _correlate(g, _turned(weight).swapaxes(0, 1)))


def conv2d_overwriting(x: Array, weight: Array) -> Result:
    def rule(g: Array) -> Array:
        kh, kw = weight.shape[2:]
        gradient = np.zeros_like(x)
        for r, s in np.ndindex(g.shape[2:]):
            gradient[:, :, r : r + kh, s : s + kw] = np.einsum("no,ocij->ncij", g[:, :, r, s], weight)
        return gradient

    return _rules(x, weight, rule_x=rule)


def conv2d_overwriting_by_entry(x: Array, weight: Array) -> Result:
    def rule(g: Array) -> Array:
        rows, columns = g.shape[2:]
        gradient = np.zeros_like(x)
        for i, j in np.ndindex(weight.shape[2:]):
            gradient[:, :, i : i + rows, j : j + columns] = np.einsum("nors,oc->ncrs", g, weight[:, :, i, j])
        return gradient

    return _rules(x, weight, rule_x=rule)


def conv2d_weight_turned(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _turned(_to_weight(g, x, weight)))


def conv2d_weight_unsummed(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: np.einsum("ncrsij,nors->nocij", _windows(x, weight), g))


def conv2d_weight_averaged(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _to_weight(g, x, weight) / len(x))


def conv2d_weight_axes_swapped(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _to_weight(g, x, weight).swapaxes(0, 1))


RUBRIC = Rubric(
    library=ops.conv2d,
    solution=conv2d,
    cases=CASES,
    mistakes=(
        Mistake(
            conv2d_turned_forward,
            "The kernel is turned by 180° on the way forward. Mathematicians call that a convolution; in a neural "
            "network the kernel is laid on the window as it is.",
        ),
        Mistake(
            conv2d_not_turned_for_x,
            "The rule for x lays the kernel on g as it is. Looking back from a pixel the windows lie the other way "
            "round: the one that begins at it used the kernel's first entry, the one that begins before it a later "
            "one. Turn the kernel by 180°.",
        ),
        Mistake(
            conv2d_not_widened,
            "The gradient of x lacks its margin. A pixel in the corner lies in one window only, but it does lie in "
            "one: put kernel size - 1 zeros around g first.",
        ),
        Mistake(
            conv2d_overwriting,
            "Each window overwrites what the windows before it sent to the pixels they share. A pixel that was used "
            "several times collects the sum: += instead of =.",
        ),
        Mistake(
            conv2d_overwriting_by_entry,
            "Each entry of the kernel overwrites what the entries before it sent to the pixels they share. A pixel "
            "that lay under several of them collects the sum: += instead of =.",
        ),
        Mistake(
            conv2d_weight_turned,
            "The gradient of weight is turned by 180°. Entry (i, j) lay on the pixel i rows and j columns behind the "
            "window's corner, so that is the pixel to multiply g with; only the rule for x turns anything.",
        ),
        Mistake(
            conv2d_weight_unsummed,
            "The gradient of weight has an entry for each image. One weight served all images of the batch, so sum "
            "over them.",
        ),
        Mistake(
            conv2d_weight_averaged,
            "This averages over the batch. If the loss is a mean, g already contains the 1/batch; here the images are "
            "summed.",
        ),
        Mistake(
            conv2d_weight_axes_swapped,
            "The first two axes of the gradient of weight are swapped: the weight is (out_channels, channels, kh, kw), "
            "and so is its gradient.",
        ),
    ),
    twins=(
        Tensor.backward,
        conv.conv2d_numpy,
        conv.conv2d_numba,
        conv.conv2d_vjp_x_numpy,
        conv.conv2d_vjp_x_numba,
        conv.conv2d_vjp_weight_numpy,
        conv.conv2d_vjp_weight_numba,
    ),
)
