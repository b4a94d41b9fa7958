"""The studies of other data: do the paper's findings hold beyond MNIST, and how do its models compare with baselines?

On every data set, each OffsetL2 model is compared with the plain model of its activation and with scikit-learn's
baselines, seed by seed. For a data set that says which rows to test on, the seeds are of the initial weights, and the
numbers hold for these test rows; a baseline is the same for every seed. Where the rows are split at random, the seed
chooses the split as well, and the baselines see the same splits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from tinydist.analysis.statistics import Summary, TTest, paired, summarize
from tinydist.figures import BLACK, BLUE, ORANGE, canvas, save, set_title
from tinydist.files import write_atomically
from tinydist.models import PAPER_MODELS, parse_model_name
from tinydist.reproduce.evidence.decisions import ALPHA, OPEN, REFUTED, SHOWN, Finding, decide, p_text
from tinydist.reproduce.evidence.labels import protocol_label, run_counts
from tinydist.reproduce.evidence.outcomes import grouped, overlap, rounding, rows_counted
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting
from tinydist.reproduce.studies.baselines import ABOUT, BASELINES, baseline_accuracies, check_installed
from tinydist.reproduce.studies.study import Study
from tinydist.tables import WIDTH, text_table

L2_MODELS = tuple(model for model in PAPER_MODELS if parse_model_name(model).prototypes)
MARGIN = 1.0
"""Points of test accuracy up to which two classifiers count as level."""
ABOVE, BELOW, LEVEL = "above", "below", "level"
RESULTS = (ABOVE, BELOW, LEVEL, OPEN)
"""What a comparison comes to: shown to be above, or below, or less than MARGIN apart, or none of these."""


@dataclass(frozen=True)
class Results:
    """The results of the runs on one data set.

    Attributes:
        setting: of the runs.
        label: the protocol in words.
        accuracies: test accuracy in percent by seed, for each model and baseline; failed runs are left out.
        dead: mean number of dead outputs of each model.
        failed: runs of each model that failed.
        rounding, overlap: of the accuracies, see :class:`tinydist.analysis.statistics.Summary`.
    """

    setting: Setting
    label: str
    accuracies: Mapping[str, Mapping[int, float]]
    dead: Mapping[str, float]
    failed: Mapping[str, int]
    rounding: float
    overlap: float


def write(name: str, records: Sequence[RunRecord], out: Path, _jobs: int) -> tuple[str, list[Path]]:
    """Write the figure and the numbers of a study into ``out/study``.

    Args:
        name: of the study, for the files.
        records: of finished runs in `out`.
        out: results folder.
        _jobs: not used, as this figure is drawn in this process.

    Returns:
        The findings as text, and the files.

    Raises:
        DataError: if scikit-learn is not installed, or the file with the baselines is damaged.
        OSError: if a file cannot be written.
    """
    folder = out / "study"
    results = [_results(setting, group, folder) for setting, group in grouped(records).items()]
    text = in_words(results)
    figure, table = folder / f"{name}.png", folder / f"{name}.txt"
    save(accuracies_figure(results), figure)
    write_atomically(table, text + "\n")
    return text, [figure, table]


def _results(setting: Setting, records: Sequence[RunRecord], folder: Path) -> Results:
    well = [record for record in records if record.status == "ok"]
    accuracies: dict[str, dict[int, float]] = {record.config.model: {} for record in records}
    for record in well:
        accuracies[record.config.model][record.config.seed] = record.final.test_accuracy
    by_seed = {record.config.seed: record.config for record in records}
    found = baseline_accuracies(by_seed.values(), folder / "baselines.json")
    for name in BASELINES:
        accuracies[name] = {seed: found[config][name] for seed, config in by_seed.items()}
    rows = rows_counted(accuracy for by_seed in accuracies.values() for accuracy in by_seed.values())
    dead: dict[str, list[int]] = {}
    for record in well:
        dead.setdefault(record.config.model, []).append(record.final.dead_outputs)
    return Results(
        setting=setting,
        label=protocol_label(setting, *run_counts(records)),
        accuracies=accuracies,
        dead={model: summarize(counts).mean for model, counts in dead.items()},
        failed={m: sum(r.config.model == m and r.status != "ok" for r in records) for m in accuracies},
        rounding=rounding(rows),
        overlap=overlap(rows, setting),
    )


@dataclass(frozen=True)
class Contrast:
    """The comparison of an OffsetL2 model with another classifier on one data set.

    Attributes:
        model, other: what is compared.
        test: of the differences, seed by seed.
        p: that they do not differ, Holm-corrected.
        result: one of ``RESULTS``.
    """

    model: str
    other: str
    test: TTest
    p: float
    result: str


Place = tuple[int, str, str]  # position of the data set, model, and what it is compared with


def compare(results: Sequence[Results]) -> dict[Place, Contrast]:
    """Compare every OffsetL2 model with its plain model and with every baseline, on every data set.

    Decided together is, of every pair, whether the two differ; less than ``MARGIN`` between them speaks against it.
    Nothing is decided of a model some of whose runs failed: the others are no fair sample of it.
    """
    tests: dict[Place, TTest] = {}
    findings = {}
    for position, found in enumerate(results):
        for model in L2_MODELS:
            for other in (parse_model_name(model).activation, *BASELINES):
                ours, theirs = found.accuracies.get(model, {}), found.accuracies.get(other, {})
                seeds = sorted(ours.keys() & theirs.keys())
                if len(seeds) > 1:
                    pairs = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
                    test = tests[position, model, other] = paired(*pairs, found.rounding, found.overlap)
                    failed = found.failed[model] + found.failed[other]
                    p = (1.0, 1.0) if failed else (test.p_differs(), test.p_within(MARGIN))
                    findings[position, model, other] = Finding(*p)
    decided = decide(findings)
    return {
        place: Contrast(place[1], place[2], test, decided[place].for_it, _result(test, decided[place].word))
        for place, test in tests.items()
    }


def _result(test: TTest, differs: str) -> str:
    """Return one of ``RESULTS``, by the decision on the statement that the two differ."""
    if differs == SHOWN:
        return ABOVE if test.difference > 0 else BELOW
    return LEVEL if differs == REFUTED else OPEN


def in_words(results: Sequence[Results]) -> str:
    """Return as text the accuracies and the comparisons, data set by data set, then a summary."""
    comparisons = compare(results)
    parts = []
    for position, found in enumerate(results):
        label = f"{found.label[0].upper()}{found.label[1:]}"
        parts += [f"{label}\n\n{_accuracies_table(found)}", _comparisons_table(position, found, comparisons)]
    rule = (
        f"Compared seed by seed, paired t-test; above and below: p < {ALPHA:g}; level: less than {MARGIN:g} point "
        f"apart by two one-sided tests; each Holm-corrected over all {len(comparisons)} comparisons. Where the rows "
        "are split anew for each seed, the training rows overlap, and the variance is corrected for that (Nadeau and "
        "Bengio 2003). Where they are not, the numbers are about these test rows. Open is also what differs by the "
        "same for every seed but for rounding, and a model some of whose runs failed."
    )
    if len(results) > 1:
        parts.append(_summary(results, comparisons))
    return "\n\n".join([*parts, textwrap.fill(f"{rule} {ABOUT}", WIDTH, break_on_hyphens=False)])


def _accuracies_table(found: Results) -> str:
    rows: list[tuple[str, ...]] = [("classifier", "test accuracy %", "n", "failed", "dead outputs")]
    for name, by_seed in found.accuracies.items():
        accuracy = str(_summary_of(by_seed)) if by_seed else "–"
        dead = f"{found.dead[name]:.1f}" if name in found.dead else "–"
        rows.append((name, accuracy, str(len(by_seed)), str(found.failed[name]), dead))
    return text_table(rows)


def _summary_of(by_seed: Mapping[int, float]) -> Summary:
    return summarize(list(by_seed.values()))


def _comparisons_table(position: int, found: Results, comparisons: Mapping[Place, Contrast]) -> str:
    """Return a table with a row for each OffsetL2 model: how far it is from the others, and the result of each test."""
    rows: list[tuple[str, ...]] = [(found.setting.dataset, "beside its plain model", *BASELINES)]
    for model in L2_MODELS:
        others = (parse_model_name(model).activation, *BASELINES)
        cells = (comparisons.get((position, model, other)) for other in others)
        rows.append((model, *(_cell(c) if c else "–" for c in cells)))
    return text_table(rows)


def _cell(contrast: Contrast) -> str:
    return f"{contrast.test.difference:+.1f} {contrast.result} (p {p_text(contrast.p)})"


def _summary(results: Sequence[Results], comparisons: Mapping[Place, Contrast]) -> str:
    """Return, for each OffsetL2 model and what it is compared with, the data sets by result."""
    lines = []
    for model in L2_MODELS:
        for other in (parse_model_name(model).activation, *BASELINES):
            places: dict[str, list[str]] = {}
            for position, found in enumerate(results):
                if comparison := comparisons.get((position, model, other)):
                    places.setdefault(comparison.result, []).append(_place(found, results))
            words = (f"{result} on {', '.join(places[result])}" for result in RESULTS if result in places)
            if places:
                lines.append(f"{model} beside {other}: {'; '.join(words)}")
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _place(found: Results, results: Sequence[Results]) -> str:
    several = len({other.setting.input for other in results}) > 1
    return f"{found.setting.dataset}{f' ({found.setting.input})' if several else ''}"


def accuracies_figure(results: Sequence[Results]) -> Figure:
    """Draw a panel for each data set: every run of every classifier as a dot, mean and standard deviation as a bar.

    Args:
        results: of the data sets.
    """
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure = canvas(max(4.6 * columns + 1.2, 9), 3.6 * rows + 1)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(results) :]:
        axes.set_axis_off()
    for axes, found in zip(panels.flat, results, strict=False):
        for row, (name, by_seed) in enumerate(found.accuracies.items()):
            color = BLACK if name in BASELINES else ORANGE if name in L2_MODELS else BLUE
            marker = "D" if name in BASELINES else "o" if name in L2_MODELS else "s"
            axes.plot(list(by_seed.values()), [row] * len(by_seed), marker, color=color, ms=4, alpha=0.45, mew=0)
            if by_seed:
                summary = _summary_of(by_seed)
                spread = summary.sd if summary.n > 1 else None
                axes.errorbar(summary.mean, row, xerr=spread, fmt="|", color=color, ms=11, mew=1.8, capsize=3)
        axes.set_yticks(range(len(found.accuracies)), labels=list(found.accuracies), fontsize=8)
        axes.invert_yaxis()
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1.0), min(high, 101.0))  # deviations may go beyond 0 and 100
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel("test accuracy %", fontsize=9)
        axes.set_title(_place(found, results), fontsize=10)
    one = results[0]
    told_apart = "squares: the paper's linear models; circles: OffsetL2; diamonds: scikit-learn; bars: mean ± deviation"
    set_title(figure, f"The paper's models on other data\n{told_apart}\n{_common(results) or one.label}", fontsize=10)
    return figure


def _common(results: Sequence[Results]) -> str:
    """Return the protocol that several data sets share, in words; empty for one."""
    if len(results) == 1:
        return ""
    setting = results[0].setting
    rows = {found.setting.train_size for found in results}
    sizes = f"{min(rows):,} to {max(rows):,} training rows" if len(rows) > 1 else f"{min(rows):,} training rows"
    runs = max(len(by_seed) for found in results for by_seed in found.accuracies.values())
    return (
        f"not the paper's protocol: {sizes}, {setting.epochs:,} epochs, up to {runs} runs a model, lr {setting.lr:g}"
        f"{setting.changes}, input {', '.join(dict.fromkeys(found.setting.input for found in results))}"
    )


STUDIES = {
    "datasets": Study(
        models=PAPER_MODELS,
        write=partial(write, "datasets"),
        check=check_installed,
        datasets=("mnist", "fashion-mnist", "cifar-10"),
    ),
    "tabular": Study(
        models=PAPER_MODELS,
        write=partial(write, "tabular"),
        check=check_installed,
        datasets=("breast-cancer", "wine", "digits", "covertype"),
        inputs=("normalized",),
        lr=0.1,
        protocol=Protocol(train_size=10_000, epochs=500, runs=10),
    ),
    "sequential": Study(
        models=PAPER_MODELS,
        write=partial(write, "sequential"),
        check=check_installed,
        datasets=("italy-power-demand", "gun-point", "arrow-head", "osu-leaf", "acsf1", "basic-motions"),
        inputs=("normalized",),
        lr=0.1,
        protocol=Protocol(train_size=10_000, epochs=500, runs=10),
    ),
}
"""The studies of other data: images, tables, and time series."""
