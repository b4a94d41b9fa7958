"""Separation of classes by single units: pre-activations of hidden units by class, and outputs of the right class
against the others (the figure of arXiv 2502.02103).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import check_activations, check_labels
from tinydist.figures import BLACK, GREEN, VERMILION, class_color, panels, set_title

Array = NDArray[Any]

PERCENTILES = (5, 25, 50, 75, 95)
"""The percentiles that are kept of a distribution."""


def class_separation(values: Array, labels: Array) -> NDArray[np.float64]:
    """Return the share of a unit's variance that the class explains: eta squared, the effect size of a one-way ANOVA.

    ``eta² = sum_c n_c (mean_c - mean)² / sum_i (z_i - mean)²``: 0 if all classes have the same mean, 1 if nothing but
    the class matters. It is related to the F statistic of k classes and n samples by
    ``F = eta² / (1 - eta²) * (n - k) / (k - 1)``.

    Args:
        values: (samples, units).
        labels: class numbers, (samples,).

    Returns:
        (units,); 0 for a unit that never changes.

    Raises:
        ShapeError, ValueError: if the values are not finite, or the shapes do not fit.
    """
    check_activations(values, "values")
    check_labels(labels, len(values))
    centred = values.astype(float) - values.mean(axis=0, dtype=float)
    between = np.zeros(values.shape[1])
    for label in np.unique(labels):
        own = centred[labels == label]
        between += len(own) * own.mean(axis=0) ** 2
    total = (centred**2).sum(axis=0)
    constant = values.min(axis=0) == values.max(axis=0)  # not by `total`, which rounding may leave above 0
    return np.where(constant, 0.0, np.minimum(between / np.where(constant, 1.0, total), 1.0))


def telling_units(values: Array, labels: Array, count: int) -> NDArray[np.int64]:
    """Return the units whose class explains most of their variance (:func:`class_separation`), the best first.

    Of equals the lower number comes first; units that never change come last.

    Args:
        values: (samples, units).
        labels: class numbers, (samples,).
        count: how many units, at most as many as there are.

    Raises:
        ShapeError, ValueError: if the values are not finite, the shapes do not fit or `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    return np.argsort(-class_separation(values, labels), kind="stable")[:count]


@dataclass(frozen=True)
class UnitDistribution:
    """The pre-activations of one unit, class by class.

    Attributes:
        unit: its number.
        separation: the share of its variance that the class explains, 0 to 1.
        percentiles: the 5th, 25th, 50th, 75th and 95th of each class, (classes, 5); NaN for a class without samples.
        positive: the share of each class above 0, (classes,): where a ReLU lets the class through.
    """

    unit: int
    separation: float
    percentiles: NDArray[np.float64]
    positive: NDArray[np.float64]

    @property
    def nearest(self) -> int:
        """Return the class whose median is nearest to 0, the unit's zero plane: its class when read as a distance."""
        return int(np.nanargmin(np.abs(self.percentiles[:, 2])))

    @property
    def farthest(self) -> int:
        """Return the class whose median is farthest from 0: its class when read as an intensity."""
        return int(np.nanargmax(np.abs(self.percentiles[:, 2])))


def unit_distributions(
    values: Array, labels: Array, units: Sequence[int] | NDArray[np.int64] | None = None, classes: int = 10
) -> list[UnitDistribution]:
    """Return the distribution of each unit by class.

    Args:
        values: pre-activations, (samples, units), such as ``layer_output(model, x, "linear0")``.
        labels: (samples,), below `classes`.
        units: which; by default the six with the largest separation (:func:`telling_units`).
        classes: how many there are.

    Raises:
        ShapeError, ValueError: if the values are not finite, or the shapes do not fit.
    """
    check_activations(values, "values")
    check_labels(labels, len(values), classes)
    separation = class_separation(values, labels)
    found = []
    for unit in telling_units(values, labels, 6) if units is None else units:
        by_class = [values[labels == label, unit] for label in range(classes)]
        empty = np.full(len(PERCENTILES), np.nan)
        percentiles = [np.percentile(own, PERCENTILES) if len(own) else empty for own in by_class]
        positive = [np.mean(own > 0) if len(own) else np.nan for own in by_class]
        found.append(UnitDistribution(int(unit), float(separation[unit]), np.array(percentiles), np.array(positive)))
    return found


@dataclass(frozen=True)
class OutputDistribution:
    """The outputs (before any Neg) at the right class, and at all the others.

    Attributes:
        right: (samples,).
        others: (samples, classes - 1).
    """

    right: NDArray[np.float64]
    others: NDArray[np.float64]

    @property
    def right_is_larger(self) -> float:
        """Return the probability that an output drawn from `right` exceeds one drawn from `others`, ties counting half.

        1 for an intensity with a fixed threshold that never fails, 0 for such a distance, 0.5 where the two look the
        same. The pairs are drawn across all samples. It is the statistic of Mann and Whitney (1947) over the number of
        pairs, and the area under the ROC curve.
        """
        n, m = self.right.size, self.others.size
        ranks = scipy.stats.rankdata(np.concatenate([self.right, self.others.ravel()]))
        return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))

    @property
    def right_is_larger_within(self) -> float:
        """Return this probability for two outputs of one image, by which the network decides."""
        right = self.right[:, None]
        return float(np.mean(right > self.others) + np.mean(right == self.others) / 2)


def output_distribution(outputs: Array, labels: Array) -> OutputDistribution:
    """Split outputs into those at the right class and those at the others.

    Args:
        outputs: (samples, classes), at least two classes; for a distance, before Neg turns it into a logit.
        labels: (samples,).

    Raises:
        ShapeError, ValueError: if the outputs are not finite, or the shapes do not fit.
    """
    check_activations(outputs, "outputs")
    samples, classes = outputs.shape
    check_labels(labels, samples, classes)
    if classes < 2:
        raise ValueError("with a single class there are no other outputs to compare with; give at least two columns")
    right = np.arange(classes) == labels[:, None]
    values = outputs.astype(float)
    return OutputDistribution(values[right], values[~right].reshape(samples, classes - 1))


def units_table(units: Sequence[UnitDistribution], names: Sequence[str] | None = None) -> str:
    """Return a table with a line a unit: separation, nearest and farthest class, and the median of every class.

    Args:
        units: of one model.
        names: of the classes; their numbers by default.
    """
    names = names or list(map(str, range(len(units[0].percentiles) if units else 0)))
    width = max([8, *map(len, names)])
    heading = " ".join(f"{name:>{width}}" for name in names)
    lines = [
        f"{'unit':>5} {'separation':>10} {'nearest 0':>{width + 1}} {'farthest':>{width}}   median of class {heading}"
    ]
    for unit in units:
        medians = " ".join(f"{median:{width}.3g}" for median in unit.percentiles[:, 2])
        nearest, farthest = names[unit.nearest], names[unit.farthest]
        classes = f"{nearest:>{width + 1}} {farthest:>{width}}"
        lines.append(f"{unit.unit:5} {unit.separation:10.2f} {classes}   {'':15} {medians}".rstrip())
    return "\n".join(lines)


def outputs_table(outputs: Mapping[str, OutputDistribution]) -> str:
    """Return a table with a line a model: quartiles of the right output and the others, and how often it is larger.

    The last two columns are :attr:`OutputDistribution.right_is_larger` and `right_is_larger_within`, in percent.
    """
    lines = [
        f"{'':14} {'right: 25%':>10} {'50%':>8} {'75%':>8} {'others: 25%':>12} {'50%':>8} {'75%':>8}  right larger"
    ]
    for model, output in outputs.items():
        right, others = (np.percentile(values, (25, 50, 75)) for values in (output.right, output.others))
        lines.append(
            f"{model:14} {right[0]:10.3g} {right[1]:8.3g} {right[2]:8.3g} {others[0]:12.3g} {others[1]:8.3g} "
            f"{others[2]:8.3g} {100 * output.right_is_larger:12.1f}% {100 * output.right_is_larger_within:15.1f}%"
        )
    return "\n".join(lines)


def units_figure(units: Mapping[str, UnitDistribution], label: str, names: Sequence[str] | None = None) -> Figure:
    """Draw a panel a unit: for each class the median, the middle half and the middle 90% of its pre-activations.

    Args:
        units: by a name, such as that of its model.
        label: model and data of the runs, shown under the title.
        names: of the classes; their numbers by default.
    """
    figure, all_axes = panels(len(units), 3.1, 2.9, columns=4)
    for axes, (name, unit) in zip(all_axes, units.items(), strict=True):
        for digit, (p5, p25, p50, p75, p95) in enumerate(unit.percentiles):
            color = class_color(digit)
            axes.plot([p5, p95], [digit, digit], color=color, lw=1)
            axes.plot([p25, p75], [digit, digit], color=color, lw=5, alpha=0.4, solid_capstyle="butt")
            axes.plot(p50, digit, "|", color=BLACK, ms=9, mew=1.6)
        axes.axvline(0, color=BLACK, ls=":", lw=1)
        axes.set_yticks(range(len(unit.percentiles)), labels=names)
        axes.invert_yaxis()
        axes.set_title(f"{name}, unit {unit.unit}\nclass explains {100 * unit.separation:.0f}% of variance", fontsize=9)
        axes.set(xlabel="pre-activation w·x + b", ylabel="class")
    set_title(
        figure,
        f"Pre-activations by class. Tick: median; thick: middle half; thin: middle 90%\n{label}",
        fontsize=10,
    )
    return figure


def outputs_figure(outputs: Mapping[str, OutputDistribution], label: str) -> Figure:
    """Draw a panel a model: densities of the outputs before any Neg, right class (filled) and others (line)."""
    figure, all_axes = panels(len(outputs), 3.2, 2.7)
    for axes, (model, output) in zip(all_axes, outputs.items(), strict=True):
        everything = np.concatenate([output.right, output.others.ravel()])
        low, high = np.percentile(everything, (0.1, 99.9))
        look: dict[str, Any] = {"bins": np.linspace(low, high if high > low else low + 1, 61), "density": True}
        axes.hist(output.right, color=GREEN, alpha=0.7, label="right class", **look)
        axes.hist(output.others.ravel(), histtype="step", color=VERMILION, lw=1.4, label="the others", **look)
        axes.axvline(0, color=BLACK, ls=":", lw=1)
        across, within = 100 * output.right_is_larger, 100 * output.right_is_larger_within
        axes.set_title(f"{model}: right larger in {across:.0f}%,\nwithin an image in {within:.0f}%", fontsize=9)
        axes.set_xlabel("output, before any Neg")
        axes.set_ylabel("density")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, fontsize=9)
    set_title(figure, f"Outputs at the right class and at the others (middle 99.8% shown)\n{label}", fontsize=10)
    return figure
