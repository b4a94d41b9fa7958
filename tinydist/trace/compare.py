"""Traces of several models side by side, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.trace.record import Step, Trace

GAP = "  │ "

WIDTH = 100
"""Characters that a line has at most, where no terminal says otherwise."""


def layers_table(traces: Mapping[str, Trace], width: int) -> str:
    """Return a table of all nodes, then all leaves: the op, the length of the gradient, its zeros and what made them.

    Args:
        traces: by the title of their column.
        width: characters a line may have; columns that do not fit go below the others.
    """
    rows = [*_names(traces, leaves=False), *_names(traces, leaves=True)]
    blocks = [
        [title, f"{'op':17} {'|gradient|':>10} zeros by", *(_cell(trace, name) for name in rows)]
        for title, trace in traces.items()
    ]
    return side_by_side(["", "", *rows], blocks, width)


def classes_table(traces: Mapping[str, Trace], label: int, width: int) -> str:
    """Return a table, class by class: the second layer's output, the logit, the gradient there and what is passed on.

    Args:
        traces: of a single sample, recorded by :func:`record_model`, by the title of their column.
        label: the right class.
        width: as for :func:`layers_table`.
    """
    blocks = []
    for title, trace in traces.items():
        layers = [step for step in trace.steps if step.op]
        head = next(step for step in layers if step.name.startswith(("linear1", "offset")))
        logits = layers[1]
        lines = [title, f"{'layer 2':>8} {'logit':>8} {'gradient':>9} {'passed':>9}"]
        values = (map(_number, array[0]) for array in (head.value, logits.value))
        gradients = (entries(array[0]) for array in (logits.gradient, head.gradient))
        rows = zip(*values, *gradients, strict=True)
        lines += [f"{layer:>8} {logit:>8} {gradient:>9} {passed:>9}" for layer, logit, gradient, passed in rows]
        blocks.append(lines)
    classes = range(len(blocks[0]) - 2)
    labels = ["", "", *(f"class {c}" + (" (right)" if c == label else "") for c in classes)]
    return side_by_side(labels, blocks, width)


def entries(array: NDArray[Any]) -> list[str]:
    """Return the entries of an array in words, "≈0" for one that is lost beside the largest when the dtype rounds.

    Args:
        array: of any shape.
    """
    flat = array.ravel()
    floats = array.dtype.kind == "f"
    lost = np.finfo(array.dtype).eps * np.abs(flat[np.isfinite(flat)]).max(initial=0) if floats else 0
    return ["≈0" if 0 < abs(number) < lost else _number(number) for number in flat.tolist()]


def _number(number: float) -> str:
    """Return a number with four digits; no zero has a sign."""
    return f"{number + 0:.4g}"


def side_by_side(labels: Sequence[str], blocks: Sequence[Sequence[str]], width: int) -> str:
    """Return blocks of lines next to one another behind common labels.

    Args:
        labels: one for each line of a block.
        blocks: lines of each block, as many as there are labels.
        width: characters a line may have; blocks that do not fit go below the others.
    """
    first = max(map(len, labels))
    widths = [max(map(len, block)) for block in blocks]
    rows, used = [[0]], first + len(GAP) + widths[0]
    for i in range(1, len(blocks)):
        if used + len(GAP) + widths[i] > width:
            rows.append([])
            used = first
        rows[-1].append(i)
        used += len(GAP) + widths[i]
    tables = []
    for row in rows:
        lines = [
            GAP.join([label.ljust(first), *(blocks[i][line].ljust(widths[i]) for i in row)]).rstrip(" │")
            for line, label in enumerate(labels)
        ]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _names(traces: Mapping[str, Trace], leaves: bool) -> list[str]:
    """Return the names of all nodes, or of all leaves, in an order that every trace keeps, if there is one."""
    chains = [[step.name for step in trace.steps if (step.op is None) == leaves] for trace in traces.values()]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for chain in chains:  # from the input on, where models are alike, so that their second layers come side by side
        for i, name in enumerate(chain):
            sorter.add(name, *chain[i + 1 : i + 2])
    try:
        return list(sorter.static_order())[::-1]
    except CycleError:
        return list(dict.fromkeys(name for chain in chains for name in chain))


def _cell(trace: Trace, name: str) -> str:
    if name not in trace.names:
        return "–"
    step: Step = trace[name]
    by = ", ".join(
        node if np.isclose(share, step.zero_share) else f"{node} {share:.0%}" for node, share in step.zeroed_by.items()
    )
    return f"{step.op or 'parameter':17} {step.norm:10.3g} {step.zero_share:>4.0%} {by}".rstrip()
