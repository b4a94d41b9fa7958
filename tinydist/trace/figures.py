"""Figures of gradients: their flow through the layers over training, their field at the output, and the graph.

Each function returns a matplotlib figure that needs no display; :func:`tinydist.figures.save` writes it to a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.typing import NDArray

from tinydist.figures import COLORS, MARKERS, canvas, set_title
from tinydist.tensor import Tensor
from tinydist.trace.flow import Flow
from tinydist.trace.record import Step, Trace

Array = NDArray[Any]

BLOCKED = "#D0D0D0"
LENGTHS = Normalize(0, 1.8)
"""The scale of the colours of the gradients in the field, of which none is longer."""


def gradient_flow(flows: Mapping[str, Flow], label: str) -> Figure:
    """Draw the length of the gradient and its share of zeros at every layer over training, a column for each model.

    Args:
        flows: from :func:`tinydist.trace.flow.record_flow`, by model.
        label: model and data of the runs, shown under the title.
    """
    width = max(7.0, 3.6 * len(flows) + 0.6)
    figure = canvas(width, 6)
    panels = figure.subplots(2, len(flows), sharex=True, sharey="row", squeeze=False)
    layers = list(dict.fromkeys(layer for flow in flows.values() for layer in flow.layers))
    for (above, below), (model, flow) in zip(panels.T, flows.items(), strict=True):
        for column, layer in enumerate(flow.layers):
            style = layers.index(layer) % len(COLORS)
            look = {"color": COLORS[style], "marker": MARKERS[style], "ms": 4, "lw": 1.2, "label": layer}
            above.plot(flow.epochs, flow.norms[:, column], **look)
            below.plot(flow.epochs, 100 * flow.zero_shares[:, column], **look)
        above.set_title(f"{model}, loss {flow.losses[0]:.3g} to {flow.losses[-1]:.3g}", fontsize=10)
        above.set_xscale("symlog", linthresh=1)
        above.set_yscale("log")
        below.set_ylim(-3, 103)
        below.set_xlabel("epochs (full-batch steps)")
        for axes in (above, below):
            axes.grid(alpha=0.3)
    handles = {line.get_label(): line for axes in panels[0] for line in axes.get_lines()}
    figure.legend(
        [handles[layer] for layer in layers],
        layers,
        loc="outside lower center",
        ncols=min(len(layers), int(width)),
        fontsize=9,
        title="gradient at the output of",
        title_fontsize=9,
    )
    panels[0, 0].set_ylabel("length of the gradient\n(0 is not shown)")
    panels[1, 0].set_ylabel("entries exactly zero, %")
    set_title(figure, f"Gradient flow over training\n{label}", fontsize=10)
    return figure


def gradient_field() -> Figure:
    """Draw in which direction gradient descent moves two outputs, of which the first belongs to the right class.

    For ReLU2 and Abs2 the plane is that of the second layer's two outputs before the last activation; for OffsetL2 it
    is that of two hidden units, with the two prototypes in it. Above plain, below with Neg. Grey: the gradient is
    exactly zero.
    """
    figure = canvas(11, 7.6)
    panels = figure.subplots(2, 3)
    for row, sign in enumerate((1, -1)):
        for axes, head in zip(panels[row], ("ReLU2", "Abs2", "OffsetL2"), strict=True):
            arrows = _draw_field(axes, head, sign)
            axes.set_title(head + ("-Neg" if sign < 0 else ""), fontsize=11)
    figure.colorbar(arrows, ax=panels, shrink=0.6, label="length of the gradient")
    figure.legend(*panels[0, 2].get_legend_handles_labels(), loc="outside lower right", ncols=2, fontsize=9)
    set_title(
        figure,
        "Where descent on the cross-entropy pushes one image (arrows), and how hard (colour).\n"
        "Grey: the gradient is exactly zero.",
        fontsize=11,
    )
    return figure


def _draw_field(axes: Axes, head: str, sign: int) -> Quiver:
    ticks = np.linspace(-3, 3, 19)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    point = Tensor(plane, requires_grad=True)
    prototypes = np.array([[-1.0, -0.5], [1.0, 0.5]])
    if head == "OffsetL2":
        outputs = point.weighted_distance(prototypes, np.ones((2, 2)))
        for prototype, marker, name in zip(prototypes, "*X", ("right class", "other class"), strict=True):
            axes.plot(*prototype, marker, color="#D55E00", ms=11, mec="white", label=f"prototype of the {name}")
        axes.set(xlabel="hidden unit 1", ylabel="hidden unit 2")
    else:
        outputs = point.relu() if head == "ReLU2" else point.abs()
        axes.set(xlabel="right class, before the activation", ylabel="other class, before the activation")
    loss = (sign * outputs).cross_entropy(np.zeros(len(plane), dtype=int)) * len(plane)
    loss.backward()
    assert point.grad is not None
    push = -point.grad
    length = np.linalg.norm(push, axis=1)
    moved = length > 0
    axes.scatter(plane[~moved, 0], plane[~moved, 1], marker="s", s=90, color=BLOCKED, lw=0)
    unit = push[moved] / length[moved, None]
    look: dict[str, Any] = {"cmap": "viridis", "norm": LENGTHS, "pivot": "mid", "scale": 24, "width": 0.006}
    arrows = axes.quiver(*plane[moved].T, *unit.T, length[moved], **look)
    axes.axhline(0, color="#888888", lw=0.7, zorder=0)
    axes.axvline(0, color="#888888", lw=0.7, zorder=0)
    axes.set_aspect("equal")
    return arrows


def graph(trace: Trace) -> Figure:
    """Draw the graph of a recorded pass, in a figure of a size that fits; see :func:`draw_graph`."""
    rows = _rows(trace)
    figure = canvas(1.2 + 2.3 * max(map(len, rows)), 0.8 + 1.05 * len(rows))
    draw_graph(trace, figure.subplots())
    return figure


def draw_graph(trace: Trace, axes: Axes) -> None:
    """Draw the graph of a recorded pass: ops in boxes, leaves that take gradients rounded, arrows forward.

    Each box has its shape, its value (of an array the smallest and the largest entry) and the gradient that came in (of
    an array its length). Constants are left out, since no gradient reaches them.

    Args:
        trace: as :func:`tinydist.trace.record` returns it; at most some dozens of nodes make a readable picture.
        axes: where to draw.

    Raises:
        TypeError: if `trace` is something else, such as the loss itself.
    """
    rows = _rows(trace)
    widest = max(map(len, rows))
    places = {
        step.name: (column - (len(row) - 1) / 2, -level)
        for level, row in enumerate(rows)
        for column, step in enumerate(row)
    }
    for step in reversed(trace.steps):
        x, y = places[step.name]
        for use, parent in enumerate(step.inputs):
            if parent in places:
                start_x, start_y = places[parent]
                levels = y - start_y
                bend = 0 if levels == 1 else 0.3 + 0.6 / levels  # round the nodes in between
                if parent in step.inputs[:use]:  # a second arrow beside the first
                    bend += 0.4
                look = {"arrowstyle": "-|>", "color": "#444444", "shrinkA": 0, "shrinkB": 0}
                arrow = look | {"connectionstyle": f"arc3,rad={bend}"}
                axes.annotate("", (x, y - 0.34), (start_x, start_y + 0.34), arrowprops=arrow, zorder=0)
        box = {"boxstyle": "square", "fc": "#E8F1FA"} if step.op else {"boxstyle": "round", "fc": "#FDF0DC"}
        axes.text(x, y, _box(step), ha="center", va="center", fontsize=8, bbox=box | {"ec": "#666666"})
    axes.set_xlim(-widest / 2, widest / 2)
    axes.set_ylim(0.5 - len(rows), 0.5)
    axes.set_axis_off()


def _rows(trace: Trace) -> list[list[Step]]:
    """Return the steps by the length of their longest way to the output, which comes first."""
    if not isinstance(trace, Trace):
        raise TypeError(f"a graph is drawn of a Trace, which trace.record(loss) returns; got a {type(trace).__name__}")
    depth = {trace.steps[0].name: 0}
    for step in trace.steps:
        for parent in step.inputs:
            depth[parent] = max(depth.get(parent, 0), depth[step.name] + 1)
    steps = trace.steps[::-1]  # so that a first input stands left of a second
    return [
        [step for step in steps if depth[step.name] == level] for level in range(max(depth[s.name] for s in steps) + 1)
    ]


def _box(step: Step) -> str:
    """Return what stands in the box of a node."""
    known = step.op in (None, step.name.partition("#")[0])
    gradient = f"gradient {step.gradient.item():.3g}" if step.gradient.size == 1 else f"|gradient| {step.norm:.3g}"
    name = step.name if known else f"{step.name}: {step.op}"
    return "\n".join([name, step.size_in_words, f"value {step.range_in_words}", gradient])
