"""The figure of the growth of time and memory: a column for each quantity that varies, on log axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from tinydist.bench.epochs import LIBRARIES
from tinydist.bench.growth import GrowthRow
from tinydist.figures import BLUE, GREEN, VERMILION, canvas, save, set_title

STYLES: dict[str, dict[str, Any]] = {
    "tinydist": {"color": BLUE, "marker": "o", "ls": "-"},
    "numpy": {"color": GREEN, "marker": "s", "ls": "--"},
    "torch": {"color": VERMILION, "marker": "^", "ls": "-."},
}

IDEAL = {"images": 1, "hidden units": 1, "threads": -1}
"""The exponent of time in proportion to the quantity that varies (inverse for threads), drawn as a guide."""


def growth_figure(rows: Sequence[GrowthRow], label: str) -> Figure:
    """Draw the time of an epoch above, the peak memory of the process below; medians with bars between quartiles.

    Args:
        rows: what was measured, see :func:`tinydist.bench.growth.bench_growth`.
        label: model and sizes, shown under the title.
    """
    variations = list(dict.fromkeys(row.against for row in rows))
    figure = canvas(4 * len(variations), 6.8)
    panels = figure.subplots(2, len(variations), squeeze=False, sharex="col", sharey="row")
    for against, (time, memory) in zip(variations, panels.T, strict=True):
        of_sweep = [row for row in rows if row.against == against]
        for library in LIBRARIES:
            if measured := [row for row in of_sweep if library in row.measured]:
                _draw(time, memory, measured, library)
        _guide(time, of_sweep, IDEAL.get(against, 1))
        _log_axes(time, memory, of_sweep)
        memory.set_xlabel(f"{against} (hollow: synthetic)" if any(row.synthetic for row in of_sweep) else against)
    panels[0, 0].set_ylabel("time of an epoch, ms")
    panels[1, 0].set_ylabel("peak memory of the process, MB")
    if panels[0, 0].lines:
        panels[0, 0].legend(fontsize=8.5)
    notes = dict.fromkeys(
        f"{LIBRARIES[library]} left out at {row.value:,} {row.against}" for row in rows for library in row.left_out
    )
    set_title(figure, "\n".join(["How the cost of an epoch grows", label, "; ".join(notes)]).strip(), fontsize=10)
    return figure


def _draw(time: Axes, memory: Axes, rows: Sequence[GrowthRow], library: str) -> None:
    values = [row.value for row in rows]
    times = [row.measured[library].time for row in rows]
    medians = np.array([t.median for t in times])
    quartiles = [medians - [t.low for t in times], [t.high for t in times] - medians]
    style = STYLES[library]
    time.errorbar(values, medians, yerr=quartiles, ms=5, lw=1.4, capsize=2.5, label=LIBRARIES[library], **style)
    memory.plot(values, [row.measured[library].memory for row in rows], ms=5, lw=1.4, **style)
    for row in rows:
        if row.synthetic:
            hollow: dict[str, Any] = {
                "ls": "none",
                "marker": style["marker"],
                "mec": style["color"],
                "mfc": "white",
                "zorder": 3,
            }
            time.plot(row.value, row.measured[library].time.median, ms=5, **hollow)
            memory.plot(row.value, row.measured[library].memory, ms=5, **hollow)


def _guide(axes: Axes, rows: Sequence[GrowthRow], exponent: int) -> None:
    """Draw a thin line with this exponent through tinydist's last point, to compare slopes with."""
    ends = [row for row in rows if "tinydist" in row.measured]
    if len(ends) > 1:
        x = np.array([ends[0].value, ends[-1].value])
        y = ends[-1].measured["tinydist"].time.median * (x / x[-1]) ** exponent
        axes.plot(x, y, color="#000000", lw=0.8, ls=":", label="in proportion")


def _log_axes(time: Axes, memory: Axes, rows: Sequence[GrowthRow]) -> None:
    for axes in (time, memory):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.12g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(FixedLocator([row.value for row in rows]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{row.value:,}".removesuffix(",000") + "k" * (row.value % 1000 == 0) for row in rows])


def save_growth_figure(rows: Sequence[GrowthRow], label: str, path: Path) -> None:
    """Write the figure of :func:`growth_figure` to a file."""
    save(growth_figure(rows, label), path, dpi=150)
