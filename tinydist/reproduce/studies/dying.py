"""The study of dying outputs: can ReLU2 not learn an intensity, or does this learning rate kill its outputs?

The paper's program fed raw pixels at a learning rate of 0.001. Pixels multiplied by s change two things at once: the
network starts with pre-activations s times as large, and a step moves them s² times as far, in either layer: the last
one takes in hidden activations that are s times as large. On raw pixels the two can be set apart, by a factor on the
initial weights of the first layer and one on the learning rate of each layer. So the arms of the study, all on the same
images, are

* **input scale**, from pixels up to 1 to raw ones, at the same learning rate (start s, step s²), at the same step in
  function space (start s, step as on raw pixels), and with the start of raw pixels (start 1, step s²);
* **one layer's step alone**, on raw pixels: the other layer rests;
* **learning rate**, on raw pixels and on pixels up to 1;
* **width and initialisation**, on raw pixels and, at a learning rate that fits them, on pixels up to 1.

In every arm the models are compared with the plain one of the same arm, which shows whether anything can be learned
there. Two failures are told apart: a *dead* output is silent on all images, and passes no gradient on any more; a
*silent* image is one on which all outputs are, and nothing is learned from it.
"""

from __future__ import annotations

import itertools
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinydist.analysis.overshoot import THRESHOLD
from tinydist.analysis.statistics import summarize
from tinydist.datasets import rows_are
from tinydist.figures import BLACK, BLUE, GREEN, ORANGE, PINK, VERMILION, canvas, panels, save, set_title
from tinydist.files import write_atomically
from tinydist.reproduce.evidence.claims import CATASTROPHE
from tinydist.reproduce.evidence.collapse import COLLAPSED, STANDS, collapses, learned
from tinydist.reproduce.evidence.comparisons import Above
from tinydist.reproduce.evidence.decisions import OPEN, decide, p_text
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.settings import LR, RunConfig, Setting
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.studies.overshoot import SPLIT, range_name
from tinydist.reproduce.studies.study import AT_REST, LARGEST, Study, by_arm, pixels_up_to, runs_by_arm
from tinydist.tables import WIDTH, text_table
from tinydist.trace.figures import gradient_flow
from tinydist.trace.flow import Flow, record_flow

BASELINE = "ReLU"
MODELS = (BASELINE, "ReLU2", "ReLU2-Neg", "Abs2")
LOOKS = dict(zip(MODELS, zip((BLACK, VERMILION, BLUE, GREEN), "osD^", strict=True), strict=True))
"""Colour and marker of each model."""
FITTING = 0.1
"""A learning rate that fits pixels up to 1, for the arms of width and initialisation."""
FIRST_STEPS = 30
"""Steps that the trace follows one by one."""
TRACED = ("raw", "pixels-to-1", "start-of-1-step-of-255", "lr-0.1-pixels-to-1")
"""The arms whose first steps are traced."""


@dataclass(frozen=True)
class Arm:
    """One way to train the same models on the same images.

    Attributes:
        name: of its runs.
        group: what is varied.
        position: what it is called among the others of its group, such as its largest pixel.
        changes: fields of the run's settings that differ from those of raw pixels at the paper's learning rate.
    """

    name: str
    group: str
    position: str
    changes: Mapping[str, Any]

    @property
    def start(self) -> float:
        """Return how large the first pre-activations are, 1 on raw pixels, whatever the initialisation."""
        return float(self.changes.get("first_init", 1))

    @property
    def step(self) -> float:
        """Return how far a step moves the first pre-activations, 1 on raw pixels at the paper's learning rate."""
        return float(self.changes.get("first_step", 1) * self.changes.get("lr", LR) / LR)


EQUAL_LR, EQUAL_STEP, EQUAL_START = (
    "input scale, same learning rate",
    "input scale, same step in function space",
    "input scale of the step alone",
)
LAYERS = "one layer's step alone"
RAW_LR, SMALL_LR = "learning rate on raw pixels", "learning rate on pixels to 1"
RAW_NETWORK, SMALL_NETWORK = "raw pixels, lr 0.001", f"pixels to 1, lr {FITTING:g}"
RAW = Arm("raw", EQUAL_LR, "255", {})


def _arms() -> list[Arm]:
    arms = [RAW]
    for largest in (1, 4, 16, 64):
        scale = largest / LARGEST
        arms += [
            Arm(f"pixels-to-{largest}", EQUAL_LR, str(largest), pixels_up_to(largest)),
            Arm(
                *(f"start-of-{largest}-step-of-255", EQUAL_STEP, str(largest)),
                {"first_init": scale, "last_step": scale**-2},
            ),
            Arm(
                *(f"start-of-255-step-of-{largest}", EQUAL_START, str(largest)),
                {"first_step": scale**2, "last_step": scale**2},
            ),
        ]
    arms += [
        Arm("first-layer-alone", LAYERS, "first", {"last_step": AT_REST}),
        Arm("last-layer-alone", LAYERS, "last", {"first_step": AT_REST}),
    ]
    arms += [Arm(f"lr-{lr:g}", RAW_LR, f"{lr:g}", {"lr": lr}) for lr in (1e-6, 1e-5, 1e-4, 1e-2)]
    arms += [Arm(f"lr-{lr:g}-pixels-to-1", SMALL_LR, f"{lr:g}", pixels_up_to(1, lr=lr)) for lr in (0.01, FITTING, 1.0)]
    networks: dict[str, dict[str, Any]] = {f"{width} units": {"hidden": width} for width in (32, 512)}
    networks |= {f"{kind} init": {"initialization": kind} for kind in ("he", "positive")}
    for name, changes in networks.items():
        slug = name.replace(" ", "-")
        arms.append(Arm(slug, RAW_NETWORK, name, changes))
        arms.append(Arm(f"{slug}-pixels-to-1", SMALL_NETWORK, name, pixels_up_to(1, lr=FITTING, **changes)))
    return arms


ARMS = {arm.name: arm for arm in _arms()}
GROUPS: dict[str, tuple[str, ...]] = {
    EQUAL_LR: ("pixels-to-1", "pixels-to-4", "pixels-to-16", "pixels-to-64", "raw"),
    EQUAL_STEP: (*(f"start-of-{n}-step-of-255" for n in (1, 4, 16, 64)), "raw"),
    EQUAL_START: (*(f"start-of-255-step-of-{n}" for n in (1, 4, 16, 64)), "raw"),
    LAYERS: ("last-layer-alone", "first-layer-alone", "raw"),
    RAW_LR: ("lr-1e-06", "lr-1e-05", "lr-0.0001", "raw", "lr-0.01"),
    SMALL_LR: ("pixels-to-1", *(f"lr-{lr}-pixels-to-1" for lr in ("0.01", "0.1", "1"))),
    RAW_NETWORK: ("32-units", "raw", "512-units", "he-init", "positive-init"),
    SMALL_NETWORK: (
        *("32-units-pixels-to-1", "lr-0.1-pixels-to-1", "512-units-pixels-to-1"),
        *("he-init-pixels-to-1", "positive-init-pixels-to-1"),
    ),
}
"""The arms that are compared with each other, in order; some are in several groups."""
CONTRASTS = {
    "With the start of pixels to 1, ReLU2 is more than ten points better with a fitting step than with that of raw "
    "pixels": ("lr-0.1-pixels-to-1", "start-of-1-step-of-255"),
    "With the step of raw pixels, ReLU2 is more than ten points better from their start than from that of pixels to "
    "1": ("raw", "start-of-1-step-of-255"),
    "On raw pixels at the paper's learning rate, ReLU2 is more than ten points better when no output weight starts "
    "negative": ("positive-init", "raw"),
}
"""Pairs of arms that differ in one thing, by the statement that their runs are to decide."""
MANY_DEAD = 0.5
"""Share of dead outputs on average from which a collapse counts as one of dead outputs."""
AXES = {
    **dict.fromkeys((EQUAL_LR, EQUAL_STEP, EQUAL_START), "largest pixel"),
    LAYERS: "layer that moves",
    **dict.fromkeys((RAW_LR, SMALL_LR), "learning rate"),
    **dict.fromkeys((RAW_NETWORK, SMALL_NETWORK), "network (128 units, uniform init, unless said)"),
}


def place(arm: Arm, group: str) -> str:
    """Return what an arm is called in a group, also in one that is not its own."""
    if arm.group == group or (arm is RAW and group in (EQUAL_STEP, EQUAL_START)):
        return arm.position
    if group == LAYERS:
        return "both"
    return f"{arm.changes.get('lr', LR):g}" if group in (RAW_LR, SMALL_LR) else "128 units"


def check(settings: Sequence[Setting]) -> None:
    """Raise a ValueError unless the settings are those that the arms are defined by, all but data set and sizes."""
    for setting in settings:
        differences = [
            *([] if rows_are(setting.dataset) == "images" else [f"--dataset {setting.dataset}, which has no images"]),
            *([] if setting.input == "raw" else [f"--input {setting.input}"]),
            *([] if setting.lr == LR else [f"--lr {setting.lr:g}"]),
            *([setting.changes.removeprefix(", ")] if setting.changes else []),
        ]
        if differences:
            raise ValueError(
                f"the study dying sets its own scales and learning rates, beside raw pixels of images at lr {LR:g} and "
                f"full-batch gradient descent; got {', '.join(differences)}. Leave that out, or run models without "
                "--study"
            )


def arms(config: RunConfig) -> Iterable[RunConfig]:
    """Return a run of every arm in place of one on raw pixels."""
    return [replace(config, arm=arm.name, **arm.changes) for arm in ARMS.values()]


def write(records: Sequence[RunRecord], out: Path, _jobs: int) -> tuple[str, list[Path]]:
    """Write figures and numbers of the study into ``out/study``.

    Args:
        records: of finished runs in `out`.
        out: results folder.
        _jobs: not used, as these figures are drawn in this process.

    Returns:
        The findings as text, and the files.

    Raises:
        DataError: if the data cannot be loaded again, which the trace of the first steps needs.
        OSError: if a file cannot be written.
    """
    results = by_arm(records)
    label = _label(records)
    flows = trace_first_steps(records)
    text = f"{label[0].upper()}{label[1:]}\n\n{in_words(results, records)}\n\n{_flows_table(flows)}"
    names = ("dying.txt", "dying.png", "dead-outputs.png", "first-steps.png", "by-overshoot.png")
    paths = [out / "study" / name for name in names]
    write_atomically(paths[0], text + "\n")
    save(arms_figure(results, label), paths[1])
    save(dying_figure(records, label), paths[2])
    save(gradient_flow(flows, f"the first {FIRST_STEPS} steps of ReLU2, {_size(records)}, one seed"), paths[3])
    save(overshoot_figure(records, label), paths[4])
    return text, paths


def _size(records: Sequence[RunRecord]) -> str:
    return f"{records[0].config.train_size:,} images"


def _label(records: Sequence[RunRecord]) -> str:
    """Return the protocol of all arms in one line."""
    counts = Counter(record.config.arm for record in records)
    runs = max(counts.values()) // len({record.config.model for record in records})
    config = records[0].config
    protocol = Protocol(config.train_size, config.epochs, runs)
    return f"not the paper's protocol: {config.dataset}, {protocol} in each of {len(counts)} arms"


def arm_collapses(results: Mapping[str, Outcomes]) -> dict[tuple[str, str], str]:
    """Decide on the collapse of every model in every arm beside the baseline of that arm."""
    return collapses({(arm, model): (found, BASELINE, model) for arm, found in results.items() for model in MODELS[1:]})


def in_words(results: Mapping[str, Outcomes], records: Sequence[RunRecord]) -> str:
    """Return as text the numbers, group by group, then what the evidence supports."""
    found = arm_collapses(results)
    tables = [_group_table(group, results, found) for group in GROUPS]
    runs = trained(records, "ReLU2")
    tables += [_table_by_overshoot(runs), _table_of_arms_by_overshoot(runs, found)]
    said = conclusion(results, found, silent_images(runs))
    return "\n\n".join(part for part in (*tables, said, failures(records)) if part)


def trained(records: Iterable[RunRecord], model: str) -> list[RunRecord]:
    """Return the successful runs of a model."""
    return [record for record in records if record.config.model == model and record.status == "ok"]


def silent_images(runs: Sequence[RunRecord]) -> dict[str, float]:
    """Return the mean percentage of silent images in each arm in which they were counted."""
    shares = {
        arm: [100 * run.final.silent_images for run in group if run.final.silent_images is not None]
        for arm, group in runs_by_arm(runs).items()
    }
    return {arm: float(np.mean(percents)) for arm, percents in shares.items() if percents}


def _table_by_overshoot(runs: Sequence[RunRecord]) -> str:
    """Return how many runs lost an output, or answer few images, by ranges of the overshoot κ."""
    rows = [("κ of the first step", "runs of ReLU2", "with a dead output", "with most images silent")]
    for low, high in itertools.pairwise(SPLIT):
        finals = [r.final for r in runs if r.overshoot is not None and low <= r.overshoot < high]
        dead, mute = sum(f.dead_outputs > 0 for f in finals), sum((f.silent_images or 0) > 0.5 for f in finals)
        rows.append((range_name(low, high), str(len(finals)), str(dead), str(mute)))
    return f"By the overshoot κ\n\n{text_table(rows)}"


def _table_of_arms_by_overshoot(runs: Sequence[RunRecord], found: Mapping[tuple[str, str], str]) -> str:
    """Return what became of ReLU2 in each arm, in order of the overshoot κ of its runs."""
    by_name, silent = runs_by_arm(run for run in runs if run.overshoot is not None), silent_images(runs)
    kappas = {arm: float(np.median([run.overshoot for run in group])) for arm, group in by_name.items()}
    rows = [("arm", "κ (median)", "ReLU2: accuracy %", "dead outputs", "silent images %", "beside ReLU")]
    for arm in sorted(by_name, key=kappas.__getitem__):
        finals = [run.final for run in by_name[arm]]
        dead = np.mean([final.dead_outputs for final in finals])
        accuracy = str(summarize([final.test_accuracy for final in finals]))
        share = f"{silent[arm]:.0f}" if arm in silent else "–"
        rows.append((arm, f"{kappas[arm]:.2g}", accuracy, f"{dead:.1f}", share, found.get((arm, "ReLU2"), "")))
    return f"Arms in order of the overshoot κ\n\n{text_table(rows)}"


def _group_table(group: str, results: Mapping[str, Outcomes], found: Mapping[tuple[str, str], str]) -> str:
    rows: list[tuple[str, ...]] = [(AXES[group], *(f"{model}: accuracy %, dead outputs" for model in MODELS))]
    for name in GROUPS[group]:
        if name in results:
            cells = [_cell(results[name].get(model), found.get((name, model), "")) for model in MODELS]
            rows.append((place(ARMS[name], group), *cells))
    return f"{group[0].upper()}{group[1:]}\n\n{text_table(rows)}"


def _cell(outcome: Outcome | None, word: str) -> str:
    if outcome is None or not outcome.accuracies:
        return "all failed"
    return f"{outcome.accuracy}, {outcome.mean_dead:.1f}{f' {word}' if word else ''}"


def conclusion(
    results: Mapping[str, Outcomes], found: Mapping[tuple[str, str], str], silent: Mapping[str, float]
) -> str:
    """Return what is supported by where ReLU2 collapsed, in words that depend on that alone.

    Args:
        results: of every arm, by model.
        found: whether a model stands in an arm, by arm and model.
        silent: mean percentage of silent images of ReLU2, by arm.
    """
    model = "ReLU2"
    counted = {word: [arm for arm in results if found[arm, model] == word] for word in (STANDS, COLLAPSED, OPEN)}
    able = [arm for arm in results if learned(results[arm], BASELINE)]
    lines = [
        f"Of {len(results)} arms the baseline {BASELINE} learns in {len(able)}. There {model} stands in "
        f"{len(counted[STANDS])}, collapsed in {len(counted[COLLAPSED])}, and {len(counted[OPEN])} are open "
        "(collapsed: shown to be more than ten points below the baseline of the same arm; stands: shown not to be; "
        "Holm-corrected over all arms and models)."
    ]
    lines += [
        _deaths(results, counted[COLLAPSED], silent),
        _ability(results, counted),
        *_what_decides(results, found),
        *_others(results, found),
        *_contrasts(results),
    ]
    return "\n".join(
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines if line
    )


def _deaths(results: Mapping[str, Outcomes], collapsed: Sequence[str], silent: Mapping[str, float]) -> str:
    """Return the line on how many collapses come with dead outputs; empty if nothing collapsed."""
    if not collapsed:
        return ""
    dead = [arm for arm in collapsed if results[arm]["ReLU2"].mean_dead >= MANY_DEAD * results[arm]["ReLU2"].outputs]
    others = [arm for arm in collapsed if arm not in dead]
    many = MANY_DEAD * results[collapsed[0]]["ReLU2"].outputs
    with_them = (
        f"{len(dead)} with {many:g} or more dead outputs ({', '.join(dead)})" if dead else "none of dead outputs"
    )
    shares = [silent[arm] for arm in others if arm in silent]
    without = f"{len(others)} with fewer ({', '.join(others)}), so that something else than death holds it back there"
    if shares:
        without += f": {min(shares):.0f} to {max(shares):.0f}% of the images are silent on average"
    return f"Of the {len(collapsed)} collapses, {with_them}{f', {without}' if others else ''}."


def _ability(results: Mapping[str, Outcomes], counted: Mapping[str, Sequence[str]]) -> str:
    """Return the line on whether ReLU2 can learn an intensity at all."""
    if not counted[STANDS]:
        return (
            "1. Can ReLU2 learn an intensity? It is not shown in any arm, so nothing here speaks against the paper's "
            "reading that it cannot."
        )
    best = max(counted[STANDS], key=lambda arm: results[arm]["ReLU2"].mean)
    ours, plain = results[best]["ReLU2"], results[best][BASELINE]
    return (
        f"1. Can ReLU2 learn an intensity? Yes: in the arm {best} it reaches {ours.accuracy} with {ours.mean_dead:.1f} "
        f"dead outputs, {BASELINE} {plain.accuracy}. Against the paper, whose reading is that networks do not learn "
        "intensities: what its runs show is one scale of the input and one learning rate."
    )


def _what_decides(results: Mapping[str, Outcomes], found: Mapping[tuple[str, str], str]) -> list[str]:
    """Return the lines on whether start or step decides, from arms that share the one and differ in the other."""
    plain = {name: arm for name, arm in ARMS.items() if name in results and _only_scaled(arm)}
    lines = []
    for number, (same, other) in enumerate((("start", "step"), ("step", "start")), start=2):
        settled: dict[float, dict[str, list[float]]] = {}
        for name, arm in plain.items():
            if (word := found[name, "ReLU2"]) in (STANDS, COLLAPSED):
                group = settled.setdefault(getattr(arm, same), {STANDS: [], COLLAPSED: []})
                group[word].append(getattr(arm, other))
        both = {value: group for value, group in settled.items() if group[STANDS] and group[COLLAPSED]}
        question = f"{number}. Does the {other} decide? "
        if both:
            cases = "; ".join(_divide(same, value, other, group) for value, group in sorted(both.items()))
            lines.append(f"{question}With the same {same} both happens: {cases}.")
        else:
            lines.append(f"{question}In no set of arms with the same {same} is it shown that some stand and some fall.")
    return lines


def _divide(same: str, value: float, other: str, group: Mapping[str, Sequence[float]]) -> str:
    stands, fell = (", ".join(f"{v:.2g}" for v in sorted(group[word])) for word in (STANDS, COLLAPSED))
    return f"at {same} {value:.2g} it stands with {other} {stands} and collapsed with {fell}"


def _only_scaled(arm: Arm) -> bool:
    return arm.group not in (LAYERS, RAW_NETWORK, SMALL_NETWORK)


def _others(results: Mapping[str, Outcomes], found: Mapping[tuple[str, str], str]) -> list[str]:
    """Return the lines on width and initialisation on raw pixels, then on the other models where ReLU2 collapsed."""
    lines = []
    network = [name for name in GROUPS[RAW_NETWORK] if name in results]
    saved = [name for name in network if found[name, "ReLU2"] == STANDS]
    fell = [name for name in network if found[name, "ReLU2"] == COLLAPSED]
    lines.append(
        "4. Do width or initialisation save it on raw pixels? "
        + (f"It stands with {', '.join(saved)}. " if saved else "It is not shown to stand with any. ")
        + (f"It collapsed with {', '.join(fell)}." if fell else "")
    )
    down = [arm for arm in results if found[arm, "ReLU2"] == COLLAPSED]
    for number, model in enumerate(MODELS[2:], start=5):
        same = [arm for arm in down if found[arm, model] == COLLAPSED]
        upright = [arm for arm in down if found[arm, model] == STANDS]
        lines.append(
            f"{number}. {model} where ReLU2 collapsed ({len(down)} arms): collapsed in {len(same)}, stands in "
            f"{len(upright)}, the others are open."
        )
    return lines


def _contrasts(results: Mapping[str, Outcomes]) -> list[str]:
    """Return the lines on ReLU2 in one arm beside another, decided by the ledger's rule, corrected over these lines."""
    pairs = {
        statement: {name: results[arm]["ReLU2"] for name, arm in zip(("one", "other"), both, strict=True)}
        for statement, both in CONTRASTS.items()
        if all("ReLU2" in results.get(arm, {}) for arm in both)
    }
    findings = {
        statement: Above("one", "other", CATASTROPHE).examine(pair)
        for statement, pair in pairs.items()
        if min(outcome.accuracy.n for outcome in pair.values()) > 1
    }
    decided = decide(findings)
    return [
        f"{number}. {statement}: "
        + (
            f"{d.word} (p for it {p_text(d.for_it)}, against it {p_text(d.against_it)}; {d.numbers})."
            if (d := decided.get(statement))
            else f"{OPEN}, as it needs at least 2 successful runs in each of {', '.join(CONTRASTS[statement])}."
        )
        for number, statement in enumerate(CONTRASTS, start=len(MODELS) + 3)
    ]


def trace_first_steps(records: Sequence[RunRecord]) -> dict[str, Flow]:
    """Record the gradient of ReLU2 at every layer in its first steps, for the arms in ``TRACED`` that were run.

    Raises:
        DataError: if the data cannot be loaded again.
    """
    flows = {}
    configs = {run.config.arm: run.config for run in reversed(trained(records, "ReLU2"))}
    for arm in TRACED:
        if arm in configs:
            config = configs[arm]
            data = data_in_memory(config)
            model, optimizer = start(config, data)
            flows[arm] = record_flow(
                model, optimizer, data.x_train, data.y_train, min(FIRST_STEPS, config.epochs), points=4 * FIRST_STEPS
            )
    return flows


def _flows_table(flows: Mapping[str, Flow]) -> str:
    """Return a table of how much of the gradient the second activation makes zero, step by step, in percent."""
    shown = sorted({step for flow in flows.values() for step in flow.epochs if step <= 10 or step % 10 == 0})
    rows: list[tuple[str, ...]] = [("step", *flows)]
    rows += [(str(step), *(f"{100 * _blocked(flow, step):.1f}" for flow in flows.values())) for step in shown]
    return (
        "The first steps, traced: entries of the gradient before ReLU2's second activation that are exactly zero, in "
        f"percent, one seed\n(100 is all outputs off on all images)\n\n{text_table(rows)}"
    )


def _blocked(flow: Flow, step: int) -> float:
    """Return the share of the gradient at the last pre-activations that is exactly zero, 0 to 1."""
    return float(flow.zero_shares[flow.epochs.index(step), flow.layers.index("linear1")])


def arms_figure(results: Mapping[str, Outcomes], label: str) -> Figure:
    """Draw test accuracy and dead outputs of every model by groups of arms: each run a dot, lines through means."""
    groups = [group for group in GROUPS if any(arm in results for arm in GROUPS[group])]
    figure = canvas(13, 13)
    panels = figure.subplots(4, 4, sharey="row")
    for axes in panels.flat:
        axes.set_visible(False)
    for position, group in enumerate(groups):
        half, column = divmod(position, 4)
        above, below = panels[2 * half : 2 * half + 2, column]
        above.set_visible(True)
        below.set_visible(True)
        _draw_group(above, below, group, results)
    trained = (outcome for found in results.values() for outcome in found.values() if outcome.accuracies)
    outputs = max((outcome.outputs for outcome in trained), default=10)
    for row, name in enumerate(("test accuracy %", f"dead outputs of {outputs}") * 2):
        panels[row, 0].set_ylabel(name)
        panels[row, 0].set_ylim(*((0, 100) if row % 2 == 0 else (-0.4, outputs + 0.4)))
    handles = [line for line in panels[0, 0].get_lines() if line.get_label() in MODELS]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(MODELS), fontsize=10)
    set_title(figure, f"When outputs die: input scale, learning rate, width, initialisation\n{label}", fontsize=11)
    return figure


def _draw_group(above: Axes, below: Axes, group: str, results: Mapping[str, Outcomes]) -> None:
    """Draw the runs of one group of arms: accuracies above, dead outputs below."""
    arms = [arm for arm in GROUPS[group] if arm in results]
    for number, (model, (color, marker)) in enumerate(LOOKS.items()):
        found = [
            (at, r[model]) for at, r in enumerate(results[arm] for arm in arms) if model in r and r[model].accuracies
        ]
        shift = 0.09 * (number - 1.5)
        for at, outcome in found:
            for axes, dots in ((above, outcome.accuracies), (below, outcome.dead_outputs or ())):
                axes.plot([at + shift] * len(dots), dots, marker, color=color, ms=3.5, alpha=0.4, mew=0)
        places = [at for at, _ in found]
        above.plot(places, [outcome.mean for _, outcome in found], color=color, lw=1.4, label=model)
        below.plot(places, [outcome.mean_dead for _, outcome in found], color=color, lw=1.4)
    above.set_title(group.replace(", ", ",\n"), fontsize=10)
    for axes in (above, below):
        axes.set_xticks(range(len(arms)), labels=[place(ARMS[arm], group) for arm in arms], fontsize=8)
        axes.grid(alpha=0.3)
        if "network" in AXES[group]:
            axes.tick_params(axis="x", rotation=35)
    below.set_xlabel(AXES[group].split(" (")[0], fontsize=9)


def dying_figure(records: Sequence[RunRecord], label: str) -> Figure:
    """Draw dead outputs of ReLU2 from step to step: a panel for each group, a colour for each arm, a line each seed."""
    outputs = next((len(record.final.output_activity) for record in records if record.curve), 10)
    figure = canvas(12, 4)
    panels = figure.subplots(1, 4, sharey=True)
    groups: tuple[str, ...] = (EQUAL_LR, EQUAL_STEP, RAW_LR, SMALL_LR)
    for axes, group in zip(panels, groups, strict=True):
        for arm, color in zip(GROUPS[group], (BLACK, BLUE, GREEN, ORANGE, VERMILION), strict=False):
            _dying_lines(axes, [r for r in records if r.config.arm == arm], color, place(ARMS[arm], group))
        axes.set_title(group.replace(", ", ",\n"), fontsize=9)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlabel("steps")
        axes.set_ylim(-0.4, outputs + 0.4)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, title=AXES[group], title_fontsize=7)
    panels[0].set_ylabel(f"dead outputs of {outputs}")
    set_title(figure, f"ReLU2: when its outputs die, each line a seed\n{label}", fontsize=10)
    return figure


def _dying_lines(axes: Axes, records: Sequence[RunRecord], color: str, name: str) -> None:
    for number, curve in enumerate(run.curve for run in trained(records, "ReLU2")):
        steps, dead = [m.epoch for m in curve], [m.dead_outputs for m in curve]
        axes.plot(steps, dead, color=color, lw=1.1, alpha=0.75, label=name if number == 0 else None)


def overshoot_figure(records: Sequence[RunRecord], label: str) -> Figure:
    """Draw dead outputs and silent images of ReLU2's runs against the overshoot κ of their first step: a dot a run."""
    kinds: dict[str, tuple[str, ...]] = {
        **{group: (group,) for group in (EQUAL_LR, EQUAL_STEP, EQUAL_START, LAYERS)},
        "learning rate": (RAW_LR, SMALL_LR),
        "network": (RAW_NETWORK, SMALL_NETWORK),
    }
    runs = [run for run in trained(records, "ReLU2") if run.overshoot and run.final.silent_images is not None]
    figure, axes = panels(2, 6, 4.4, sharex=True)
    rng = np.random.default_rng(0)
    for (kind, groups), color in zip(kinds.items(), (BLACK, BLUE, GREEN, ORANGE, PINK, VERMILION), strict=True):
        dots = [run for run in runs if ARMS[run.config.arm].group in groups]
        kappas = np.array([run.overshoot for run in dots], dtype=float)
        dead = [run.final.dead_outputs + rng.uniform(-0.15, 0.15) for run in dots]
        silent = [100 * (run.final.silent_images or 0) for run in dots]
        for below, heights in zip(axes, (dead, silent), strict=True):
            below.plot(kappas, heights, "o", color=color, ms=4.5, alpha=0.6, mew=0, label=kind)
    for below, name in zip(axes, ("dead outputs", "silent images, %"), strict=True):
        below.axvline(THRESHOLD, color=BLACK, lw=1, ls="--")
        below.set(xscale="log", xlabel="κ of the first step (dashed: the threshold)", ylabel=name)
        below.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    set_title(figure, f"ReLU2: two failures, by the overshoot of the first step\n{label}", fontsize=10)
    return figure


STUDY = Study(
    models=MODELS,
    write=write,
    arms=arms,
    check=check,
    protocol=Protocol(train_size=3_000, epochs=500, runs=5),
)
