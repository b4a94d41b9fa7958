"""Exercise conv2d: a convolution and its two gradient rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinydist import ops
from tinydist.exercises.exercise import Exercise, Mistake, Observation
from tinydist.exercises.probes import Array, OpCase, ask_op_on, numbers
from tinydist.ops import Result


def check_conv2d(conv2d: Any) -> Iterator[Observation]:
    image, weight = numbers(1, 1, 1, 3, 3), numbers(2, 1, 1, 2, 2)
    yield from ask_op_on(
        conv2d,
        _moved_images,
        OpCase({"x": image, "weight": weight}, note="one image, one channel, one kernel"),
        OpCase({"x": numbers(3, 2, 1, 3, 3), "weight": weight}, note="two images"),
        OpCase({"x": numbers(4, 2, 2, 4, 5), "weight": numbers(5, 3, 2, 2, 3)}, note="two channels, three kernels"),
    )


def _moved_images(x: Array, weight: Array) -> Array:
    """Return the sum over the kernel's entries of the image, moved, times that entry."""
    kh, kw = weight.shape[2:]
    rows, columns = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    terms = [
        np.einsum("ncrs,oc->nors", x[:, :, i : i + rows, j : j + columns], weight[:, :, i, j])
        for i in range(kh)
        for j in range(kw)
    ]
    return np.sum(terms, axis=0)


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
    return _correlate(x, _turned(weight)), (lambda g: _to_x(g, _turned(weight)), lambda g: _to_weight(g, x, weight))


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


def conv2d_weight_turned(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _turned(_to_weight(g, x, weight)))


def conv2d_weight_unsummed(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: np.einsum("ncrsij,nors->nocij", _windows(x, weight), g))


def conv2d_weight_averaged(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _to_weight(g, x, weight) / len(x))


def conv2d_weight_axes_swapped(x: Array, weight: Array) -> Result:
    return _rules(x, weight, rule_weight=lambda g: _to_weight(g, x, weight).swapaxes(0, 1))


CONV2D = Exercise(
    name="conv2d",
    title="a convolution and its gradient rules",
    library=ops.conv2d,
    lesson="17_convolutions",
    task="""
    A linear layer looks at a whole image, a convolution at one window after the other, with the same weight. Write it
    for stride 1, no padding and no bias, which is all that the check asks for: y at row r and column s is the sum of
    the window that begins there times the weight. Return (y, rules), with a rule for x and one for weight.

    Look out: a pixel lies in several windows, under another entry of the weight in each, and an entry of the weight
    lies on many pixels of every image. Each of them collects something from every place where it was used. Loops over
    the entries of the kernel, or over the windows, are fine.
    """,
    hints=(
        "Go through the windows: at row r and column s, y[:, :, r, s] was made of x[:, :, r : r + kh, s : s + kw] and "
        "of the whole weight. What does g[:, :, r, s] send back to either?",
        "Start both gradients at zero and add for every window: np.einsum('no,ocij->ncij', g[:, :, r, s], weight) to "
        "that window of x's gradient, np.einsum('no,ncij->ocij', g[:, :, r, s], window) to weight's.",
    ),
    check=check_conv2d,
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
)
