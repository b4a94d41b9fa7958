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
from tinydist.tensor import Tensor, topological_order
from tinydist.trace.flow import Flow
from tinydist.trace.record import tensor_names

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


def graph(output: Tensor, names: Mapping[str, Tensor] | None = None) -> Figure:
    """Draw the computational graph behind a tensor: ops in boxes, leaves that take gradients rounded, arrows forward.

    Constants are left out, since no gradient reaches them.

    Args:
        output: usually a loss; at most some dozens of nodes make a readable picture.
        names: what to call tensors, as for :func:`tinydist.trace.record`.
    """
    order = topological_order(output)
    called = tensor_names(output, names or {})
    depth = {output: 0}  # length of the longest way to the output
    for tensor in reversed(order):
        for parent in tensor.inputs:
            depth[parent] = max(depth.get(parent, 0), depth[tensor] + 1)
    rows: dict[int, list[Tensor]] = {}
    for tensor in order:  # so that a first input stands left of a second
        rows.setdefault(depth[tensor], []).append(tensor)
    widest = max(map(len, rows.values()))
    figure = canvas(1.2 + 2.3 * widest, 0.8 + 0.75 * len(rows))
    axes = figure.subplots()
    places = {
        tensor: (column - (len(row) - 1) / 2, -level)
        for level, row in rows.items()
        for column, tensor in enumerate(row)
    }
    for tensor in order:
        x, y = places[tensor]
        for parent in tensor.inputs:
            if parent in places:
                start_x, start_y = places[parent]
                levels = y - start_y
                bend = 0 if levels == 1 else 0.3 + 0.6 / levels  # round the nodes in between
                look = {"arrowstyle": "-|>", "color": "#444444", "shrinkA": 0, "shrinkB": 0}
                arrow = look | {"connectionstyle": f"arc3,rad={bend}"}
                axes.annotate("", (x, y - 0.24), (start_x, start_y + 0.24), arrowprops=arrow, zorder=0)
        shape = "×".join(map(str, tensor.shape)) or "number"
        name = called[tensor]
        known = tensor.op in (None, name.partition("#")[0])
        text = f"{name}\n{shape}" if known else f"{name}: {tensor.op}\n{shape}"
        box = {"boxstyle": "square", "fc": "#E8F1FA"} if tensor.op else {"boxstyle": "round", "fc": "#FDF0DC"}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, bbox=box | {"ec": "#666666"})
    axes.set_xlim(-widest / 2, widest / 2)
    axes.set_ylim(-max(rows) - 0.5, 0.5)
    axes.set_axis_off()
    return figure
