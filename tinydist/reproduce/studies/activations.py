"""The study of activations: do the paper's findings depend on ReLU, or hold for others under the same constraints?

Every activation becomes the paper's five models: plain (the baseline), with the output forced to be an intensity
(``2``) or a distance (``2-Neg``), and with OffsetL2 read as either (``L2``, ``L2-Neg``). The question of the study is
which property of an activation predicts that a model collapses: falls more than ten points below its own baseline.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import layer_output
from tinydist.analysis.activation_shapes import Shape, shape_of, stuck_units
from tinydist.analysis.statistics import summarize
from tinydist.datasets import Dataset
from tinydist.figures import canvas, save, set_title
from tinydist.files import write_atomically
from tinydist.models import PAPER_MODELS, parse_model_name
from tinydist.nn import Activation
from tinydist.ops import ACTIVATIONS
from tinydist.reproduce.evidence.collapse import COLLAPSED, NO_COMPARISON, STANDS, collapses, learned
from tinydist.reproduce.evidence.decisions import OPEN, SHOWN, Finding, decide
from tinydist.reproduce.evidence.labels import protocol_label, run_counts
from tinydist.reproduce.evidence.outcomes import Outcomes, grouped, outcomes
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.trained import trained_model
from tinydist.reproduce.studies.study import Study
from tinydist.tables import WIDTH, text_table

OUTPUTS = tuple(dict.fromkeys(parse_model_name(model).output for model in PAPER_MODELS))
"""What the paper's models have after their activation, the plain output first."""
MODELS = tuple(f"{activation}{head}" for activation in ACTIVATIONS for head in OUTPUTS)
"""Every activation with every head, baselines first within each."""


def write(records: Sequence[RunRecord], out: Path, _jobs: int) -> tuple[str, list[Path]]:
    """Write heat maps and numbers of the study's runs into ``out/study``, input by input.

    Args:
        records: of finished runs in `out`.
        out: results folder.
        _jobs: not used, as these figures are drawn in this process.

    Returns:
        The findings as text, and the files.

    Raises:
        DataError: if the trained weights of a run are missing or damaged.
        OSError: if a file cannot be written.
    """
    texts, paths = [], []
    for setting, group in grouped(records).items():
        label = protocol_label(setting, *run_counts(group))
        data = data_in_memory(group[0].config)
        cells = read_cells(group, out, data)
        texts.append(f"{label[0].upper()}{label[1:]}\n\n{in_words(cells)}")
        figure, table = (out / "study" / f"activations-{setting.input}.{suffix}" for suffix in ("png", "txt"))
        save(heat_maps(cells, label, data.classes), figure)
        write_atomically(table, texts[-1] + "\n")
        paths += [figure, table]
    return "\n\n".join(texts), paths


@dataclass(frozen=True)
class Cell:
    """One activation with one head.

    Attributes:
        accuracies: test accuracies of the runs that ended well, percent.
        failed: runs that did not.
        stuck: for each run that ended well, the number of outputs that lie where the last activation is flat on every
            training image; empty where no activation follows the outputs.
        collapse: ``COLLAPSED``, ``STANDS``, ``OPEN`` or ``NO_COMPARISON`` beside the baseline of the same activation.
    """

    accuracies: tuple[float, ...]
    failed: int
    stuck: tuple[int, ...]
    collapse: str


Cells = Mapping[tuple[str, str], Cell]  # by activation and head


def read_cells(records: Sequence[RunRecord], out: Path, data: Dataset) -> dict[tuple[str, str], Cell]:
    """Return the cell of every activation and head among the runs of one setting.

    Raises:
        DataError: if the trained weights of a run are missing or damaged.
    """
    found = _collapses(outcomes(records))
    cells = {}
    for activation, head in itertools.product(ACTIVATIONS, OUTPUTS):
        runs = [record for record in records if record.config.model == f"{activation}{head}"]
        if runs:
            well = [record for record in runs if record.status == "ok"]
            followed = well if parse_model_name(f"{activation}{head}").again else []
            cells[activation, head] = Cell(
                accuracies=tuple(record.final.test_accuracy for record in well),
                failed=len(runs) - len(well),
                stuck=tuple(_stuck_outputs(record, out, data) for record in followed),
                collapse=found.get((activation, head), NO_COMPARISON),
            )
    return cells


def _stuck_outputs(record: RunRecord, out: Path, data: Dataset) -> int:
    activation = Activation(parse_model_name(record.config.model).activation)
    model = trained_model(record.config.folder(out))
    return int(stuck_units(activation, layer_output(model, data.x_train, "linear1")).sum())


def _collapses(results: Outcomes) -> dict[tuple[str, str], str]:
    """Decide on the collapse of each model, and of each baseline, which stands if it has learned."""
    heads = {
        (activation, head): (results, activation, f"{activation}{head}")
        for activation, head in itertools.product(ACTIVATIONS, OUTPUTS[1:])
    }
    plain = {(activation, ""): STANDS for activation in ACTIVATIONS if learned(results, activation)}
    return plain | collapses(heads)


def in_words(cells: Cells) -> str:
    """Return as text the numbers, then which property goes with collapse, head by head."""
    shapes = {activation: shape_of(Activation(activation)) for activation in dict.fromkeys(a for a, _ in cells)}
    parts = [_table(cells), _properties_table(shapes)]
    parts += ["\n".join(_prediction(cells, shapes, head)) for head in OUTPUTS[1:]]
    return "\n\n".join(parts)


def _table(cells: Cells) -> str:
    rows: list[tuple[str, ...]] = [("model", "test accuracy %", "n", "failed", "stuck outputs", "beside its baseline")]
    for (activation, head), cell in cells.items():
        accuracy = str(summarize(cell.accuracies)) if cell.accuracies else "–"
        stuck = f"{summarize(cell.stuck).mean:.1f}" if cell.stuck else "–"
        fate = cell.collapse if head else "baseline"
        rows.append((activation + head, accuracy, str(len(cell.accuracies)), str(cell.failed), stuck, fate))
    return text_table(rows)


def _properties_table(shapes: Mapping[str, Shape]) -> str:
    names = tuple(next(iter(shapes.values())).properties())
    rows = [("activation", *names)]
    rows += [(a, *("yes" if shape.properties()[name] else "no" for name in names)) for a, shape in shapes.items()]
    return text_table(rows)


def _prediction(cells: Cells, shapes: Mapping[str, Shape], head: str) -> Iterator[str]:
    """Yield the lines on one head: Fisher's exact test of each property against collapse, Holm-corrected over them."""
    by_activation = {activation: cell.collapse for (activation, h), cell in cells.items() if h == head}
    listed = (
        f"{fate}: {', '.join(_named(cells, a, head) for a, f in by_activation.items() if f == fate)}"
        for fate in (COLLAPSED, STANDS, OPEN, NO_COMPARISON)
        if fate in by_activation.values()
    )
    yield textwrap.fill(f"Act{head}: {'; '.join(listed)}.", WIDTH)
    collapsed = {
        activation: fate == COLLAPSED for activation, fate in by_activation.items() if fate in (COLLAPSED, STANDS)
    }
    if len(set(collapsed.values())) < 2:
        alike = f"All that are settled have {'collapsed' if any(collapsed.values()) else 'not collapsed'}"
        yield f"  {alike if collapsed else 'Nothing is settled'}, so no property can tell them apart."
        return
    properties = {activation: shapes[activation].properties() for activation in collapsed}
    names = list(next(iter(properties.values())))
    tables = {name: _counts(collapsed, {a: has[name] for a, has in properties.items()}) for name in names}
    decided = decide(
        {name: Finding(float(scipy.stats.fisher_exact(table).pvalue), 1.0) for name, table in tables.items()}
    )
    for name, table in tables.items():
        (hits, size), (others, other_size) = zip(table[:, 0], table.sum(axis=1), strict=True)
        yield (
            f"  {name}: {hits} of {size} collapsed with it, {others} of {other_size} without "
            f"(p {decided[name].for_it:.2g})"
        )
    best = min(names, key=lambda name: decided[name].for_it)
    verdict = (
        f"{best} goes with collapse"
        if decided[best].word == SHOWN
        else "no single property settles it; so few activations can only show a nearly perfect divide"
    )
    yield f"  So, for Act{head}: {verdict}."


def _named(cells: Cells, activation: str, head: str) -> str:
    """Return the name of an activation and, where its collapse is open, how far its mean is from the baseline's."""
    cell = cells[activation, head]
    if cell.collapse != OPEN:
        return activation
    change = np.mean(cell.accuracies) - np.mean(cells[activation, ""].accuracies)
    return f"{activation} ({change:+.1f} points in the mean)"


def _counts(collapsed: Mapping[str, bool], has: Mapping[str, bool]) -> NDArray[np.int64]:
    """Count activations with a property and, in the second row, without it: those that collapsed, those that stand."""
    return np.array(
        [
            [sum(has[a] == there and collapsed[a] == fell for a in has) for fell in (True, False)]
            for there in (True, False)
        ]
    )


def heat_maps(cells: Cells, label: str, outputs: int) -> Figure:
    """Draw mean test accuracy with its deviation, and stuck outputs, for every activation and head.

    Args:
        cells: of one setting.
        label: the protocol, shown under the title.
        outputs: how many outputs the models have.
    """
    activations = dict.fromkeys(activation for activation, _ in cells)
    figure = canvas(11, 1.9 + 0.52 * len(activations))
    accuracy, stuck = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _heat_map(
        accuracy, {place: (cell.accuracies, _accuracy_words(cell)) for place, cell in cells.items()}, 100, "cividis"
    )
    accuracy.set_title("test accuracy %: mean ± standard deviation\n✗ collapsed: > 10 points below plain", fontsize=9)
    _heat_map(stuck, {place: (cell.stuck, _stuck_words(cell)) for place, cell in cells.items()}, outputs, "cividis_r")
    stuck.set_title(f"dead or saturated outputs of {outputs}, mean", fontsize=9)
    set_title(figure, f"Activations under the paper's constraints\n{label}", fontsize=10)
    return figure


def _accuracy_words(cell: Cell) -> str:
    if not cell.accuracies:
        return "all runs\nfailed"
    summary = summarize(cell.accuracies)
    mark = " ✗" if cell.collapse == COLLAPSED else ""
    spread = f"\n±{summary.sd:.1f}" if summary.n > 1 else ""
    lost = f"\n{cell.failed} failed" if cell.failed else ""
    return f"{summary.mean:.1f}{mark}{spread}{lost}"


def _stuck_words(cell: Cell) -> str:
    if not cell.accuracies:
        return ""
    return f"{summarize(cell.stuck).mean:.1f}" if cell.stuck else "–"


def _heat_map(
    axes: Axes, shown: Mapping[tuple[str, str], tuple[Sequence[float], str]], high: float, colors: str
) -> None:
    """Draw means from 0 to `high` as colours, each with its words, grey where there is none; by activation and head."""
    activations = list(dict.fromkeys(activation for activation, _ in shown))
    means = np.full((len(activations), len(OUTPUTS)), np.nan)
    for (activation, head), (values, _) in shown.items():
        if values:
            means[activations.index(activation), OUTPUTS.index(head)] = np.mean(values)
    axes.set_facecolor("#dddddd")
    image = axes.imshow(means, cmap=colors, vmin=0, vmax=high, aspect="auto")
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    axes.set_xticks(range(len(OUTPUTS)), labels=[head.removeprefix("-") or "plain" for head in OUTPUTS])
    axes.set_yticks(range(len(activations)), labels=activations)
    for (activation, head), (_, words) in shown.items():
        row, column = activations.index(activation), OUTPUTS.index(head)
        bright = np.isnan(means[row, column]) or np.mean(image.to_rgba(means[row, column])[:3]) > 0.45
        axes.text(column, row, words, ha="center", va="center", fontsize=7.5, color="black" if bright else "white")


STUDY = Study(models=MODELS, write=write, protocol=Protocol(train_size=3_000, epochs=500, runs=3))
