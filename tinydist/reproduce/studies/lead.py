"""The study of OffsetL2's lead: is it the layer's, or that of a start and of steps which do not feel the input's scale?

On raw pixels OffsetL2 begins with outputs that hardly differ, and its first step hardly moves them; a linear last layer
begins with outputs two hundred times as far apart, and its first step moves them as far as they are from 0. So the
comparison of the two is also one of starts and steps. Here each gets the other's, on the same images:

* **the linear layer** a start as small as that of OffsetL2, also with a step that leaves the outputs where they are;
  smaller learning rates, with which the overshoot κ (see :mod:`tinydist.analysis.overshoot`) stays below its threshold;
  and the start and step of pixels up to 1, with a learning rate that fits them;
* **OffsetL2** a start as large as that of the linear layer, and pixels up to 1.

If the lead and the small spread are the layer's, they remain.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinydist.figures import BLUE, VERMILION, panels, save, set_title
from tinydist.files import write_atomically
from tinydist.reproduce.evidence.comparisons import Above, Comparison, MoreSpread
from tinydist.reproduce.evidence.decisions import Decision, decide, p_text
from tinydist.reproduce.evidence.outcomes import Outcomes
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.studies.study import Study, by_arm, sizes_alone
from tinydist.tables import WIDTH, text_table

SCALE = 1 / 255
FITTING: dict[str, Any] = {"first_init": SCALE, "first_step": SCALE**2, "lr": 0.1}
"""The start of pixels up to 1 and a learning rate that fits them."""


@dataclass(frozen=True)
class Arm:
    """One start and step of a kind of last layer.

    Attributes:
        name: of its runs.
        words: for it, behind the name of a model.
        changes: fields of the run's settings that differ from the paper's on raw pixels.
    """

    name: str
    words: str
    changes: Mapping[str, Any]


AS_PUBLISHED = Arm("as-published", "as published", {})
TO_1 = Arm("pixels-to-1-lr-0.1", "on pixels to 1, lr 0.1", FITTING)
LARGE = Arm("large-start", "from a large start", {"last_init": 1e5})
LINEAR = (
    AS_PUBLISHED,
    Arm("small-start", "from a small start", {"last_init": 1 / 200}),
    Arm("small-start-and-step", "from a small start, last step small", {"last_init": 1 / 200, "last_step": 1e-3}),
    Arm("lr-0.0001", "at lr 0.0001", {"lr": 1e-4}),
    Arm("lr-1e-05", "at lr 1e-05", {"lr": 1e-5}),
    TO_1,
)
OFFSET = (AS_PUBLISHED, LARGE, TO_1)
PAIRS = {"ReLU": "ReLU-L2", "Abs": "Abs-L2"}
"""The model with OffsetL2 beside each with a linear last layer."""


def arms_of(model: str) -> tuple[Arm, ...]:
    """Return the arms of a model."""
    return LINEAR if model in PAIRS else OFFSET


def arms(config: RunConfig) -> Iterable[RunConfig]:
    """Return a run of every arm in place of one."""
    return [replace(config, arm=arm.name, **arm.changes) for arm in arms_of(config.model)]


def statements() -> Iterator[Comparison]:
    """Yield what the runs are to decide together; a model is named with its arm."""
    for linear, offset in PAIRS.items():
        published = f"{offset} {AS_PUBLISHED.words}"
        pairs = [(published, f"{linear} {arm.words}") for arm in LINEAR]
        pairs += [(f"{offset} {LARGE.words}", f"{linear} {AS_PUBLISHED.words}")]
        pairs += [(f"{offset} {TO_1.words}", f"{linear} {TO_1.words}")]
        for ours, theirs in pairs:
            yield Above(ours, theirs, 0)
            yield MoreSpread(theirs, ours, 1)


def by_model_and_arm(records: Sequence[RunRecord]) -> Outcomes:
    """Group runs by model and arm, named as in the statements."""
    found = by_arm(records)
    return {
        f"{model} {arm.words}": found[arm.name][model]
        for pair in PAIRS.items()
        for model in pair
        for arm in arms_of(model)
        if model in found.get(arm.name, {})
    }


def decisions(results: Outcomes) -> list[Decision]:
    """Decide on the statements of which both sides were run, corrected over all of them."""
    runs = [s for s in statements() if all(m in results and results[m].accuracy.n > 1 for m in s.models)]
    return list(decide({statement: statement.examine(results) for statement in runs}).values())


def findings(records: Sequence[RunRecord]) -> str:
    """Return the numbers of every arm, then each statement with what is shown of it, as text."""
    results = by_model_and_arm(records)
    overshoots: dict[str, list[float]] = {}
    for record in records:
        if record.overshoot is not None:
            words = next(arm.words for arm in arms_of(record.config.model) if arm.name == record.config.arm)
            overshoots.setdefault(f"{record.config.model} {words}", []).append(record.overshoot)
    rows = [("model and arm", "test accuracy %", "runs", "κ (median)")]
    for name, outcome in results.items():
        kappa = f"{np.median(overshoots[name]):.2g}" if name in overshoots else "–"
        rows.append((name, str(outcome.accuracy), str(outcome.runs), kappa))
    lines = [
        f"{d.word}: {d.statement} ({d.numbers}; p for it {p_text(d.for_it)}, against it {p_text(d.against_it)})"
        for d in decisions(results)
    ]
    wrapped = [textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines]
    return "\n\n".join([text_table(rows), "\n".join(wrapped)])


def write(records: Sequence[RunRecord], out: Path, _jobs: int) -> tuple[str, list[Path]]:
    """Write figure and findings into ``out/study``.

    Args:
        records: of finished runs in `out`.
        out: results folder.
        _jobs: not used, as the figure is drawn in this process.

    Returns:
        The findings as text, and the files.

    Raises:
        OSError: if a file cannot be written.
    """
    config = records[0].config
    label = f"not the paper's protocol: {config.train_size:,} images, {config.epochs:,} steps"
    failed = failures([record for record in records if record.status != "ok"])
    text = "\n\n".join(part for part in (label[0].upper() + label[1:], findings(records), failed) if part)
    paths = [out / "study" / name for name in ("lead.txt", "lead.png")]
    write_atomically(paths[0], text + "\n")
    save(lead_figure(by_model_and_arm(records), label), paths[1])
    return text, paths


def lead_figure(results: Outcomes, label: str) -> Figure:
    """Draw the accuracy of every run, a panel a pair of models: a dot a run, a line at the mean of each arm."""
    figure, all_axes = panels(len(PAIRS), 6.5, 4.4, sharex=True)
    for axes, pair in zip(all_axes, PAIRS.items(), strict=True):
        names = [f"{model} {arm.words}" for model in pair for arm in arms_of(model)]
        for place, name in enumerate(names):
            if name in results:
                color, marker = (VERMILION, "s") if name.startswith(f"{pair[1]} ") else (BLUE, "o")
                dots = results[name].accuracies
                axes.plot(dots, [place] * len(dots), marker, color=color, ms=4, alpha=0.5, mew=0)
                axes.plot([results[name].mean] * 2, [place - 0.35, place + 0.35], color=color, lw=1.5)
        axes.set_yticks(range(len(names)), labels=names, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel("test accuracy %")
        axes.grid(alpha=0.3)
    set_title(figure, f"Is OffsetL2's lead its layer's, or its start's and step's? A dot a run\n{label}")
    return figure


STUDY = Study(
    models=tuple(model for pair in PAIRS.items() for model in pair),
    write=write,
    arms=arms,
    check=sizes_alone("lead"),
    protocol=replace(PROTOCOLS["quick"], runs=20),
)
