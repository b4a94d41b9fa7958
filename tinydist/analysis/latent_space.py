"""Hidden activations in their plane of largest variance (principal component analysis, Pearson 1901)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import check_activations, check_labels
from tinydist.figures import class_color, class_marker, panels, set_title

Array = NDArray[Any]

SHOWN = 300
"""Number of points drawn in a panel, at most; more hide each other."""


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane of largest variance of a set of activations, and the activations projected on it.

    Attributes:
        mean: the plane's origin, (units,).
        axes: its two directions, each of length 1, (2, units); the entry of largest magnitude is positive.
        points: the activations in it, (samples, 2).
        explained: the share of the whole variance along each axis, (2,); 0 if there is no variance.
        labels: classes of the points, (samples,).
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    points: NDArray[np.float64]
    explained: NDArray[np.float64]
    labels: NDArray[Any]

    @property
    def class_means(self) -> dict[int, NDArray[np.float64]]:
        """Return the mean point of each class, (2,), by class."""
        return {int(label): self.points[self.labels == label].mean(axis=0) for label in np.unique(self.labels)}

    @property
    def class_share(self) -> float:
        """Return the share of the variance in the plane that lies between class means, 0 to 1; 0 without variance."""
        total = float(((self.points - self.points.mean(axis=0)) ** 2).sum())
        means = self.class_means
        between = sum(float((means[int(label)] ** 2).sum()) for label in self.labels)  # the points have mean 0
        return between / total if total > 0 else 0.0


def principal_plane(activations: Array, labels: Array) -> PrincipalPlane:
    """Return the plane of the two principal axes, from the singular value decomposition of the centred activations.

    Args:
        activations: (samples, units), at least two of each.
        labels: classes, (samples,); only kept for drawing.

    Raises:
        ShapeError, ValueError: if anything does not fit, or is not finite.
    """
    check_activations(activations)
    check_labels(labels, len(activations))
    if min(activations.shape) < 2:
        raise ValueError(f"a plane needs at least two samples and two units, got {activations.shape}")
    values = activations.astype(float)
    mean = values.mean(axis=0)
    centred = np.where(values.min(axis=0) == values.max(axis=0), 0.0, values - mean)  # no rounding in constant units
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    axes = directions[:2]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    total = float((singular**2).sum())
    explained = singular[:2] ** 2 / total if total > 0 else np.zeros(2)
    return PrincipalPlane(mean, axes, centred @ axes.T, explained, labels.copy())


def planes_table(planes: Mapping[str, PrincipalPlane]) -> str:
    """Return a table with a line a model: variance along each axis and in the plane, and the share between classes."""
    lines = [f"{'':14} {'axis 1':>7} {'axis 2':>7} {'plane':>7}  of it between classes"]
    for model, plane in planes.items():
        first, second = 100 * plane.explained
        lines.append(f"{model:14} {first:6.1f}% {second:6.1f}% {first + second:6.1f}% {100 * plane.class_share:20.1f}%")
    return "\n".join(lines)


def planes_figure(planes: Mapping[str, PrincipalPlane], label: str, names: Sequence[str] | None = None) -> Figure:
    """Draw a panel a model: the first samples as their class's number and colour, the class means with their names.

    Args:
        planes: by model.
        label: the protocol, shown under the title.
        names: of the classes; their numbers by default.
    """
    figure, all_axes = panels(len(planes), 3.6, 3.6)
    for axes, (model, plane) in zip(all_axes, planes.items(), strict=True):
        points, labels = plane.points[:SHOWN], plane.labels[:SHOWN]
        for digit, mean in plane.class_means.items():
            own = points[labels == digit]
            axes.plot(*own.T, ls="none", marker=class_marker(digit), ms=5, mew=0, color=class_color(digit), alpha=0.7)
            box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": class_color(digit), "alpha": 0.85}
            name = names[digit] if names else str(digit)
            axes.text(
                mean[0],
                mean[1],
                name if name == str(digit) else f"{digit} {name}",
                color=class_color(digit),
                ha="center",
                va="center",
                bbox=box,
            )
        first, second = 100 * plane.explained
        axes.set_title(model, fontsize=10)
        axes.set(xlabel=f"axis 1 ({first:.0f}% of the variance)", ylabel=f"axis 2 ({second:.0f}%)")
    set_title(
        figure,
        f"Hidden activations in their principal plane (at most {SHOWN} points shown; boxes: class means)\n{label}",
        fontsize=10,
    )
    return figure
