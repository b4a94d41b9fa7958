"""The README and the pages of the site: their numbers are the committed results, and what they point at is there."""

import csv
import functools
import json
import re
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

import tinydist
from tinydist import datasets, trace
from tinydist.analysis.statistics import summarize
from tinydist.exercises.table import EXERCISES
from tinydist.models import PAPER_MODELS, model_names
from tinydist.ops import ACTIVATIONS
from tinydist.ops.table import OPS
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.agreement import agreements
from tinydist.reproduce.evidence.claims import CLAIMS, sizes
from tinydist.reproduce.evidence.course import halfway
from tinydist.reproduce.evidence.power import power
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS, FIRST_TABLE, published
from tinydist.reproduce.evidence.tables_of_curves import read_curves
from tinydist.reproduce.evidence.tables_of_runs import read_csv, read_table
from tinydist.reproduce.studies.lead import LINEAR, OFFSET, PAIRS, RESTING

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted((ROOT / "lessons" / "site" / "pages").glob("*.rst"))
LESSONS = sorted((ROOT / "lessons").glob("[0-9]*.py"))
RESULTS = ROOT / "data" / "results"
PILOT = RESULTS / "pilot" / "results.csv"
QUICK = PROTOCOLS["quick"]
CANDIDATES = [(1_000, 350, 8), (1_000, 500, 6), (1_500, 400, 6), (2_000, 350, 5), (3_000, 500, 3)]
"""Training images, epochs and runs of protocols that take about a minute."""
MEAN_AND_SD = re.compile(r"\d+\.\d+\s+±\s+\d+\.\d+")
ARMS = {
    "as in the paper: raw pixels, uniform": "raw",
    "the same, no output weight negative": "positive-init",
    "start of pixels up to 1, a step that fits (lr 0.1)": "lr-0.1-pixels-to-1",
    "start of pixels up to 1, step of raw pixels": "start-of-1-step-of-255",
    "start of raw pixels, step of pixels up to 64": "start-of-255-step-of-64",
    "raw pixels, the step of the first layer alone": "first-layer-alone",
    "raw pixels, the step of the last layer alone": "last-layer-alone",
    "raw pixels, 512 hidden units": "512-units",
}
"""Rows of the table on dying outputs, and the arms they are about."""
ABLATIONS = {
    "as trained": "test_accuracy",
    "all prototypes to the origin": "mu = 0",
    "prototypes exchanged between classes": "exchanged_accuracy",
    "scales exchanged between classes": "alpha exchanged",
    "all scales 1": "alpha = 1",
}
"""Rows of the table on what OffsetL2 rests on, and the changes that they are about."""
LAYERS = ["last-layer-alone", "first-layer-alone"]
FORCED = {
    "": "nothing (baseline)",
    "2": "intensity",
    "2-Neg": "distance",
    "-L2": "intensity, by prototypes",
    "-L2-Neg": "distance, by prototypes",
}
"""What the output of a model has to be, by what follows the activation in its name."""


REFERENCE_COLUMNS = ["raw, 5,000 epochs", "raw, 50,000 epochs", "normalised, 5,000 epochs"]
"""The settings of the reference runs."""


WORDS = {
    1: "one",
    2: "two",
    3: "three",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    15: "fifteen",
    16: "sixteen",
    20: "twenty",
    30: "thirty",
}


def text_of(path):
    """The text of a page on one line."""
    return " ".join(path.read_text(encoding="utf-8").split())


# --- what was measured -----------------------------------------------------------------------------------------------


def measured(folder, file="results.csv"):
    """Setting and outcomes by model, of results with a single setting."""
    ((setting, outcomes),) = read_csv(RESULTS / folder / file).items()
    return setting, outcomes


def by_input(folder):
    return {setting.input: outcomes for setting, outcomes in read_csv(RESULTS / folder / "results.csv").items()}


def by_dataset(folder):
    return {setting.dataset: outcomes for setting, outcomes in read_csv(RESULTS / folder / "results.csv").items()}


def by_arm_and_model(folder):
    """(arm, model) to the accuracies and the dead outputs of its successful runs."""
    accuracies, dead = defaultdict(list), defaultdict(list)
    for row in rows_of(f"{folder}/results.csv"):
        if row["status"] == "ok":
            accuracies[row["arm"], row["model"]].append(float(row["test_accuracy"]))
            dead[row["arm"], row["model"]].append(int(row["dead_outputs"]))
    return accuracies, dead


def accuracy(outcomes, model):
    return str(outcomes[model].accuracy) if outcomes[model].accuracies else "diverged"


# --- the tables as they have to be: heading and rows -----------------------------------------------------------------


def quick():
    _, outcomes = measured("quick")
    heading = [
        "model",
        "output forced to be",
        "test accuracy % (8 runs)",
        "dead outputs of 10",
        "the paper's, full protocol",
    ]
    rows = [
        [
            model,
            next(forced for end, forced in FORCED.items() if re.fullmatch(f"(ReLU|Abs){end}", model)),
            accuracy(outcomes, model),
            f"{outcomes[model].mean_dead:.1f}",
            str(published(model, 500)),
        ]
        for model in PAPER_MODELS
    ]
    assert {len(outcome.accuracies) for outcome in outcomes.values()} == {8}
    return [heading, *rows]


def quick_on_its_page():
    return [[row[0], *row[2:]] for row in quick()]


def full():
    inputs = by_input("evidence")
    rows = [["model", "raw, %", "dead of 10", "normalised, %", "dead of 10"]]
    for model in PAPER_MODELS:
        cells = (
            (accuracy(inputs[kind], model), f"{inputs[kind][model].mean_dead:.1f}") for kind in ("raw", "normalized")
        )
        rows.append([model, *(cell for pair in cells for cell in pair)])
    return rows


def activations(file):
    _, outcomes = measured("activations", file)
    with (RESULTS / "activations" / file).open(encoding="utf-8", newline="") as rows_of_runs:
        run = {row["model"] for row in csv.DictReader(rows_of_runs)}
    rows = [[name, *(accuracy(outcomes, name + end) for end in FORCED)] for name in ACTIVATIONS if name in run]
    return [["activation", *(f"Act{end}" for end in FORCED)], *rows]


def arms():
    accuracies, dead = by_arm_and_model("dying")
    kappas, silent = deaths_by_arm("overshoot"), deaths_by_arm("silent_images")
    rows = [["start and step", "ReLU", "ReLU2", "κ, dead, silent", "ReLU2-Neg", "Abs2"]]
    for words, arm in ARMS.items():
        relu, relu2, neg, abs2 = (
            str(summarize(accuracies[arm, m])) if (arm, m) in accuracies else "diverged"
            for m in ("ReLU", "ReLU2", "ReLU2-Neg", "Abs2")
        )
        end = f"{summarize(dead[arm, 'ReLU2']).mean:.1f}, {100 * np.mean(silent[arm]):.0f}%"
        kappa = float(f"{np.median(kappas[arm]):.2g}")
        rows.append([words, relu, relu2, f"{kappa:g}, {end}", neg, abs2])
    return rows


def deaths_by_arm(column):
    """A column of the successful runs of ReLU2 in the study of dying outputs, by arm."""
    found = defaultdict(list)
    for row in rows_of("dying/results.csv"):
        if row["model"] == "ReLU2" and row["status"] == "ok":
            found[row["arm"]].append(float(row[column]))
    return found


def rows_of(path):
    with (RESULTS / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def span(values):
    return f"{min(values):.1f} to {max(values):.1f}"


def fitted():
    rows = [row for row in rows_of("overshoot/fitted.csv") if row["epochs"] == "5000"]
    table = [["model", "normalised", "raw"]]
    for model in ("ReLU", "Abs", "ReLU2", "Abs2", "ReLU2-Neg", "Abs2-Neg"):
        by_input = defaultdict(list)
        for row in rows:
            if row["model"] == model:
                by_input[row["input"]].append(float(row["test_accuracy"]))
        assert [len(found) for found in by_input.values()] == [5, 5]
        table.append([model, span(by_input["normalized"]), span(by_input["raw"])])
    return table


def ablation():
    by_input = defaultdict(list)
    for row in rows_of("ablation/ablation.csv"):
        if row["epochs"] == "5000":
            by_input[row["input"]].append(row)
    assert [len(by_input[input]) for input in ("raw", "unit", "normalized")] == [12, 12, 12]
    rows = [
        [words, *(span([float(row[change]) for row in by_input[input]]) for input in ("raw", "unit", "normalized"))]
        for words, change in ABLATIONS.items()
    ]
    return [["change", "raw pixels", "pixels up to 1", "normalised"], *rows]


def other_data(folder):
    found = by_dataset(folder)
    rows = [[model, *(accuracy(outcomes, model) for outcomes in found.values())] for model in PAPER_MODELS]
    return [["model", *found], *rows]


def pilot():
    """Outcomes of the pilot's runs by model, for each pair of training images and epochs."""
    found = {(setting.train_size, setting.epochs): runs for setting, runs in read_csv(PILOT).items()}
    assert {outcome.accuracy.n for runs in found.values() for outcome in runs.values()} == {20}
    return found


@functools.cache
def shares_of_sweeps(train_size, epochs, runs):
    deviations = {model: outcome.accuracy.sd for model, outcome in pilot()[train_size, epochs].items()}
    return power(deviations, runs, sweeps=100)


def protocols():
    rows = [
        [f"{images:,}", str(epochs), str(runs), f"{sum(shares_of_sweeps(images, epochs, runs).values()):.1f}"]
        for images, epochs, runs in CANDIDATES
    ]
    return [["training images", "epochs", "runs", "claims found, on average"], *rows]


def runs_that_claims_take():
    shares = {runs: shares_of_sweeps(QUICK.train_size, QUICK.epochs, runs) for runs in (3, 5, 8, 20)}
    claims = [(claim.number, claim.statement) for claim in CLAIMS if claim.number in shares[3]]
    rows = [[f"{number} {words}", *(f"{shares[runs][number]:.0%}" for runs in shares)] for number, words in claims]
    return [["claim", *(f"{runs} runs" for runs in shares)], *rows]


def reference():
    """Settings and outcomes of the reference runs, as the page orders them."""
    found = read_csv(ROOT / "data" / "reference" / "results.csv")
    return sorted(found.items(), key=lambda item: (item[0].input != "raw", item[0].epochs))


def reference_accuracies():
    found = [outcomes for _, outcomes in reference()]
    models = sorted({model for outcomes in found for model in outcomes}, key=[*PAPER_MODELS, *model_names()].index)
    rows = [[model, *(accuracy(o, model) if model in o else "no run" for o in found)] for model in models]
    return [["model", *REFERENCE_COLUMNS], *rows]


def own_runs():
    """Of raw and of normalised input our runs of the paper's protocol, and those of the other program."""
    ours = by_input("paper")
    theirs = {setting.input: outcomes for setting, outcomes in reference() if setting.epochs == 5_000}
    return [(ours.get(name, {}), theirs[name]) for name in ("raw", "normalized")]


def own():
    pairs = own_runs()
    models = [model for model in PAPER_MODELS if any(model in ours for ours, _ in pairs)]
    rows = [
        [model, *(str(found[model].accuracy) if model in found else "no run" for pair in pairs for found in pair)]
        for model in models
    ]
    heads = (f"{name}, {whose}" for name in ("raw", "normalised") for whose in ("tinydist", "the other"))
    return [["model", *heads], *rows]


def own_within():
    """How many of our runs lie between the lowest and the highest of the other program's, and how many there are."""
    both = [
        (a, theirs[m].accuracies)
        for ours, theirs in own_runs()
        for m in ours
        if m in theirs
        for a in ours[m].accuracies
    ]
    return sum(min(others) <= accuracy <= max(others) for accuracy, others in both), len(both)


def agreement():
    rows = []
    for name, (found, theirs) in zip(("raw", "normalised"), own_runs(), strict=True):
        ours = {model: found[model] for model in PAPER_MODELS if model in found}
        rows += [
            [f"{each.model}, {name}", str(each.one), str(each.other), each.numbers, each.word]
            for each in agreements(ours, theirs)
        ]
    return [["model and input", "tinydist", "the other", "what decides", "result"], *rows]


def same_start():
    """How many runs tinydist and the program on a GPU did from the same weights, and the largest difference."""
    theirs = {
        key(row): float(row["test_accuracy"]) for row in rows_of("ablation/courses.csv") if row["epochs"] == "5000"
    }
    ours = {key(row): float(row["test_accuracy"]) for row in rows_of("paper/results.csv")}
    both = ours.keys() & theirs.keys()
    return len(both), max(abs(ours[each] - theirs[each]) for each in both)


def key(row):
    return row["model"], row["input"], row["seed"]


def reference_verdicts():
    columns = [
        {verdict.claim.number: verdict for verdict in ledger.verdicts(outcomes, setting)}
        for setting, outcomes in reference()
    ]
    rows = [
        [f"{claim.number} {claim.statement}", *(in_words(column[claim.number]) for column in columns)]
        for claim in CLAIMS
    ]
    return [["claim", *REFERENCE_COLUMNS], *rows]


def in_words(verdict):
    reduced = verdict.result != ledger.NOT_TESTED and verdict.protocol != ledger.PAPERS_PROTOCOL
    return f"{verdict.result} ({verdict.protocol})" if reduced else verdict.result


def lead():
    """Accuracies of the study of OffsetL2's lead, a row an arm."""
    found = lead_accuracies()
    columns = [model for pair in PAIRS.items() for model in pair]
    rows = [
        [arm.words, *(str(found[arm.name, model]) if (arm.name, model) in found else "" for model in columns)]
        for arm in {arm.name: arm for arm in (*LINEAR, *OFFSET, *RESTING)}.values()
    ]
    return [["start and step", *columns], *rows]


def lead_accuracies():
    accuracies, _ = by_arm_and_model("lead")
    assert {len(runs) for runs in accuracies.values()} == {20}
    return {key: summarize(runs) for key, runs in accuracies.items()}


TABLES = {
    "lead": lead,
    "own": own,
    "agreement": agreement,
    "sizes": lambda: [list(row) for row in sizes()],
    "reference-accuracies": reference_accuracies,
    "reference-verdicts": reference_verdicts,
    "quick": quick_on_its_page,
    "protocols": protocols,
    "power": runs_that_claims_take,
    "full": full,
    "activations-raw": lambda: activations("results.csv"),
    "activations-normalized": lambda: activations("results-normalized.csv"),
    "dying": arms,
    "fitted": fitted,
    "ablation": ablation,
    "sequential": lambda: other_data("sequential"),
    "tabular": lambda: other_data("tabular"),
    "datasets": lambda: other_data("datasets"),
}


# --- the tables as they are ------------------------------------------------------------------------------------------


def markdown_tables(path):
    """Heading and rows of every table."""
    found = re.findall(r"(?:^\|.*\|\n)+", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for table in found:
        heading, _, *rows = ([plain(cell) for cell in line.strip("|").split("|")] for line in table.splitlines())
        yield [heading, *rows]


def rst_tables(path):
    """Heading and rows of every table by its name, or by a number if it has none."""
    directives = re.findall(
        r"^\.\. csv-table::.*\n((?:   :.*\n)+)\n((?:   .+\n)+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert len(directives) == path.read_text(encoding="utf-8").count("-table::"), (
        f"{path.name} has a table of another form"
    )
    for number, (options, body) in enumerate(directives):
        name = re.search(r":name: (.*)", options)
        heading = re.search(r":header: (.*)", options)[1]
        yield (
            name[1] if name else number,
            [[plain(cell) for cell in line.split("|")] for line in (heading, *body.splitlines())],
        )


def plain(cell):
    return cell.strip().strip("*`")


# --- tests -----------------------------------------------------------------------------------------------------------


def test_the_claims_that_twenty_runs_settle_are_those_that_the_page_names():
    ((setting, outcomes),) = [
        (setting, outcomes)
        for setting, outcomes in read_csv(PILOT).items()
        if (setting.train_size, setting.epochs) == (QUICK.train_size, QUICK.epochs)
    ]
    judged = ledger.verdicts(outcomes, setting)
    held = [verdict.claim.number for verdict in judged if verdict.result == ledger.HELD]
    assert not [verdict for verdict in judged if verdict.result == ledger.NOT_HELD]
    assert f"settle eight claims, all in the paper's favour: {', '.join(held[:-1])} and {held[-1]}" in (
        text_of(ROOT / "lessons" / "site" / "pages" / "results.rst")
    )
    assert len(held) == 8


def test_the_quick_protocol_finds_most_of_those_that_take_a_minute():
    found = {sizes: sum(shares_of_sweeps(*sizes).values()) for sizes in CANDIDATES}
    assert max(found, key=found.get) == (QUICK.train_size, QUICK.epochs, QUICK.runs)


def test_the_readmes_table_is_the_quick_run():
    with_results = [table for table in markdown_tables(README) if any("±" in cell for row in table for cell in row)]
    assert with_results == [quick()]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_was_measured(name):
    (table,) = (table for page in PAGES for found, table in rst_tables(page) if found == name)
    assert table == TABLES[name]()


def test_every_table_with_results_is_one_of_those():
    for page in PAGES:
        for name, table in rst_tables(page):
            assert name in TABLES or not any("±" in cell for row in table for cell in row), f"{page.name}: {table}"


@functools.cache
def means_and_deviations():
    """Those of every model under every setting that was run, and of the paper, in words."""
    known = {
        str(outcome.accuracy)
        for path in [*RESULTS.glob("*/results*.csv"), ROOT / "data" / "reference" / "results.csv"]
        for outcomes in read_csv(path).values()
        for outcome in outcomes.values()
    }
    paper = [*AFTER_5000_EPOCHS.values(), *AFTER_50000_EPOCHS.values()]
    known |= {f"{number.mean:.2f} ± {number.sd:.2f}" for number in paper}
    return known | {f"{mean:.2f} ± {sd:.2f}" for mean, sd in FIRST_TABLE.values()}


@pytest.mark.parametrize("page", [README, *PAGES, *LESSONS], ids=lambda path: path.name)
def test_every_mean_and_deviation_is_of_a_model_here_or_in_the_paper(page):
    quoted = {" ".join(number.split()) for number in MEAN_AND_SD.findall(page.read_text(encoding="utf-8"))}
    assert quoted <= means_and_deviations()
    assert quoted or page.stem not in ("README", "results", "studies")


def sentences():
    """Pages, and words on them that follow from the results."""
    setting, outcomes = measured("quick")
    behind = f"{outcomes['ReLU'].mean - outcomes['ReLU2-Neg'].mean:.1f} points behind"
    yield README, behind
    yield README, f"{outcomes['ReLU2'].mean_dead:.0f} of 10 outputs dead"
    counts = Counter(verdict.result for verdict in ledger.verdicts(outcomes, setting))
    results = (ledger.HELD, ledger.NOT_HELD, ledger.NOT_ENOUGH, ledger.NOT_TESTED)
    held, fell, open_, untested = (WORDS[counts[result]] for result in results)
    assert held == "seven"  # the sentences after "Held", and the list on the page
    yield README, f"**Held**, {held} of {WORDS[counts.total()]} claims"
    yield README, f"**Did not hold**, {fell}: that OffsetL2 decides by its prototypes"
    lost = max(
        outcome.mean - summarize(outcome.exchanged_accuracy).mean
        for outcome in outcomes.values()
        if outcome.exchanged_accuracy
    )
    yield README, f"exchanging them between classes costs at most {lost:.1f} points"
    yield "results", f"no model loses more than {lost:.1f} points"
    yield README, f"**Open**, {open_}:"
    yield README, f"**Not tested**, {untested}"
    settled = WORDS[counts[ledger.HELD] + counts[ledger.NOT_HELD]]
    yield "results", f"Eight runs settle {settled} of {WORDS[counts.total()]} claims. {held.capitalize()} held"
    yield "results", f"{fell.capitalize()} did not: OffsetL2 does not decide by its prototypes"
    yield "results", f"{open_.capitalize()} stay open"
    yield "results", f"The other {untested} need models with a bias"
    yield README, f"[{WORDS[len(list((ROOT / 'lessons').glob('[0-9]*.py')))]} scripts](lessons)"
    yield README, f"{WORDS[len(EXERCISES)].capitalize()} functions of this library are [exercises]"
    in_the_paper = AFTER_5000_EPOCHS["ReLU"].mean - AFTER_5000_EPOCHS["ReLU2-Neg"].mean
    yield README, f"behind ReLU here, in the paper {in_the_paper:.1f}"
    yield "results", behind
    yield "results", f"{outcomes['ReLU2'].mean_dead:.0f} of 10 outputs dead"

    raw, _, normalised = (Counter(map(in_words, ledger.verdicts(o, s))) for s, o in reference())
    assert (raw[ledger.HELD], raw[ledger.NOT_HELD]) == (10, 0)
    assert (normalised[ledger.HELD], normalised[ledger.NOT_HELD], normalised[ledger.NOT_ENOUGH]) == (1, 5, 2)
    both, largest = same_start()
    assert largest < 0.0101
    yield "results", f"Of the {both} runs of OffsetL2 models that both have done, none differs"
    yield "results", "{} of {} lie between the lowest and the highest of its 20".format(*own_within())
    yield README, "all ten claims hold that these runs can test"
    yield README, "one holds and five do not"
    yield "results", "On raw pixels all ten claims hold that these runs can test under the paper's protocol"
    yield "results", "On normalised pixels five of eight do not hold, two stay open"

    table = read_table(ROOT / "data" / "reference" / "results.csv")
    curves, _ = read_curves(ROOT / "data" / "reference" / "curves.csv", table)
    setting, outcomes = reference()[0]
    before = halfway([curve for model in curves[setting].values() for curve in model], setting)
    verdict = next(v for v in ledger.verdicts(outcomes, setting, before) if v.claim.number == "7c")
    assert verdict.moves
    then, now = (found["ReLU"].mean - found["Abs-L2"].mean for found in (before.results, outcomes))
    yield "results", f"Abs-L2 is {then:.1f} points behind ReLU after {before.epoch:,} epochs and {now:.1f} after 5,000"

    raw = by_input("evidence")["raw"]["ReLU2"]
    yield "results", f"{raw.mean_dead / 10:.0%} of its outputs are dead"
    yield "results", f"{min(raw.accuracies):.0f} to {max(raw.accuracies):.0f}%, to settle it"

    _, outcomes = measured("activations")
    losses = {name: outcomes[name].mean - outcomes[f"{name}2"].mean for name in ACTIVATIONS if name in outcomes}
    collapsed = [losses[name] for name in ("ReLU", "GELU", "SiLU", "ELU")]
    yield "studies", f"lose {min(collapsed):.0f} to {max(collapsed):.0f} points"
    yield "studies", f"LeakyReLU, which keeps a hundredth of the slope there, loses {losses['LeakyReLU']:.0f} points"

    yield from dying_sentences()

    yield from overshoot_sentences()
    yield from lead_sentences()

    (fashion,) = by_dataset("datasets").values()
    offset = [fashion[model].mean for model in PAPER_MODELS if "L2" in model]
    yield "studies", f"ReLU2-Neg is at {fashion['ReLU2-Neg'].accuracy}%"
    yield "studies", f"ReLU reaches {fashion['ReLU'].accuracy}%"
    yield "studies", f"the four OffsetL2 models {min(offset):.2f} to {max(offset):.2f}%"
    (baselines,) = json.loads((RESULTS / "datasets" / "study" / "baselines.json").read_text(encoding="utf-8")).values()
    reached = [fashion["ReLU"].mean, *offset]
    least, most = min(baselines.values()) - max(reached), max(baselines.values()) - min(reached)
    yield "studies", f"behind scikit-learn's four classifiers, by {least:.0f} to {most:.0f} points"


def dying_sentences():
    """What the page and the folder say of dead outputs, from the rows and the conclusion of the study."""
    folder = RESULTS / "dying" / "README.md"
    accuracies, dead = by_arm_and_model("dying")
    kappas, silent = deaths_by_arm("overshoot"), deaths_by_arm("silent_images")
    arms = ("positive-init", "raw", "lr-0.1-pixels-to-1", "start-of-255-step-of-64")
    positive, usual, fitting, short = (str(summarize(accuracies[arm, "ReLU2"])) for arm in arms)
    for place in ("studies", folder):
        yield place, f"it reaches {positive}%"
        yield place, f"ReLU2 reaches {fitting}% with a step that fits"
        yield place, f"at {short}%, where ReLU has {summarize(accuracies['start-of-255-step-of-64', 'ReLU'])}%"
        yield place, f"For {100 * np.mean(silent['start-of-255-step-of-64']):.0f}% of the images all outputs are off"
        yield place, f"of the last layer alone it is {100 * np.mean(silent['last-layer-alone']):.0f}%"
        alone, both = ([np.mean(dead[arm, "ReLU2"]) for arm in some] for some in (LAYERS, ["raw"]))
        yield place, f"alone {alone[0]:.1f} and {alone[1]:.1f} outputs die, with both {both[0]:.1f}"
        yield place, f"κ is {np.median(kappas['raw']):.2f}"
    assert accuracies["positive-init", "ReLU"] == accuracies["positive-init", "ReLU2"]
    yield "studies", f"From the usual start it reaches {usual}%"
    assert min(kappas["start-of-1-step-of-255"]) > 100
    assert 200 < np.median(kappas["start-of-1-step-of-255"]) < 300
    assert set(dead["start-of-1-step-of-255", "ReLU2"]) == {10}
    assert np.mean(accuracies["start-of-1-step-of-255", "ReLU"]) < 10
    assert set(dead["start-of-255-step-of-64", "ReLU2"]) == {0}
    failed = {arm for arm, _ in accuracies if (arm, "Abs2") not in accuracies}
    yield "studies", f"it diverges in {WORDS[len(failed)]}"

    runs = [row for row in rows_of("dying/results.csv") if row["model"] == "ReLU2" and row["status"] == "ok"]
    low = [row for row in runs if float(row["overshoot"]) < 0.35]
    high = [row for row in runs if float(row["overshoot"]) >= 13]
    assert all(int(row["dead_outputs"]) for row in high)
    killed, mute = (
        sum(float(row[name]) > least for row in low) for name, least in (("dead_outputs", 0), ("silent_images", 0.5))
    )
    yield (
        "studies",
        f"All {len(high)} runs of ReLU2 with κ above 13 have lost an output, and {killed} of the {len(low)}",
    )
    yield "studies", f"of these {len(low)} runs {mute} are silent on most images"
    yield (
        folder,
        f"Of {len(low)} runs of ReLU2 with κ below 0.35, {killed} lost an output, and {mute} are silent on most images",
    )
    text = " ".join((RESULTS / "dying" / "study" / "dying.txt").read_text(encoding="utf-8").split())
    down, with_neg = re.search(r"ReLU2-Neg where ReLU2 collapsed \((\d+) arms\): collapsed in (\d+)", text).groups()
    yield "studies", f"is shown to collapse in {with_neg} of the {down} arms in which ReLU2 does"
    yield folder, f"is shown to collapse in {with_neg} of the {down} arms in which ReLU2 does"
    assert f"Abs2 where ReLU2 collapsed ({down} arms): collapsed in 0" in text
    assert len(re.findall(r"shown \(p for it", text)) == 3


COSTS = {
    "prototypes exchanged": "exchanged_accuracy",
    "prototypes to the origin": "mu = 0",
    "all prototypes their mean": "mu = mean",
    "scales exchanged": "alpha exchanged",
    "scales 1": "alpha = 1",
    "scales the mean of their class": "alpha = mean",
}
"""Rows of the table on what each change costs, and the columns that they are about."""


def test_what_a_change_of_offset_l2_costs_is_the_paired_difference_over_all_runs():
    rows = [row for row in rows_of("ablation/ablation.csv") if row["epochs"] == "5000"]
    _, costs = markdown_tables(RESULTS / "ablation" / "README.md")
    _, *told = costs
    expected = []
    for words, column in COSTS.items():
        cells = []
        for input in ("raw", "unit", "normalized"):
            both = [(float(row["test_accuracy"]), float(row[column])) for row in rows if row["input"] == input]
            found = ttest_rel(*zip(*both, strict=True))
            low, high = found.confidence_interval()
            cells.append(f"{np.mean([before - after for before, after in both]):.2f} ({low:.2f} to {high:.2f})")
        expected.append([words, *cells])
    assert told == expected


def exchanged_sentences():
    """What the page and the folder say of claim 7e, from the verdicts on the rows of the ablation."""
    verdicts, losses = {}, {}
    for setting, outcomes in read_csv(RESULTS / "ablation" / "ablation.csv").items():
        if setting.epochs == 5_000:
            (verdict,) = (v for v in ledger.verdicts(outcomes, setting) if v.claim.number == "7e")
            verdicts[setting.input] = verdict.result
            numbers = [re.match(r"(.*), 95% \[(.*), (.*)\], d", d.numbers).groups() for d in verdict.decisions]
            means, lows, highs = (list(map(float, found)) for found in zip(*numbers, strict=True))
            losses[setting.input] = min(means), max(means), min(lows), max(highs)
    assert verdicts == {"raw": ledger.NOT_HELD, "unit": ledger.HELD, "normalized": ledger.HELD}
    for place in ("studies", RESULTS / "ablation" / "README.md"):
        for input, words in (("raw", "raw pixels"), ("unit", "pixels up to 1"), ("normalized", "normalised ones")):
            low, high, least, most = losses[input]
            form = ".2f" if input == "raw" else ".1f"
            yield place, f"{low:{form}} to {high:{form}} points on {words} ({least:{form}} to {most:{form}})"


def lead_sentences():
    """What the page and the folder say of OffsetL2's lead, from the rows and the decisions of the study."""
    folder = RESULTS / "lead" / "README.md"
    found = lead_accuracies()
    relu, abs_, relu_l2, abs_l2 = (found["as-published", model] for model in ("ReLU", "Abs", "ReLU-L2", "Abs-L2"))
    small, fits = (found[arm, "ReLU"] for arm in ("small-start", "pixels-to-1-lr-0.1"))
    small_abs, fits_abs = (found[arm, "Abs"] for arm in ("small-start", "pixels-to-1-lr-0.1"))
    large, large_abs = (found["large-start", model] for model in ("ReLU-L2", "Abs-L2"))
    yield "studies", f"ReLU is {small.mean - relu_l2.mean:.1f} points above ReLU-L2, with the same spread"
    yield "studies", f"With a step that fits it is {fits.mean - relu_l2.mean:.1f} points above, with less"
    yield (
        folder,
        f"ReLU-L2 is {relu_l2.mean - relu.mean:.1f} points above ReLU, Abs-L2 {abs_l2.mean - abs_.mean:.1f} above",
    )
    yield folder, f"nothing else changed: {small}%, where ReLU-L2 has {relu_l2}%"
    yield folder, f"{small_abs}%, and stays {abs_l2.mean - small_abs.mean:.1f} points behind Abs-L2"
    yield folder, f"ReLU reaches {fits}% and Abs {fits_abs}%"
    yield (
        folder,
        f"ReLU-L2 {relu_l2.mean - large.mean:.1f} of its {relu_l2.mean - relu.mean:.1f} points, and Abs-L2, at "
        f"{large_abs}%",
    )
    exchanged = defaultdict(list)
    for row in rows_of("lead/results.csv"):
        if row["exchanged_accuracy"]:
            exchanged[row["arm"], row["model"]].append(float(row["exchanged_accuracy"]))
    lost = {key: found[key].mean - np.mean(after) for key, after in exchanged.items()}
    one, other = (lost["as-published", model] for model in ("ReLU-L2", "Abs-L2"))
    for place in ("studies", folder):
        yield (
            place,
            f"an exchange of prototypes costs ReLU-L2 {one:.1f} points and"
            if place == "studies"
            else (f"an exchange costs ReLU-L2 {one:.1f} points and Abs-L2 {other:.1f}"),
        )
    yield "studies", f"Abs-L2 {other:.1f}; from the large start it leaves them at 2%"
    assert all(1.5 < np.mean(exchanged["large-start", model]) < 2.5 for model in ("ReLU-L2", "Abs-L2"))
    rest = [lost["hidden-at-rest", model] for model in ("ReLU-L2", "Abs-L2")]
    yield "studies", f"an exchange costs {rest[0]:.1f} and {rest[1]:.1f} points"
    yield folder, f"An exchange costs {rest[0]:.1f} and {rest[1]:.1f} points"
    small_pixels = [lost["pixels-to-1-lr-0.1", model] for model in ("ReLU-L2", "Abs-L2")]
    yield folder, f"it costs {small_pixels[0]:.0f} and {small_pixels[1]:.0f};"
    at_rest = [found["hidden-at-rest", model] for model in ("ReLU-L2", "Abs-L2", "ReLU", "Abs")]
    yield folder, "reaches {}% and Abs-L2 {}%, ReLU {} and Abs {}".format(*at_rest)
    small = [found["pixels-to-1-hidden-at-rest", model] for model in ("ReLU-L2", "Abs-L2", "ReLU", "Abs")]
    yield "studies", "OffsetL2 is at {}% and {}%, where ReLU has {}%".format(*small)
    yield folder, "alone: {}% and {}%, where ReLU has {}% and Abs {}%".format(*small)
    left = [np.mean(exchanged["pixels-to-1-hidden-at-rest", model]) for model in ("ReLU-L2", "Abs-L2")]
    yield folder, f"an exchange leaves {left[0]:.0f}% of ReLU-L2 and of Abs-L2"
    assert round(left[0]) == round(left[1])
    text = " ".join((RESULTS / "lead" / "study" / "lead.txt").read_text(encoding="utf-8").split())
    for decision in (
        "shown: ReLU-L2 as published above ReLU as published (",
        "shown: Abs-L2 as published above Abs as published (",
        "refuted: ReLU-L2 as published above ReLU from a small start (",
        "open: standard deviation of ReLU from a small start more than 1 times that of ReLU-L2 as published (",
        "refuted: standard deviation of ReLU on pixels to 1, lr 0.1 more than 1 times that of ReLU-L2 as published (",
        "refuted: standard deviation of Abs on pixels to 1, lr 0.1 more than 1 times that of Abs-L2 as published (",
        "open: Abs-L2 from a large start above Abs as published (",
    ):
        assert decision in text
    assert len(re.findall(r"(?:shown|refuted|open): ", text)) == 32
    kappas = defaultdict(list)
    for row in rows_of("lead/results.csv"):
        kappas[row["arm"]].append(float(row["overshoot"]))
    assert max(max(kappas[arm]) for arm in ("small-start-and-step", "lr-0.0001", "lr-1e-05")) < 0.7


def overshoot_sentences():
    """What the pages and the folder say of the overshoot's test, from the rows of its runs."""
    folder = RESULTS / "overshoot" / "README.md"
    first = [row for row in rows_of("overshoot/results.csv") if row["dataset"] != "fashion-mnist"]
    runs = [row for row in first if row["model"] not in ("ELU2", "LeakyReLU2")]
    assert len(first) == 380
    assert len(rows_of("overshoot/results.csv")) == 380 + 40
    text = (RESULTS / "overshoot" / "study" / "overshoot.txt").read_text(encoding="utf-8")
    verdicts = re.findall(r"^\d\. (Came out|Did not come out): ", text, flags=re.MULTILINE)
    assert verdicts == ["Did not come out"] * 6 + ["Came out"] * 3
    once, end, with_neg = re.findall(r"^[789]\. .*: (\d\.\d\d)\.$", text, flags=re.MULTILINE)
    yield (
        "studies",
        f'For "silent after one step" the area is {once}, for "dead in the end" {end}; with Neg alone it is {with_neg}',
    )
    yield folder, f'The area for "silent after one step" is {once}, where at least 0.85'
    yield folder, f'For "has died in the end" it is lower, {end}.'
    yield folder, f"For ReLU2-Neg alone it is {with_neg} in the end"
    area = re.search(r"the AUC of κ is at least 0\.9: (.*)\.\n", text)[1]
    below, of = re.search(r"below 0\.7 are deadly: (\d+) of (\d+)", text).groups()
    assert int(of) == sum(float(row["overshoot"]) < 0.7 for row in runs)
    yield "studies", f"The area under the ROC curve is {area}, not 0.9, and of {of} runs below the threshold {below}"
    yield folder, f'"an output has died after 100 steps" is {area}, not 0.9'

    rows = [row for row in rows_of("overshoot/deaths.csv") if row["model"] not in ("ELU2", "LeakyReLU2")]
    kappas = [float(row["overshoot"]) for row in rows]
    after = {n: [int(row[f"after_{n}"]) > int(row["before"]) for row in rows] for n in (1, 100)}
    first = roc_auc_score(after[1], kappas)
    back = sum(one and not end for one, end in zip(after[1], after[100], strict=True))
    late = sum(end and not one for one, end in zip(after[1], after[100], strict=True))
    yield "studies", f'for "silent after one step" the area is {first:.2f}'
    yield folder, f'For "an output is silent after *one* step" the area is {first:.2f}'
    yield "studies", f"of {sum(after[1])} runs that lost an output in that step {back} have none the less in the end"
    yield "studies", f"and {late} others lose some later"
    yield folder, f"Of {sum(after[1])} runs that lost an output in the first step, {back} have none the less"
    middle = [place for place, kappa in enumerate(kappas) if 2 <= kappa < 13]
    counts = {n: sum(after[n][place] for place in middle) for n in after}
    yield (
        folder,
        f"From 2 to 13, {counts[1]} of {len(middle)} runs have lost an output after one step, but {counts[100]}",
    )
    areas = []
    for arm in ("neg", "gelu-neg", "normalized-neg"):
        places = [place for place, row in enumerate(rows) if row["arm"].startswith(f"{arm}-lr-")]
        areas.append(roc_auc_score([after[100][place] for place in places], [kappas[place] for place in places]))
    neg, gelu, normalised = areas
    yield (
        folder,
        f"the area is {neg:.2f} for ReLU2-Neg and {gelu:.2f} for GELU2-Neg in the end. On normalised ones it is",
    )
    yield folder, f"On normalised ones it is {normalised:.2f}"
    rates = defaultdict(list)
    for row in rows_of("overshoot/fitted.csv"):
        rates[row["input"]].append(float(row["lr"]))
    assert not [
        row for row in rows_of("overshoot/fitted.csv") if row["epochs"] == "5000" and row["dead_outputs"] != "0"
    ]
    low, high = min(rates["normalized"]), max(rates["normalized"])
    yield folder, f"On normalised pixels this is {low:.2f} to {high:.2f}"
    yield folder, f"on raw pixels {min(rates['raw']):.4f} to {max(rates['raw']):.4f}"
    raw, normalized = (found for setting, found in reference() if setting.epochs == 5_000)
    others = [raw[model].mean for model in ("ReLU", "Abs", "ReLU2-Neg")]
    yield folder, f"ReLU, Abs and ReLU2-Neg reach {min(others):.1f} to {max(others):.1f} at the paper's"
    yield folder, f"ReLU2 reaches {normalized['ReLU2'].accuracy.mean:.1f} ± {normalized['ReLU2'].accuracy.sd:.1f}"
    yield folder, f"ReLU2-Neg {normalized['ReLU2-Neg'].accuracy.mean:.1f} ± {normalized['ReLU2-Neg'].accuracy.sd:.1f}"
    yield folder, f"where {raw['ReLU2'].mean_dead:.1f} of 10 are at the paper's learning rate"
    yield "studies", f"where {raw['ReLU2'].mean_dead:.1f} of 10 are at the paper's learning rate"
    yield from exchanged_sentences()
    longest = {row["input"]: row for row in rows_of("ablation/ablation.csv") if row["epochs"] == "50000"}
    exchanged = ("test_accuracy", "exchanged_accuracy", "alpha exchanged")
    for input, words in (
        ("raw", "{} as trained, {} with exchanged prototypes, {} with exchanged scales"),
        ("normalized", "{} as trained, {} with exchanged prototypes, {} with exchanged scales"),
    ):
        numbers = [f"{float(longest[input][column]):.1f}" for column in exchanged]
        yield RESULTS / "ablation" / "README.md", words.format(*numbers)


@pytest.mark.parametrize("folder", ["overshoot", "ablation"])
def test_a_folder_of_results_has_the_numbers_of_the_page(folder):
    table, *_ = markdown_tables(RESULTS / folder / "README.md")
    expected = {"overshoot": fitted, "ablation": ablation}[folder]()
    assert [row[1:] for row in table[1:]] == [row[1:] for row in expected[1:]]


@pytest.mark.parametrize(("page", "words"), [*sentences()], ids=lambda value: getattr(value, "name", value)[:40])
def test_a_sentence_says_what_was_measured(page, words):
    path = page if isinstance(page, Path) else next(path for path in PAGES if path.stem == page)
    assert words in text_of(path)


def test_relu2_is_near_relu_on_every_table_and_series_as_the_studies_say():
    for folder in ("tabular", "sequential"):
        for dataset, outcomes in by_dataset(folder).items():
            assert outcomes["ReLU"].mean - outcomes["ReLU2"].mean < 10, dataset


@pytest.mark.parametrize(
    ("page", "folder"), [("README", "quick"), ("results", "quick"), ("results", "evidence"), ("studies", "activations")]
)
def test_the_sizes_of_a_reduced_protocol_are_said(page, folder):
    text = next(text_of(path) for path in (README, *PAGES) if path.stem == page)
    assert "reduced protocol" in text
    numbers = {1: "one", 3: "three", 4: "four", 5: "five", 8: "eight", 10: "ten"}
    for setting, outcomes in read_csv(RESULTS / folder / "results.csv").items():
        runs = max(len(outcome.accuracies) for outcome in outcomes.values())
        assert re.search(f"{setting.train_size:,} (training )?images", text)
        assert f"{setting.epochs:,} epochs" in text
        assert re.search(f"{numbers[runs]} (runs|times)|{runs} runs", text)


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_has_both_commands():
    text = README.read_text(encoding="utf-8")
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python -m tinydist.reproduce",
        'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest -n 2',
    ):
        assert f"```sh\n{command}\n```" in text


def test_what_the_readme_links_to_is_there():
    links = re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https://")]
    assert len(inside) > 10
    for link in inside:
        assert (ROOT / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_results_that_a_page_names_are_there(page):
    named = re.findall(r"(?<!\w)data/(?:results/)?[\w./-]+\w", page.read_text(encoding="utf-8"))
    for path in named:
        assert path == "data/NAME" or (ROOT / path).exists(), path


def public_names(module):
    """All that a module offers: what it lists, or else what it defines."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return set(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (public_names(tinydist) - {"datasets", "nn", "optim", "trace"}, "engine"),  # these have pages of their own
        (public_names(datasets), "datasets"),
        (public_names(trace), "trace"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reference_has_every_public_name(names, page):
    text = (ROOT / "lessons" / "site" / "reference" / f"{page}.rst").read_text(encoding="utf-8")
    assert names <= set(re.findall(r"^\.\. auto\w+:: (?:\w+\.)*(\w+)", text, flags=re.MULTILINE))


def test_the_reference_has_every_op_and_every_layer():
    reference = ROOT / "lessons" / "site" / "reference"
    texts = "".join((reference / page).read_text(encoding="utf-8") for page in ("ops.rst", "nn.rst"))
    modules = set(re.findall(r"^\.\. automodule:: ([\w.]+)\n   :members:", texts, flags=re.MULTILINE))
    assert {op.function.__module__ for op in OPS} | {"tinydist.nn"} <= modules
    assert all(op.name in import_module(op.function.__module__).__all__ for op in OPS)


def test_what_contributing_points_at_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## The house")[0]
    for path in re.findall(r"`([\w/]+(?:\.py|/))`", table):
        assert any((ROOT / folder / path).exists() for folder in ("tinydist", "", "tinydist/reproduce/runs")), path


def test_the_changelog_and_the_citation_have_the_version():
    assert f"## [{tinydist.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {tinydist.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
