"""The study of the overshoot: does κ, known before the first step, say which outputs of a network will die?

Its question, its arms and its predictions were fixed in ``data/results/overshoot/HYPOTHESIS.md`` before the first run;
this module runs the arms, computes what that file names, and says of each prediction whether it came out. κ is that of
:mod:`tinydist.analysis.overshoot`.

The second part of that file, on Fashion-MNIST, was written after the first had come out, and before its own runs. Its
arms are in no statistic of the first, and are left out where that data set is not at hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydist.activity import layer_outputs
from tinydist.analysis.overshoot import THRESHOLD, descending_overshoots
from tinydist.batches import Batching
from tinydist.datasets import find_source
from tinydist.figures import BLACK, BLUE, GREEN, ORANGE, PINK, SKY, VERMILION, panels, set_title
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.studies.study import Study, save_findings, sizes_alone
from tinydist.sparse import SparseMatrix
from tinydist.tables import text_table

Array = NDArray[np.float64]

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Learning rates of every arm on raw pixels."""
SMALL = tuple(300 * rate for rate in RATES)
"""Those for rows of normalised columns, 0.03 to 3."""
CONTROLS = ("ELU2", "LeakyReLU2")
"""Models whose outputs cannot fall silent."""
SPLIT = (0.0, 0.35, THRESHOLD, 2.0, 13.0, math.inf)
"""Ends of the ranges of κ that are counted."""
WORDS = {True: "Came out", False: "Did not come out", None: "Cannot be said"}
"""What is said of a prediction."""
STEPS = 10
"""First steps of which the largest κ is taken."""
SAMPLES = 2_000
"""Bootstrap samples of an interval."""


@dataclass(frozen=True)
class Arm:
    """One kind of network and data, trained at several learning rates.

    Attributes:
        name: of its runs.
        group: what sets it apart, for the figure's colours.
        model: its name.
        rates: learning rates.
        changes: fields of the run's settings that differ from the paper's.
        rows: how many training rows its data set has at most.
    """

    name: str
    group: str
    model: str = "ReLU2"
    rates: tuple[float, ...] = RATES
    changes: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 60_000


def _table(dataset: str, rows: int, input: str, rates: tuple[float, ...]) -> Arm:
    changes = {"dataset": dataset, "input": input, "layout": "dense"}
    return Arm(dataset, "tables", rates=rates, changes=changes, rows=rows)


ARMS = (
    Arm("base", "ReLU2"),
    Arm("32-units", "width, start", changes={"hidden": 32}),
    Arm("512-units", "width, start", changes={"hidden": 512}),
    Arm("he-init", "width, start", changes={"initialization": "he"}),
    Arm("positive-init", "width, start", changes={"initialization": "positive"}),
    Arm("small-start", "width, start", changes={"first_init": 1 / 255}),
    Arm("small-step", "width, start", changes={"first_step": 1 / 255**2}),
    Arm("batches", "width, start", changes={"batch_size": 100, "layout": "dense"}),
    Arm("neg", "Neg", "ReLU2-Neg"),
    Arm("gelu", "other activations", "GELU2"),
    Arm("gelu-neg", "Neg", "GELU2-Neg"),
    Arm("silu", "other activations", "SiLU2"),
    Arm("elu", "controls", "ELU2"),
    Arm("leaky-relu", "controls", "LeakyReLU2"),
    Arm("normalized", "normalised pixels", rates=SMALL, changes={"input": "normalized"}),
    Arm("normalized-neg", "Neg", "ReLU2-Neg", SMALL, {"input": "normalized"}),
    _table("digits", 1_257, "raw", tuple(30 * rate for rate in RATES)),
    _table("wine", 124, "normalized", SMALL),
    _table("breast-cancer", 398, "normalized", SMALL),
    Arm("fashion", "Fashion-MNIST", changes={"dataset": "fashion-mnist"}),
    Arm("fashion-neg", "Fashion-MNIST", "ReLU2-Neg", changes={"dataset": "fashion-mnist"}),
)
SECOND = ("fashion", "fashion-neg")
"""Names of the arms of the hypothesis's second part."""
LOOKS = {
    "ReLU2": (BLACK, "o"),
    "width, start": (BLUE, "s"),
    "Neg": (VERMILION, "v"),
    "other activations": (GREEN, "^"),
    "normalised pixels": (PINK, "P"),
    "tables": (ORANGE, "D"),
    "Fashion-MNIST": (SKY, "X"),
}
"""Colour and marker of each group."""


def arms(config: RunConfig) -> Iterable[RunConfig]:
    """Return a run of every arm with the model of `config`, at each of the arm's learning rates."""
    here = [arm for arm in ARMS if arm.name not in SECOND or find_source("fashion-mnist").is_here()]
    return [_run(config, arm, rate) for arm in here if arm.model == config.model for rate in arm.rates]


def _run(config: RunConfig, arm: Arm, rate: float) -> RunConfig:
    rows = min(config.train_size, arm.rows)
    batch = arm.changes.get("batch_size")
    epochs = max(1, config.epochs // Batching(batch).steps_an_epoch(rows))
    chunks = None if batch else config.chunk_size
    changes = {**arm.changes, "train_size": rows, "epochs": epochs, "chunk_size": chunks, "lr": rate}
    return replace(config, arm=f"{arm.name}-lr-{rate:g}", **changes)


@dataclass(frozen=True)
class Start:
    """What is known of a run before its first step and, of the last field, after ten; and what became of it.

    Attributes:
        arm: which it belongs to.
        deaths: outputs that fell silent on all training rows.
        outputs: how many there are.
        predictors: by name, see :data:`PREDICTORS`.
        later: the largest overshoot of the first ten steps.
        at_once: outputs that were silent after the first step and not before; None if nobody looked then.
    """

    arm: Arm
    deaths: int
    outputs: int
    predictors: Mapping[str, float]
    later: float
    at_once: int | None = None

    @property
    def kappa(self) -> float:
        """Return the overshoot of the first step."""
        return self.predictors[KAPPA]


KAPPA, RATE, SCALE, HIDDEN = "κ", "learning rate", "mean |x|²", "learning rate × mean |h|²"
LATER = f"largest κ of {STEPS} steps"
PREDICTORS = (KAPPA, RATE, SCALE, HIDDEN)
"""What is known before the first step, by name."""


def starts_of(records: Iterable[RunRecord]) -> list[Start]:
    """Return what is known of every finished run; its first ten steps are taken again, on all rows at once.

    Raises:
        DataError: if the data cannot be loaded again.
    """
    by_name = {arm.name: arm for arm in ARMS}
    found = []
    for record in sorted((r for r in records if r.curve), key=lambda record: record.config.dataset):
        config = record.config
        arm = by_name[config.arm.split("-lr-")[0]]
        data = data_in_memory(config)
        model, optimizer = start(config, data)
        x = data.x_train.dense() if isinstance(data.x_train, SparseMatrix) else data.x_train
        hidden = layer_outputs(model, data.x_train)["act0"]
        predictors = {
            RATE: config.lr,
            SCALE: _mean_square(x) * config.first_init**2,
            HIDDEN: config.lr * _mean_square(hidden),
        }
        steps = config.epochs * Batching(config.batch_size).steps_an_epoch(config.train_size)
        overshoots = descending_overshoots(model, optimizer, data.x_train, data.y_train, min(STEPS, steps))
        first, last = record.curve[0], record.final
        after_one = [m.dead_outputs for m in record.curve if m.epoch == 1 and config.batch_size is None]
        found.append(
            Start(
                arm=arm,
                deaths=max(0, last.dead_outputs - first.dead_outputs),
                outputs=len(last.output_activity),
                predictors={KAPPA: overshoots[0], **predictors},
                later=max(overshoots),
                at_once=max(0, after_one[0] - first.dead_outputs) if after_one else None,
            )
        )
    return found


def _mean_square(rows: NDArray[Any]) -> float:
    """Return the mean squared length of a row."""
    return float(np.square(rows, dtype=np.float64).sum(axis=1).mean())


def area_under_roc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive one has a higher score than another, a tie counted as half; or NaN."""
    ranks, count = scipy.stats.rankdata(scores), int(positive.sum())
    others = len(scores) - count
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others)) if count * others else math.nan


@dataclass(frozen=True)
class Estimate:
    """A statistic over all runs, and the ends of its 95% interval by bootstrap of the arms."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def estimate(starts: Sequence[Start], statistic: Callable[[Sequence[Start]], float]) -> Estimate:
    """Return a statistic of the runs, with an interval from samples of arms; samples without one are left out."""
    rng = np.random.default_rng(0)
    by_arm: dict[str, list[Start]] = {}
    for each in starts:
        by_arm.setdefault(each.arm.name, []).append(each)
    groups = list(by_arm.values())
    samples = []
    for _ in range(SAMPLES):
        drawn = [each for place in rng.integers(len(groups), size=len(groups)) for each in groups[place]]
        samples.append(statistic(drawn))
    low, high = np.nanpercentile(samples, [2.5, 97.5]) if not np.isnan(samples).all() else (math.nan, math.nan)
    return Estimate(statistic(starts), float(low), float(high))


def _auc(name: str) -> Callable[[Sequence[Start]], float]:
    return lambda starts: area_under_roc(_values(starts, name), np.array([each.deaths > 0 for each in starts]))


def _rank_correlation(name: str) -> Callable[[Sequence[Start]], float]:
    def correlation(starts: Sequence[Start]) -> float:
        values, shares = _values(starts, name), [each.deaths / each.outputs for each in starts]
        varies = len(set(values.tolist())) > 1 and len(set(shares)) > 1
        return float(scipy.stats.spearmanr(values, shares).statistic) if varies else math.nan

    return correlation


def _values(starts: Sequence[Start], name: str) -> Array:
    return np.array([each.later if name == LATER else each.predictors[name] for each in starts])


def _less(name: str, other: str) -> Callable[[Sequence[Start]], float]:
    return lambda starts: _auc(name)(starts) - _auc(other)(starts)


def findings(starts: Sequence[Start]) -> str:
    """Return the statistics, then each prediction with what came out, as text."""
    second = [each for each in starts if each.arm.name in SECOND]
    tested = [each for each in starts if each.arm.model not in CONTROLS and each.arm.name not in SECOND]
    controls = [each for each in starts if each.arm.model in CONTROLS]
    parts = [_counts_table(tested), _predictors_table(tested), _arms_table(starts), _verdicts(tested)]
    if controls:
        died = sum(each.deaths > 0 for each in controls)
        parts.append(f"Controls, whose outputs cannot fall silent: {died} of {len(controls)} runs are deadly.")
    parts.append(_second_part(second) if second else "Fashion-MNIST was not at hand, so the second part was not run.")
    return "\n\n".join(parts)


def _second_part(starts: Sequence[Start]) -> str:
    """Return the three predictions on Fashion-MNIST, each with what came out."""
    at_once = area_under_roc(*_scored([each for each in starts if each.at_once is not None], lambda each: each.at_once))
    in_the_end = area_under_roc(*_scored(starts, lambda each: each.deaths))
    with_neg = area_under_roc(*_scored([s for s in starts if s.arm.model == "ReLU2-Neg"], lambda each: each.deaths))
    lines = [
        (
            _known(at_once >= 0.85, at_once),
            f"the AUC of κ for an output that is silent after one step is at least 0.85: {at_once:.2f}",
        ),
        (
            _known(in_the_end < at_once, at_once, in_the_end),
            f"for one that has died in the end it is lower: {in_the_end:.2f}",
        ),
        (_known(with_neg >= 0.9, with_neg), f"for ReLU2-Neg alone that is at least 0.9: {with_neg:.2f}"),
    ]
    low, high = min(each.kappa for each in starts), max(each.kappa for each in starts)
    heading = f"Second part, Fashion-MNIST: {len(starts)} runs, κ from {low:.2g} to {high:.2g}."
    return f"{heading}\n{_numbered(lines, 7)}"


def _scored(starts: Sequence[Start], deaths: Callable[[Start], int | None]) -> tuple[Array, NDArray[np.bool_]]:
    """Return κ of some runs, and whether each has such a death."""
    return _values(starts, KAPPA), np.array([(deaths(each) or 0) > 0 for each in starts], dtype=bool)


def _counts_table(starts: Sequence[Start]) -> str:
    rows: list[tuple[str, ...]] = [("κ", "runs", "deadly", "outputs that died, %")]
    for low, high in itertools.pairwise(SPLIT):
        group = _between(starts, low, high)
        share = f"{100 * np.mean([each.deaths / each.outputs for each in group]):.0f}" if group else "–"
        rows.append((range_name(low, high), str(len(group)), str(sum(each.deaths > 0 for each in group)), share))
    return text_table(rows)


def range_name(low: float, high: float) -> str:
    """Return in words a range of numbers from `low` to below `high`; `low` may be 0, and `high` infinite."""
    return f"below {high:g}" if low == 0 else f"{low:g} to {high:g}" if math.isfinite(high) else f"from {low:g}"


def _between(starts: Sequence[Start], low: float, high: float) -> list[Start]:
    """Return the runs with κ from `low` to below `high`; an infinite end includes an infinite κ."""
    return [each for each in starts if low <= each.kappa and (each.kappa < high or high == math.inf)]


def _predictors_table(starts: Sequence[Start]) -> str:
    rows: list[tuple[str, ...]] = [("predictor", "AUC (95%)", "AUC of κ less this (95%)", "rank correlation (95%)")]
    for name in (*PREDICTORS, LATER):
        less = "" if name == KAPPA else str(estimate(starts, _less(KAPPA, name)))
        auc, correlation = estimate(starts, _auc(name)), estimate(starts, _rank_correlation(name))
        rows.append((name, str(auc), less, str(correlation)))
    return text_table(rows)


def _arms_table(starts: Sequence[Start]) -> str:
    rows: list[tuple[str, ...]] = [("arm", "model", "κ", "deadly runs", "largest κ without", "smallest κ with")]
    for arm in ARMS:
        group = [each for each in starts if each.arm is arm]
        if group:
            kappas = [each.kappa for each in group]
            deadly = [each.kappa for each in group if each.deaths]
            spared = [each.kappa for each in group if not each.deaths]
            rows.append(
                (
                    *(arm.name, arm.model, f"{min(kappas):.2g} to {max(kappas):.2g}", f"{len(deadly)} of {len(group)}"),
                    *(f"{max(spared):.2g}" if spared else "–", f"{min(deadly):.2g}" if deadly else "–"),
                )
            )
    return text_table(rows)


def _verdicts(starts: Sequence[Start]) -> str:
    """Return the six predictions of the hypothesis, each with what came out."""
    auc = estimate(starts, _auc(KAPPA))
    others = {name: estimate(starts, _less(KAPPA, name)) for name in PREDICTORS[1:]}
    later = estimate(starts, _less(LATER, KAPPA))
    below, above = (_deadly(starts, *ends) for ends in ((0, SPLIT[2]), (SPLIT[-2], math.inf)))
    lines = [
        (_known(auc.value >= 0.9, auc.value), f"the AUC of κ is at least 0.9: {auc}"),
        (
            _known(
                all(difference.low > 0 for difference in others.values()),
                *(difference.low for difference in others.values()),
            ),
            "it is above that of each other predictor, by "
            + ", ".join(f"{difference} for {name}" for name, difference in others.items()),
        ),
        (
            _known(_share(below) <= 0.05, _share(below)),
            f"at most 5% of the runs below {SPLIT[2]:g} are deadly: {below[0]} of {below[1]}",
        ),
        (
            _known(_share(above) >= 0.9, _share(above)),
            f"at least 90% of those above {SPLIT[-2]:g} are: {above[0]} of {above[1]}",
        ),
        (_known(later.low > 0, later.low), f"the largest κ of {STEPS} steps does better than the first, by {later}"),
        _one_threshold(starts),
    ]
    return _numbered(lines, 1)


def _numbered(predictions: Sequence[tuple[bool | None, str]], first: int) -> str:
    """Return predictions as lines, each with its number, from `first` on, and what came out."""
    return "\n".join(
        f"{number}. {WORDS[held]}: {words}." for number, (held, words) in enumerate(predictions, start=first)
    )


def _known(held: bool, *numbers: float) -> bool | None:
    """Return whether a prediction came out, or None where one of the numbers that decide could not be computed."""
    return None if any(map(math.isnan, numbers)) else held


def _deadly(starts: Sequence[Start], low: float, high: float) -> tuple[int, int]:
    group = _between(starts, low, high)
    return sum(each.deaths > 0 for each in group), len(group)


def _share(counted: tuple[int, int]) -> float:
    return counted[0] / counted[1] if counted[1] else math.nan


def _one_threshold(starts: Sequence[Start], low: float = 0.35, high: float = 2.8) -> tuple[bool | None, str]:
    outside, asked = [], 0
    for arm in ARMS:
        kappas = [each.kappa for each in starts if each.arm is arm]
        deadly = [each.kappa for each in starts if each.arm is arm and each.deaths]
        if deadly and min(kappas) < low and max(kappas) > high:
            asked += 1
            if not low <= min(deadly) <= high:
                outside.append(f"{arm.name} {min(deadly):.2g}")
    words = f"the smallest κ with a death is between {low:g} and {high:g} in each of {asked} arms"
    return not outside if asked else None, words + (f", but for {', '.join(outside)}" if outside else "")


def write(records: Sequence[RunRecord], out: Path, _jobs: int) -> tuple[str, list[Path]]:
    """Write figure and findings into ``out/study``.

    Args:
        records: of finished runs in `out`.
        out: results folder.
        _jobs: not used, as the figure is drawn in this process.

    Returns:
        The findings as text, and the files.

    Raises:
        DataError: if the data cannot be loaded again, which the first steps need.
        OSError: if a file cannot be written.
    """
    starts = starts_of(records)
    rows = max(record.config.train_size for record in records)
    steps = max(record.config.epochs for record in records)
    sizes = f"at most {rows:,} rows and {steps} steps"
    parts = [f"Not the paper's protocol: {_counted(starts)}, {sizes}", findings(starts), failures(records)]
    return save_findings(out, "overshoot", parts, overshoot_figure(starts, sizes))


def _counted(starts: Sequence[Start]) -> str:
    """Return in words how many runs these are, and of how many arms."""
    return f"{len(starts)} runs of {len({each.arm.name for each in starts})} arms"


def overshoot_figure(starts: Sequence[Start], sizes: str) -> Figure:
    """Draw the share of outputs that died, against κ and, beside it, the learning rate: a dot a run.

    Args:
        starts: of the runs; the controls among them are left out, as none of their outputs can die.
        sizes: of the runs, shown under the title.
    """
    drawn = [each for each in starts if each.arm.model not in CONTROLS]
    figure, (left, right) = panels(2, 6, 4.6, sharey=True)
    for axes, name in ((left, KAPPA), (right, RATE)):
        _draw_deaths(axes, drawn, name)
        axes.set(xscale="log", xlabel=name)
        axes.grid(alpha=0.3)
    left.axvline(THRESHOLD, color=BLACK, lw=1, ls="--")
    left.set(ylabel="outputs that died, %", xlabel="κ of the first step (dashed: the threshold)")
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(LOOKS), fontsize=9)
    set_title(
        figure,
        "Which outputs die, by what is known before the first step: a dot a run\n"
        f"not the paper's protocol: {_counted(drawn)}, without controls, {sizes}",
    )
    return figure


def _draw_deaths(axes: Axes, starts: Sequence[Start], name: str) -> None:
    rng = np.random.default_rng(0)
    for group, (color, marker) in LOOKS.items():
        runs = [each for each in starts if each.arm.group == group]
        heights = [100 * each.deaths / each.outputs + rng.uniform(-1.5, 1.5) for each in runs]
        axes.plot(_values(runs, name), heights, marker, color=color, ms=4, alpha=0.6, mew=0, label=group)


STUDY = Study(
    models=tuple(dict.fromkeys(arm.model for arm in ARMS)),
    write=write,
    arms=arms,
    check=sizes_alone("overshoot"),
    protocol=Protocol(train_size=2_000, epochs=100, runs=4),
)
