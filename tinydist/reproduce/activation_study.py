"""Is the story about ReLU, or about geometry? Other activations under the constraints of the paper.

Every activation becomes the paper's five models: plain (the baseline), with the output forced to be an intensity
(``2``) or a distance (``2-Neg``), and with OffsetL2 read as either (``L2``, ``L2-Neg``). The question of the study is
which property of an activation predicts that a model collapses: falls more than ten points below its own baseline.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from tinydist.analysis.activation_shapes import Shape, shape_of, stuck_units
from tinydist.analysis.activations import layer_output
from tinydist.analysis.statistics import holm, summarize
from tinydist.datasets import Dataset
from tinydist.figures import canvas, save
from tinydist.files import write_atomically
from tinydist.models import ACTIVATIONS, parse_model_name
from tinydist.reproduce import report
from tinydist.reproduce.claims import CATASTROPHE
from tinydist.reproduce.comparisons import Above
from tinydist.reproduce.ledger import ALPHA
from tinydist.reproduce.outcomes import Outcomes, grouped, outcomes
from tinydist.reproduce.records import RunRecord
from tinydist.reproduce.run import load_data
from tinydist.reproduce.trained import trained_model
from tinydist.tables import text_table

HEADS = ("", "2", "2-Neg", "-L2", "-L2-Neg")
MODELS = tuple(f"{activation}{head}" for activation in ACTIVATIONS for head in HEADS)
"""Every activation with every head, baselines first within each."""
COLLAPSED, STANDS, OPEN, FAILED = "collapsed", "stands", "open", "no comparison"
"""What became of a model beside its baseline: shown to be more than ten points below, shown not to be, neither, or
nothing to compare: no two runs of either ended well, or the baseline itself has not learned."""
LEARNED = 20.0
"""Test accuracy that a baseline has to reach, in percent: ten points above chance, so that there is a height to fall
from."""


def write(records: Sequence[RunRecord], out: Path) -> tuple[str, list[Path]]:
    """Write heat maps and numbers of the study's runs into ``out/study``, input by input.

    Args:
        records: of finished runs in `out`.
        out: results folder.

    Returns:
        What was found, to print, and the files.

    Raises:
        DataError: if the trained weights of a run are absent or damaged.
        OSError: if a file cannot be written.
    """
    texts, paths = [], []
    for setting, group in grouped(records).items():
        label = report.protocol_label(setting, *report.run_counts(group))
        config = group[0].config
        data = load_data(config.dataset, config.input, config.train_size, config.layout)
        cells = read_cells(group, out, data)
        texts.append(f"{label[0].upper()}{label[1:]}\n\n{told(cells)}")
        figure, table = (out / "study" / f"activations-{setting.input}.{suffix}" for suffix in ("png", "txt"))
        figure.parent.mkdir(exist_ok=True)
        save(heat_maps(cells, label), figure)
        write_atomically(table, texts[-1] + "\n")
        paths += [figure, table]
    return "\n\n".join(texts), paths


@dataclass(frozen=True)
class Cell:
    """One activation with one head.

    Attributes:
        accuracies: test accuracies of the runs that ended well, percent.
        failed: runs that did not.
        stuck: of each run that ended well, the outputs that stand where the last activation is flat on every
            training image; empty where no activation follows the outputs.
        fate: ``COLLAPSED``, ``STANDS``, ``OPEN`` or ``FAILED`` beside the baseline of the same activation.
    """

    accuracies: tuple[float, ...]
    failed: int
    stuck: tuple[int, ...]
    fate: str


Cells = Mapping[tuple[str, str], Cell]  # by activation and head


def read_cells(records: Sequence[RunRecord], out: Path, data: Dataset) -> dict[tuple[str, str], Cell]:
    """What became of every activation and head among the runs of one setting."""
    results = outcomes(records)
    fates = _fates(results)
    cells = {}
    for model in MODELS:
        runs = [record for record in records if record.config.model == model]
        if runs:
            well = [record for record in runs if record.status == "ok"]
            cells[_split(model)] = Cell(
                accuracies=tuple(record.final.test_accuracy for record in well),
                failed=len(runs) - len(well),
                stuck=tuple(_stuck_outputs(record, out, data) for record in well if parse_model_name(model).second),
                fate=fates.get(model, FAILED),
            )
    return cells


def _split(model: str) -> tuple[str, str]:
    activation = parse_model_name(model).activation
    return activation, model.removeprefix(activation)


def _stuck_outputs(record: RunRecord, out: Path, data: Dataset) -> int:
    activation = ACTIVATIONS[parse_model_name(record.config.model).activation]()
    model = trained_model(record.config.folder(out))
    return int(stuck_units(activation, layer_output(model, data.x_train, "linear1")).sum())


def _fates(results: Outcomes) -> dict[str, str]:
    """Whether each model that has runs enough is catastrophically below its baseline, Holm-corrected over all."""
    comparisons = {
        model: Above(_split(model)[0], model, CATASTROPHE)
        for model in MODELS
        if _split(model)[1]
        and all(m in results and results[m].accuracy.n > 1 for m in (model, _split(model)[0]))
        and results[_split(model)[0]].mean >= LEARNED
    }
    found = [comparison.examine(results) for comparison in comparisons.values()]
    below, not_below = holm([f.for_it for f in found]), holm([f.against_it for f in found])
    fates = {
        model: COLLAPSED if p < ALPHA else STANDS if q < ALPHA else OPEN
        for model, p, q in zip(comparisons, below, not_below, strict=True)
    }
    return {model: STANDS for model in results if not _split(model)[1] and results[model].mean >= LEARNED} | fates


def told(cells: Cells) -> str:
    """The numbers, then which property goes with collapse, head by head."""
    shapes = {activation: shape_of(ACTIVATIONS[activation]()) for activation in dict.fromkeys(a for a, _ in cells)}
    parts = [_table(cells), _properties_table(shapes)]
    parts += ["\n".join(_prediction(cells, shapes, head)) for head in HEADS[1:]]
    return "\n\n".join(parts)


def _table(cells: Cells) -> str:
    rows: list[tuple[str, ...]] = [("model", "test accuracy %", "n", "failed", "stuck outputs", "beside its baseline")]
    for (activation, head), cell in cells.items():
        accuracy = str(summarize(cell.accuracies)) if cell.accuracies else "–"
        stuck = f"{summarize(cell.stuck).mean:.1f}" if cell.stuck else "–"
        fate = cell.fate if head else "baseline"
        rows.append((activation + head, accuracy, str(len(cell.accuracies)), str(cell.failed), stuck, fate))
    return text_table(rows)


def _properties_table(shapes: Mapping[str, Shape]) -> str:
    names = tuple(next(iter(shapes.values())).properties())
    rows = [("activation", *names)]
    rows += [(a, *("yes" if shape.properties()[name] else "no" for name in names)) for a, shape in shapes.items()]
    return text_table(rows)


def _prediction(cells: Cells, shapes: Mapping[str, Shape], head: str) -> Iterator[str]:
    """Fisher's exact test of each property against collapse, Holm-corrected over the properties."""
    fates = {activation: cell.fate for (activation, h), cell in cells.items() if h == head}
    by_fate = {fate: [a for a, f in fates.items() if f == fate] for fate in (COLLAPSED, STANDS, OPEN, FAILED)}
    lost = {a: np.mean(cells[a, ""].accuracies) - np.mean(cells[a, head].accuracies) for a in by_fate[OPEN]}
    by_fate[OPEN] = [f"{a} ({-lost[a]:+.1f} points in the mean)" for a in by_fate[OPEN]]
    listed = "; ".join(f"{fate}: {', '.join(names)}" for fate, names in by_fate.items() if names)
    yield textwrap.fill(f"Act{head}: {listed}.", report.WIDTH)
    settled = by_fate[COLLAPSED] + by_fate[STANDS]
    if not by_fate[COLLAPSED] or not by_fate[STANDS]:
        alike = f"All that are settled have {'collapsed' if by_fate[COLLAPSED] else 'not collapsed'}"
        yield f"  {alike if settled else 'Nothing is settled'}, so no property can tell them apart."
        return
    names = list(next(iter(shapes.values())).properties())
    counts = {}
    for name in names:
        having = [activation for activation in settled if shapes[activation].properties()[name]]
        lacking = [activation for activation in settled if activation not in having]
        hits = [sum(fates[a] == COLLAPSED for a in group) for group in (having, lacking)]
        counts[name] = hits, (len(having), len(lacking))
    tables = [[hits, [size - hit for hit, size in zip(hits, sizes, strict=True)]] for hits, sizes in counts.values()]
    corrected = holm([float(stats.fisher_exact(np.array(table)).pvalue) for table in tables])
    for (name, (hits, sizes)), p in zip(counts.items(), corrected, strict=True):
        yield f"  {name}: {hits[0]} of {sizes[0]} collapsed with it, {hits[1]} of {sizes[1]} without (p {p:.2g})"
    best = min(range(len(names)), key=corrected.__getitem__)
    verdict = (
        f"{names[best]} goes with collapse"
        if corrected[best] < ALPHA
        else "no single property settles it; so few activations can only show a nearly perfect divide"
    )
    yield f"  So, for Act{head}: {verdict}."


def heat_maps(cells: Cells, label: str) -> Figure:
    """Mean test accuracy with its deviation, and stuck outputs, for every activation and head.

    Args:
        cells: of one setting.
        label: the protocol, shown under the title.
    """
    activations = list(dict.fromkeys(activation for activation, _ in cells))
    figure = canvas(11, 1.9 + 0.52 * len(activations))
    accuracy, stuck = figure.subplots(1, 2, width_ratios=(1.35, 1))
    means = _grid(cells, activations, lambda cell: cell.accuracies)
    _heat_map(accuracy, means, 0, 100, "cividis")
    accuracy.set_title("test accuracy %: mean ± standard deviation\n✗ collapsed: > 10 points below plain", fontsize=9)
    _heat_map(stuck, _grid(cells, activations, lambda cell: cell.stuck), 0, 10, "cividis_r")
    stuck.set_title("dead or saturated outputs of 10, mean", fontsize=9)
    for axes in (accuracy, stuck):
        axes.set_xticks(range(len(HEADS)), labels=[head.removeprefix("-") or "plain" for head in HEADS])
        axes.set_yticks(range(len(activations)), labels=activations)
    for (activation, head), cell in cells.items():
        place = HEADS.index(head), activations.index(activation)
        if not cell.accuracies:
            words = ("all runs\nfailed", "")
        else:
            lost = f"\n{cell.failed} failed" if cell.failed else ""
            mark = " ✗" if cell.fate == COLLAPSED else ""
            summary = summarize(cell.accuracies)
            spread = f"\n±{summary.sd:.1f}" if summary.n > 1 else ""
            words = (
                f"{summary.mean:.1f}{mark}{spread}{lost}",
                f"{summarize(cell.stuck).mean:.1f}" if cell.stuck else "–",
            )
        for axes, text, light in (
            (accuracy, words[0], bool(cell.accuracies) and np.mean(cell.accuracies) > 50),
            (stuck, words[1], bool(cell.stuck) and np.mean(cell.stuck) < 5),
        ):
            dark = light or not cell.accuracies or (axes is stuck and not cell.stuck)
            axes.text(*place, text, ha="center", va="center", fontsize=7.5, color="black" if dark else "white")
    figure.suptitle(f"Activations under the paper's constraints\n{label}", fontsize=10)
    return figure


def _grid(cells: Cells, activations: Sequence[str], values: Callable[[Cell], Sequence[float]]) -> NDArray[np.float64]:
    """Means, (activations, heads); NaN where there is none."""
    grid = np.full((len(activations), len(HEADS)), np.nan)
    for (activation, head), cell in cells.items():
        if found := values(cell):
            grid[activations.index(activation), HEADS.index(head)] = np.mean(found)
    return grid


def _heat_map(axes: Axes, grid: NDArray[Any], low: float, high: float, colors: str) -> None:
    axes.set_facecolor("#dddddd")  # shows where there is no number
    image = axes.imshow(grid, cmap=colors, vmin=low, vmax=high, aspect="auto")
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
