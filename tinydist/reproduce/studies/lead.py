"""The study of OffsetL2's lead: is it the layer's, or that of a start and of steps which do not feel the input's scale?

On raw pixels OffsetL2 begins with outputs that hardly differ, and its first step hardly moves them; a linear last layer
begins with outputs two hundred times as far apart, and its first step moves them as far as they are from 0. So the
comparison of the two is also one of starts and steps. Here each gets the other's, on the same images:

* **the linear layer** a start as small as that of OffsetL2, also with a step that leaves the outputs where they are;
  smaller learning rates, with which the overshoot κ (see :mod:`tinydist.analysis.overshoot`) stays below its threshold;
  and the start and step of pixels up to 1, with a learning rate that fits them;
* **OffsetL2** a start as large as that of the linear layer, and pixels up to 1.

If the lead and the small spread are the layer's, they remain.

What each last layer does with a hidden layer that **rests** is run as well, without a statement on it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinydist.analysis.statistics import summarize
from tinydist.figures import BLUE, VERMILION, panels, set_title
from tinydist.reproduce.evidence.comparisons import Above, Comparison, MoreSpread
from tinydist.reproduce.evidence.decisions import Decision, decide, p_text
from tinydist.reproduce.evidence.outcomes import Outcomes
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.studies.study import AT_REST, Study, by_arm, pixels_up_to, save_findings, sizes_alone
from tinydist.tables import WIDTH, text_table


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
TO_1 = Arm("pixels-to-1-lr-0.1", "on pixels to 1, lr 0.1", pixels_up_to(1, lr=0.1))
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
RESTING = (
    Arm("hidden-at-rest", "with the hidden layer at rest", {"first_step": AT_REST}),
    Arm(
        *("pixels-to-1-hidden-at-rest", "on pixels to 1, lr 0.1, hidden layer at rest"),
        pixels_up_to(1, lr=0.1, first_step=AT_REST),
    ),
)
PAIRS = {"ReLU": "ReLU-L2", "Abs": "Abs-L2"}
"""The model with OffsetL2 beside each with a linear last layer."""


def arms_of(model: str) -> tuple[Arm, ...]:
    """Return the arms of a model."""
    return (*(LINEAR if model in PAIRS else OFFSET), *RESTING)


def arms(config: RunConfig) -> Iterable[RunConfig]:
    """Return a run of every arm in place of one."""
    return [replace(config, arm=arm.name, **arm.changes) for arm in arms_of(config.model)]


def named(model: str, arm: Arm) -> str:
    """Return what the runs of a model in an arm are called."""
    return f"{model} {arm.words}"


def statements() -> Iterator[Comparison]:
    """Yield what the runs are to decide together."""
    for linear, offset in PAIRS.items():
        published = named(offset, AS_PUBLISHED)
        pairs = [(published, named(linear, arm)) for arm in LINEAR]
        pairs += [(named(offset, LARGE), named(linear, AS_PUBLISHED)), (named(offset, TO_1), named(linear, TO_1))]
        for ours, theirs in pairs:
            yield Above(ours, theirs, 0)
            yield MoreSpread(theirs, ours, 1)


def by_model_and_arm(records: Sequence[RunRecord]) -> Outcomes:
    """Group runs by model and arm, named as in the statements."""
    found = by_arm(records)
    return {
        named(model, arm): found[arm.name][model]
        for model in STUDY.models
        for arm in arms_of(model)
        if model in found.get(arm.name, {})
    }


def decisions(results: Outcomes) -> list[Decision]:
    """Decide on the statements of which both sides were run, corrected over all of them."""
    runs = [s for s in statements() if all(m in results and results[m].accuracy.n > 1 for m in s.models)]
    return list(decide({statement: statement.examine(results) for statement in runs}).values())


def findings(results: Outcomes, records: Sequence[RunRecord]) -> str:
    """Return the numbers of every arm, then each statement with what is shown of it, as text."""
    overshoots: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if record.overshoot is not None:
            overshoots.setdefault((record.config.model, record.config.arm), []).append(record.overshoot)
    rows = [("model and arm", "test accuracy %", "with exchanged prototypes", "runs", "κ (median)")]
    for model in STUDY.models:
        for arm in arms_of(model):
            if outcome := results.get(named(model, arm)):
                kappas = overshoots.get((model, arm.name))
                kappa = f"{np.median(kappas):.2g}" if kappas else "–"
                exchanged = str(summarize(outcome.exchanged_accuracy)) if outcome.exchanged_accuracy else "–"
                rows.append((named(model, arm), str(outcome.accuracy), exchanged, str(outcome.runs), kappa))
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
    config, results = records[0].config, by_model_and_arm(records)
    sizes = f"{config.train_size:,} images, {config.epochs:,} steps"
    parts = [f"Not the paper's protocol: {sizes}", findings(results, records), failures(records)]
    return save_findings(out, "lead", parts, lead_figure(results, sizes))


def lead_figure(results: Outcomes, sizes: str) -> Figure:
    """Draw the accuracy of every run, a panel a pair of models: a dot a run, a line at the mean of each arm.

    Args:
        results: by model and arm.
        sizes: of the runs, shown under the title.
    """
    figure, all_axes = panels(len(PAIRS), 6.5, 4.4, sharex=True)
    for axes, (linear, offset) in zip(all_axes, PAIRS.items(), strict=True):
        names: list[str] = []
        for model, color, marker in ((linear, BLUE, "o"), (offset, VERMILION, "s")):
            for arm in arms_of(model):
                place, name = len(names), named(model, arm)
                names.append(name)
                if name in results:
                    dots = results[name].accuracies
                    axes.plot(dots, [place] * len(dots), marker, color=color, ms=4, alpha=0.5, mew=0)
                    axes.plot([results[name].mean] * 2, [place - 0.35, place + 0.35], color=color, lw=1.5)
        axes.set_yticks(range(len(names)), labels=names, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel("test accuracy %")
        axes.grid(alpha=0.3)
    title = "Is OffsetL2's lead its layer's, or its start's and step's? A dot a run"
    set_title(figure, f"{title}\nnot the paper's protocol: {sizes}")
    return figure


STUDY = Study(
    models=tuple(model for pair in PAIRS.items() for model in pair),
    write=write,
    arms=arms,
    check=sizes_alone("lead"),
    protocol=replace(PROTOCOLS["quick"], runs=20),
)
