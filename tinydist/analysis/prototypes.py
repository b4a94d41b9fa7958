"""Units and prototypes as images.

There are three views, from the first layer to the last:

* a hidden unit's weight row is an image itself: the pre-activation is the image's product with it, plus the bias;
* an output, seen from one image, changes to first order along its gradient there: that image plus a step along it is
  the one that raises the output most among all images as far away, minus the step the one that lowers it most;
* an OffsetL2 prototype mu is a point among the hidden activations; the training images nearest to it show where it is.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import check_activations, check_labels, layer_outputs
from tinydist.errors import ShapeError
from tinydist.figures import panels, set_title
from tinydist.nn import Linear, Neg, OffsetL2, Sequential
from tinydist.recording import keeping_gradients
from tinydist.sparse import SparseMatrix
from tinydist.tensor import Tensor

Array = NDArray[Any]


def unit_images(model: Sequential) -> Array:
    """Return the weight rows of the first layer, one image for each hidden unit; a copy, (hidden, pixels).

    A short training leaves most of the random start in them. What was learned is the difference from the images of a
    fresh model with the same seed.

    Raises:
        TypeError: unless the first layer is a Linear.
    """
    _, first = next(model.children())
    if not isinstance(first, Linear):
        raise TypeError(f"only the weights of a first Linear layer are images; the first layer is {first!r}")
    return first.weight.data.copy()


@dataclass(frozen=True)
class OutputImages:
    """The directions in which an image changes each output most, to first order.

    Attributes:
        start: the image, (pixels,).
        outputs: the outputs at `start`, before any Neg, (classes,).
        gradients: of each output with respect to the image, (classes, pixels); 0 for an output that is off there.
    """

    start: NDArray[Any]
    outputs: NDArray[Any]
    gradients: NDArray[Any]

    @property
    def own_gradients(self) -> NDArray[Any]:
        """Return the gradients less their mean over the outputs, (classes, pixels).

        They change one output against the others: a softmax does not depend on what all outputs share.
        """
        return self.gradients - self.gradients.mean(axis=0)

    def step(self, length: float) -> NDArray[Any]:
        """Return the images, (classes, pixels), `length` away from the start that raise each output most.

        A negative length gives the images that lower it most. The distance is Euclidean, in the unit of the pixels;
        images may leave the range of pixels. Where the gradient is 0, the image is the start itself.
        """
        norms = np.linalg.norm(self.gradients, axis=1, keepdims=True)
        return self.start + length * self.gradients / np.where(norms > 0, norms, 1)


def output_images(model: Sequential, start: Array) -> OutputImages:
    """Compute the gradient of every output (before any Neg) with respect to the image `start`, such as a mean image.

    Args:
        model: layers in a row, as from :func:`tinydist.build_model`.
        start: one image, (pixels,).

    Raises:
        ShapeError: unless it is one image.
        ValueError: if it is not finite.
    """
    if start.ndim != 1:
        raise ShapeError(f"start must be one image, of shape (pixels,), got {start.shape}")
    check_activations(start[None], "start")
    before_neg = Sequential(**{name: layer for name, layer in model.children() if not isinstance(layer, Neg)})
    gradients = []
    classes = before_neg(Tensor(start[None])).shape[1]
    with keeping_gradients(model.parameters()):
        for output in range(classes):
            image = Tensor(start[None], requires_grad=True)
            outputs = before_neg(image)
            outputs[0, output].backward()
            assert image.grad is not None
            gradients.append(image.grad[0])
    return OutputImages(start.copy(), outputs.data[0], np.array(gradients))


@dataclass(frozen=True)
class Nearest:
    """The images nearest to each prototype.

    Attributes:
        images: their numbers, the nearest first, (prototypes, count).
        labels: their classes, (prototypes, count).
        distances: theirs from the prototype, (prototypes, count).
        median_distances: of all images from the prototype, (prototypes,): what "near" has to be compared with.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    distances: NDArray[Any]
    median_distances: NDArray[Any]


def relative_distances(distances: Array) -> Array:
    """Return distances less their mean over the prototypes: how much nearer an image is to one than to the others.

    With all prototypes far away, the nearest images are the same for each of them; these differences separate them.

    Args:
        distances: (images, prototypes).

    Returns:
        (images, prototypes).

    Raises:
        ShapeError, ValueError: if the distances are empty or not finite.
    """
    check_activations(distances, "distances")
    return distances - distances.mean(axis=1, keepdims=True)


def nearest_images(distances: Array, labels: Array, count: int = 5) -> Nearest:
    """Return the images with the smallest distance from each prototype.

    Args:
        distances: (images, prototypes), from :func:`prototype_distances` or :func:`relative_distances`, or any
            outputs that are read as distances.
        labels: classes of the images, (images,).
        count: how many; at most as many as there are images. Of equals the lower number comes first.

    Raises:
        ShapeError, ValueError: if anything does not fit, or is not finite.
    """
    check_activations(distances, "distances")
    check_labels(labels, len(distances))
    if not 1 <= count <= len(distances):
        raise ValueError(f"count must be from 1 to {len(distances)}, the number of images, got {count}")
    images = np.argsort(distances, axis=0, kind="stable")[:count].T
    near = np.take_along_axis(distances.T, images, axis=1)
    return Nearest(images, labels[images], near, np.median(distances, axis=0))


def prototype_distances(model: Sequential, x: Array | SparseMatrix, weighted: bool = True) -> Array:
    """Return how far each image's hidden activations are from each prototype mu of the model's OffsetL2 layer.

    Args:
        model: one of the L2 models.
        x: images, (images, pixels).
        weighted: with the layer's own scales alpha, as the network sees it; otherwise the Euclidean distance.

    Returns:
        (images, classes).

    Raises:
        TypeError: if the model has no OffsetL2 layer.
    """
    layers = list(model.children())
    for (before, _), (name, layer) in itertools.pairwise(layers):
        if isinstance(layer, OffsetL2):
            outputs = layer_outputs(model, x)
            if weighted:
                return outputs[name]
            return Tensor(outputs[before]).weighted_distance(layer.mu.data, np.ones_like(layer.mu.data)).data
    raise TypeError(f"this model has no prototypes: none of its layers {[n for n, _ in layers]} is an OffsetL2")


def nearest_table(nearest: Nearest, names: Sequence[str] | None = None) -> str:
    """Return a table with a line a prototype: classes of the nearest images, smallest distance, median of all.

    Args:
        nearest: of one model.
        names: of the classes; their numbers by default.
    """
    names = names or list(map(str, range(max(len(nearest.labels), nearest.labels.max() + 1))))
    width = max([9, *map(len, names)])
    lines = [f"{'prototype':>{width}}  {'nearest':>8}  {'median':>8}  classes of the nearest images"]
    for prototype, (labels, distances, median) in enumerate(
        zip(nearest.labels, nearest.distances, nearest.median_distances, strict=True)
    ):
        near = " ".join(names[label] for label in labels)
        lines.append(f"{names[prototype]:>{width}}  {distances[0]:8.3g}  {median:8.3g}  {near}")
    return "\n".join(lines)


def outputs_table(found: OutputImages) -> str:
    """Return a table with a line an output: its value at the start, and the length of its gradient.

    The length is in units of output per unit of distance between images.
    """
    lines = [f"{'output':>6}  {'at the start':>12}  {'|gradient|':>10}"]
    for output, (value, gradient) in enumerate(zip(found.outputs, found.gradients, strict=True)):
        lines.append(f"{output:6}  {value:12.4g}  {np.linalg.norm(gradient):10.4g}")
    return "\n".join(lines)


def weights_figure(images: Array, titles: Sequence[str], label: str, columns: int) -> Figure:
    """Draw weight rows or gradients as images, each on its own scale: orange is positive, purple negative, white 0.

    Args:
        images: (images, pixels), square.
        titles: one for each.
        label: model and data of the runs, shown under the title.
        columns: images in a row.

    Raises:
        ShapeError: unless the images are square.
    """
    check_activations(images, "images")
    figure, all_axes = panels(len(images), 1.1, 1.25, columns=columns)
    for axes, image, title in zip(all_axes, images, titles, strict=True):
        largest = np.abs(image).max() or 1.0
        _show(axes, image, cmap="PuOr_r", vmin=-largest, vmax=largest)
        axes.set_title(title, fontsize=7)
    set_title(figure, f"Orange: positive; purple: negative; each on its own scale\n{label}", fontsize=10)
    return figure


def nearest_figure(nearest: Mapping[str, Nearest], x: Array, label: str, measure: str = "distances") -> Figure:
    """Draw a row of images for each model and prototype: those nearest to it.

    Args:
        nearest: by model.
        x: the images that the numbers in it refer to, (images, pixels), square.
        label: model and data of the runs, shown under the title.
        measure: name of the distances in it.

    Raises:
        ShapeError: unless the images are square.
    """
    rows = [(model, prototype) for model, found in nearest.items() for prototype in range(len(found.images))]
    count = min(found.images.shape[1] for found in nearest.values())
    figure, all_axes = panels(len(rows) * count, 0.95, 0.95, columns=count)
    for position, axes in enumerate(all_axes):
        model, prototype = rows[position // count]
        found, place = nearest[model], position % count
        _show(axes, x[found.images[prototype, place]], cmap="gray_r")
        own = found.labels[prototype, place] == prototype
        axes.set_title(f"{found.distances[prototype, place]:.3g}{'' if own else ' ≠'}", fontsize=7, pad=2)
        if place == 0:
            axes.set_ylabel(f"{model} {prototype}", fontsize=8, rotation=0, ha="right", va="center")
    set_title(
        figure,
        f"Nearest images to each prototype,\nwith their {measure} (≠: of another class)\n"
        f"{textwrap.fill(label, 14 * count)}",
        fontsize=9,
    )
    return figure


def _show(axes: Axes, image: Array, **look: Any) -> None:
    side = int(np.sqrt(image.size))
    if side * side != image.size:
        raise ShapeError(f"only square images can be drawn, got {image.size} pixels")
    axes.imshow(image.reshape(side, side), **look)
    axes.set_xticks([])
    axes.set_yticks([])
