import csv
import math
import re
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from tinydist import datasets
from tinydist.analysis.overshoot import measure_overshoot
from tinydist.batches import Batching
from tinydist.reproduce import cli
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.runs.records import RunRecord, all_finished
from tinydist.reproduce.runs.run import data_of
from tinydist.reproduce.runs.settings import Setting
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.studies import overshoot
from tinydist.reproduce.studies.overshoot import (
    ARMS,
    CONTROLS,
    HIDDEN,
    KAPPA,
    LATER,
    RATE,
    SCALE,
    SECOND,
    STUDY,
    Start,
    area_under_roc,
    arms,
    estimate,
    findings,
    overshoot_figure,
    starts_of,
    write,
)
from tinydist.training import Measurement, training_step

HYPOTHESIS = Path(__file__).parents[3] / "data" / "results" / "overshoot" / "HYPOTHESIS.md"
BY_NAME = {arm.name: arm for arm in ARMS}
FEW = ("base", "small-start", "batches", "elu", "wine")
OUTPUTS = 10
NAMES = {"base": "ReLU2", "neg": "ReLU2-Neg", "gelu": "GELU2", "silu": "SiLU2", "elu": "ELU2"}


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(overshoot, "SAMPLES", 40)


@pytest.fixture(autouse=True)
def fashion_at_hand(monkeypatch):
    monkeypatch.setattr(overshoot, "find_source", lambda _: SimpleNamespace(is_here=lambda: True))


def made_up(arm, kappa, deaths=0, later=None, **others):
    """A run of an arm; its other predictors say nothing unless given."""
    predictors = {KAPPA: kappa, RATE: 1.0, SCALE: 1.0, HIDDEN: 1.0} | others
    return Start(BY_NAME[arm], deaths, OUTPUTS, predictors, kappa if later is None else later)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny study of five arms at their highest learning rate: its folder."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overshoot, "ARMS", tuple(replace(BY_NAME[name], rates=BY_NAME[name].rates[-1:]) for name in FEW))
        patch.setattr(overshoot, "SAMPLES", 20)
        sizes = ["--train-size", "130", "--epochs", "6", "--runs", "1", "--seed", "3"]
        assert cli.main(["--study", "overshoot", *sizes, "--out", str(out), "--jobs", "1"]) == 0
    return out


@pytest.fixture(scope="module")
def records(study):
    return {record.config.arm: record for record in all_finished(study)}


# --- a tiny study ---------------------------------------------------------------------------------------------------


def test_a_tiny_study_end_to_end(study, records):
    assert set(records) == {f"{name}-lr-{rate:g}" for name in FEW for rate in BY_NAME[name].rates[-1:]}
    text = (study / "study" / "overshoot.txt").read_text()
    assert text.startswith("Not the paper's protocol: 5 runs of 5 arms, at most 130 rows and 6 steps\n")
    assert [
        line[:2] for line in text.splitlines() if re.match(r"\d\. (Came out|Did not come out|Cannot be said): ", line)
    ] == [*("1.", "2.", "3.", "4.", "5.", "6.")]
    assert "Controls, whose outputs cannot fall silent: 0 of 1 runs are deadly.\n" in text
    assert text.endswith("Fashion-MNIST was not at hand, so the second part was not run.\n")
    assert (study / "study" / "overshoot.png").stat().st_size > 10_000
    with (study / "results.csv").open(newline="") as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    assert {arm: float(row["overshoot"]) for arm, row in rows.items()} == {
        arm: record.overshoot for arm, record in records.items()
    }


def test_what_is_known_of_a_run_is_what_its_record_and_its_rows_say(records):
    assert any(record.final.dead_outputs > record.curve[0].dead_outputs for record in records.values())
    for name, record in records.items():
        (found,) = starts_of([record])
        config = record.config
        assert found.arm is BY_NAME[name.split("-lr-")[0]]
        assert found.kappa == pytest.approx(record.overshoot, rel=1e-6)
        before, after = record.curve[0].dead_outputs, record.final.dead_outputs
        assert (found.deaths, found.outputs) == (max(0, after - before), 3 if config.dataset == "wine" else 10)
        data = datasets.load(config.dataset, config.input, config.train_size, "dense", split=config.seed)
        x = data.x_train.astype(np.float64)
        model, _ = start(config, data)
        u = x @ model.linear0.weight.data.T + model.linear0.bias.data
        hidden = np.where(u > 0, u, np.expm1(np.minimum(u, 0))) if config.model == "ELU2" else np.maximum(u, 0)
        assert found.predictors[RATE] == config.lr
        assert found.predictors[SCALE] == pytest.approx(config.first_init**2 * (x**2).sum() / len(x))
        assert found.predictors[HIDDEN] == pytest.approx(config.lr * (hidden**2).sum() / len(x), rel=1e-4)


def test_a_factor_on_the_first_weights_is_in_the_scale(records):
    base, small = starts_of([records["base-lr-0.01"], records["small-start-lr-0.01"]])
    assert small.predictors[SCALE] == pytest.approx(base.predictors[SCALE] / 255**2)


@pytest.fixture
def ended(config):
    """Make the record of a run of an arm from its counts of dead outputs before and after; it was never trained."""

    def make(arm="base", before=0, after=0, rate=2, **sizes):
        (run,) = (
            run
            for run in arms(config(BY_NAME[arm].model, **({"train_size": 40, "epochs": 12} | sizes)))
            if run.arm == f"{arm}-lr-{BY_NAME[arm].rates[rate]:g}"
        )
        curve = tuple(
            Measurement(epoch, 1.0, 50.0, 50.0, dead, 0, (1.0,) * OUTPUTS)
            for epoch, dead in ((0, before), (run.epochs, after))
        )
        return RunRecord(run, "ok", 1.0, curve, None)

    return make


def test_deaths_at_once_are_those_after_the_first_step_and_of_mini_batches_nobody_knows(ended):
    record = ended(before=2, after=1)
    after_one = Measurement(1, 1.0, 50.0, 50.0, 7, 0, (1.0,) * OUTPUTS)
    seen = replace(record, curve=(record.curve[0], after_one, record.final))
    assert [found.at_once for found in starts_of([record, seen])] == [None, 5]
    batches = ended("batches", train_size=300, epochs=12)
    (found,) = starts_of([replace(batches, curve=(batches.curve[0], after_one, batches.final))])
    assert found.at_once is None


@pytest.mark.parametrize("here", [True, False])
def test_the_second_part_is_run_where_its_data_are_at_hand(here, config, monkeypatch):
    monkeypatch.setattr(overshoot, "find_source", lambda _: SimpleNamespace(is_here=lambda: here))
    for model, name in (("ReLU2", "fashion"), ("ReLU2-Neg", "fashion-neg")):
        found = [run for run in arms(config(model)) if run.arm.rpartition("-lr-")[0] == name]
        assert [(run.dataset, run.lr) for run in found] == [("fashion-mnist", lr) for lr in overshoot.RATES] * here


@pytest.mark.parametrize(("before", "after", "deaths"), [(0, 0, 0), (2, 7, 5), (3, 3, 0), (4, 1, 0)])
def test_deaths_are_the_outputs_dead_at_the_end_less_those_dead_before_and_never_negative(ended, before, after, deaths):
    (found,) = starts_of([ended(before=before, after=after)])
    assert (found.deaths, found.outputs) == (deaths, OUTPUTS)


def test_what_is_taken_of_the_first_steps_is_the_largest_overshoot(ended):
    record = ended(rate=3, epochs=4)
    data = data_of(record.config)
    model, optimizer = start(record.config, data)
    kappas = []
    for _ in range(4):
        kappas.append(measure_overshoot(model, optimizer, data.x_train, data.y_train).kappa)
        training_step(model(data.x_train).cross_entropy(data.y_train), optimizer)
    assert max(kappas) > 1.1 * kappas[0]  # or the first alone would do
    (found,) = starts_of([record])
    assert (found.kappa, found.later) == pytest.approx((kappas[0], max(kappas)), rel=1e-4)


@pytest.mark.parametrize(
    ("arm", "sizes", "steps"),
    [
        ("base", {"epochs": 4}, 4),
        ("base", {"epochs": 12}, 10),
        ("batches", {"train_size": 300, "epochs": 12}, 10),  # four epochs of three steps
        ("batches", {"train_size": 300, "epochs": 6}, 6),
    ],
)
def test_ten_steps_are_taken_or_as_many_as_the_run_had(ended, arm, sizes, steps, monkeypatch):
    taken = []
    monkeypatch.setattr(overshoot, "descending_overshoots", lambda *given: taken.append(given[-1]) or [0.5, 2.0, 1.0])
    (found,) = starts_of([ended(arm, **sizes)])
    assert taken == [steps]
    assert (found.kappa, found.later) == (0.5, 2.0)


def test_a_failed_run_is_named_and_not_counted(ended, tmp_path):
    failed = replace(ended(rate=4), status="diverged: at once", curve=())
    text, paths = write([ended(), failed], tmp_path, 1)
    assert text.startswith("Not the paper's protocol: 1 runs of 1 arms, at most 40 rows and 12 steps\n")
    assert text.endswith("FAILED ReLU2 raw base-lr-0.01 seed 0: diverged: at once")
    assert paths[0].read_text() == text + "\n"


def test_where_all_runs_failed_nothing_can_be_said_of_any_prediction(ended, tmp_path):
    failed = [replace(ended(rate=rate), status="diverged: at once", curve=()) for rate in (3, 4)]
    text, paths = write(failed, tmp_path, 1)
    assert text.count("Cannot be said") == 6
    assert text.count("FAILED") == 2
    assert all(path.exists() for path in paths)


# --- the statistics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [1000, 7, 2])  # few values make many ties
def test_the_area_under_the_curve_is_that_of_scikit_learn(rng, values):
    for _ in range(20):
        scores, positive = rng.integers(values, size=30) / 7, rng.random(30) < 0.3
        assert area_under_roc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_an_infinite_overshoot_is_the_highest_rank():
    assert area_under_roc(np.array([1.0, math.inf, 2.0]), np.array([False, True, False])) == 1


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_without_both_kinds_there_is_no_area_under_the_curve(positive):
    with warnings.catch_warnings(action="error"):
        assert math.isnan(area_under_roc(np.arange(len(positive)) / 2, np.array(positive, dtype=bool)))


def random_starts(rng, names=tuple(NAMES)[:4], runs=12):
    return [
        made_up(
            name,
            float(rng.integers(1, 9)),
            max(0, int(rng.integers(-4, 6))),
            later=float(rng.integers(1, 9)),
            **{predictor: float(rng.integers(1, 9)) for predictor in (RATE, SCALE, HIDDEN)},
        )
        for name in names
        for _ in range(runs)
    ]


def cells(text, name):
    """The cells of the row that begins with this name, in the table of predictors."""
    table = text[text.index("predictor  ") :]
    (line,) = (line for line in table.splitlines() if re.match(re.escape(name) + "  ", line))
    return re.split(r" {2,}", line.strip())


def test_the_table_has_scikit_learns_areas_and_scipys_rank_correlations(rng):
    starts = random_starts(rng)
    text = findings(starts)
    deadly = [each.deaths > 0 for each in starts]
    areas = {}
    for name in (KAPPA, RATE, SCALE, HIDDEN, LATER):
        values = [each.later if name == LATER else each.predictors[name] for each in starts]
        areas[name] = roc_auc_score(deadly, values)
        rank = stats.spearmanr(values, [each.deaths / OUTPUTS for each in starts]).statistic
        _, *less, correlation = cells(text, name)
        assert less[0].startswith(f"{areas[name]:.2f} (")
        assert correlation.startswith(f"{rank:.2f} (")
        if name != KAPPA:
            assert less[1].startswith(f"{areas[KAPPA] - areas[name]:.2f} (")
    assert len({f"{area:.2f}" for area in areas.values()}) > 3


def test_the_second_part_has_scikit_learns_areas_and_does_not_touch_the_first(rng):
    first = random_starts(rng)
    second = [
        replace(each, arm=BY_NAME[name], at_once=int(rng.integers(2)))
        for name in SECOND
        for each in random_starts(rng, ("base",), 12)
    ]
    text = findings([*first, *second])
    ours = re.findall(r"^[789]\. (Came out|Did not come out): .* (\d\.\d\d)\.$", text, flags=re.MULTILINE)
    kappas = {name: [each.kappa for each in second if name in ("", each.arm.model)] for name in ("", "ReLU2-Neg")}
    at_once = roc_auc_score([each.at_once for each in second], kappas[""])
    end = roc_auc_score([each.deaths > 0 for each in second], kappas[""])
    neg = roc_auc_score([s.deaths > 0 for s in second if s.arm.model == "ReLU2-Neg"], kappas["ReLU2-Neg"])
    expected = [(at_once >= 0.85, at_once), (end < at_once, end), (neg >= 0.9, neg)]
    assert ours == [("Came out" if held else "Did not come out", f"{area:.2f}") for held, area in expected]
    assert "Second part, Fashion-MNIST: 24 runs, κ from " in text
    for part in ("κ  ", "predictor  "):  # the tables of the first part
        (alone,) = (section for section in findings(first).split("\n\n") if section.startswith(part))
        assert alone in text


def test_deaths_are_ranked_by_their_share_of_the_outputs():
    few = [
        replace(made_up("base", kappa, deaths), outputs=n) for kappa, deaths, n in ((1, 3, 3), (2, 4, 10), (3, 0, 5))
    ]
    assert cells(findings(few), KAPPA)[-1].startswith("-1.00 (")


def test_a_sample_is_of_whole_arms_as_many_as_there_are(rng, monkeypatch):
    monkeypatch.setattr(overshoot, "SAMPLES", 400)
    starts = [*random_starts(rng, ("base", "neg"), 3), *random_starts(rng, ("gelu",), 5)]
    samples = []
    estimate(starts, lambda drawn: float(samples.append(drawn) or len(drawn)))
    drawn_arms = set()
    for sample in samples:
        counts = Counter(map(id, sample))
        by_arm = {}
        for each in starts:
            by_arm.setdefault(each.arm.name, set()).add(counts[id(each)])
        assert all(len(times) == 1 for times in by_arm.values())
        drawn = {name: times.pop() for name, times in by_arm.items()}
        assert sum(drawn.values()) == 3
        drawn_arms.add(tuple(drawn.values()))
    assert len(drawn_arms) == 10  # all ways to draw three of three
    assert len(samples) == overshoot.SAMPLES + 1


def mean_kappa(starts):
    return float(np.mean([each.kappa for each in starts]))


def test_one_arm_alone_has_an_interval_without_width(rng):
    starts = random_starts(rng, ("base",))
    found = estimate(starts, mean_kappa)
    assert found.low == found.high == found.value == mean_kappa(starts)


def test_two_arms_that_differ_have_an_interval_from_one_to_the_other_and_always_the_same():
    starts = [made_up(arm, kappa) for arm, kappa in (("base", 0.0), ("base", 2.0), ("neg", 4.0), ("neg", 6.0))]
    found = estimate(starts, mean_kappa)
    assert (found.value, found.low, found.high) == (3.0, 1.0, 5.0)  # a quarter of the samples each
    assert estimate(starts, mean_kappa) == found
    assert str(found) == "3.00 (1.00 to 5.00)"


def test_samples_without_a_statistic_are_left_out():
    starts = [made_up("base", 1.0), made_up("neg", 3.0)]
    found = estimate(
        starts, lambda drawn: mean_kappa(drawn) if len({each.arm.name for each in drawn}) > 1 else math.nan
    )
    assert (found.low, found.high) == (2.0, 2.0)
    nothing = estimate(starts, lambda _: math.nan)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


# --- what is counted ------------------------------------------------------------------------------------------------


def counted(starts):
    """The table of ranges: runs and deadly runs of each, and the share of outputs that died."""
    lines = findings(starts).split("\n\n")[0].splitlines()[2:]
    return {name: tuple(row) for name, *row in (re.split(r" {2,}", line.strip()) for line in lines)}


def test_a_run_at_an_edge_counts_once_and_an_infinite_overshoot_in_the_last_range():
    kappas = (0.0, 0.34999, 0.35, 0.69999, 0.7, 1.99999, 2.0, 12.99999, 13.0, 1e30, math.inf)
    found = counted([made_up("base", kappa, deaths=9 if kappa == math.inf else 0) for kappa in kappas])
    assert found == {
        "below 0.35": ("2", "0", "0"),
        "0.35 to 0.7": ("2", "0", "0"),
        "0.7 to 2": ("2", "0", "0"),
        "2 to 13": ("2", "0", "0"),
        "from 13": ("3", "1", "30"),
    }


def test_all_runs_are_counted_once_and_a_range_may_have_none(rng):
    kappas = [float(kappa) for kappa in 10 ** rng.uniform(-3, 1.1, 200)]
    found = counted([made_up("base", kappa, int(rng.integers(2))) for kappa in kappas])
    assert sum(int(runs) for runs, _, _ in found.values()) == 200
    assert found["from 13"] == ("0", "0", "–")


def test_controls_are_left_out_of_the_statistics_but_reported(rng):
    starts = random_starts(rng)
    controls = [made_up("elu", 0.01, 10), made_up("leaky-relu", 0.02, 10), made_up("leaky-relu", 50.0)]
    without, beside = (findings(each).split("\n\n") for each in (starts, starts + controls))
    *same, last, _ = beside
    assert last == "Controls, whose outputs cannot fall silent: 2 of 3 runs are deadly."
    assert [part for part in same if not part.startswith("arm ")] == [
        part for part in without[:-1] if not part.startswith("arm ")
    ]
    table = next(part for part in beside if part.startswith("arm "))
    rows = {row[0]: row[1:] for row in (re.split(r" {2,}", line.strip()) for line in table.splitlines())}
    assert rows["elu"] == ["ELU2", "0.01 to 0.01", "1 of 1", "–", "0.01"]
    assert rows["leaky-relu"] == ["LeakyReLU2", "0.02 to 50", "1 of 2", "50", "0.02"]


def test_the_figure_has_a_dot_for_each_run_but_the_controls(rng):
    starts = [*random_starts(rng), made_up("elu", 1.0)]
    for axes, name in zip(overshoot_figure(starts, "a label").axes, (KAPPA, RATE), strict=True):
        drawn = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
        found = sorted(float(value) for line in drawn for value in line.get_xdata())
        assert found == sorted(each.predictors[name] for each in starts[:-1])


# --- the six predictions, on made-up runs ---------------------------------------------------------------------------

HELD = ((0.1, 0), (0.2, 0), (0.3, 0), (0.5, 0), (1.0, 2), (1.5, 0), (3.0, 5), (20.0, 9))
EIGHT = ("base", "32-units", "512-units", "he-init", "neg", "gelu", "wine", "digits")


def arm_of(name, changed=()):
    """The runs of an arm, with which all six come out; the largest κ of ten steps parts deadly from others."""
    return [
        made_up(name, kappa, deaths, later=kappa + 1 if deaths else 0.2)
        for kappa, deaths in (dict(HELD) | dict(changed)).items()
        if deaths is not None
    ]


def all_arms(changed=(), first=()):
    return [each for name in EIGHT for each in arm_of(name, first if name == EIGHT[0] and first else changed)]


def verdicts(starts):
    """Which of the six predictions came out, and the words on each."""
    part = next(part for part in findings(starts).split("\n\n") if part.startswith("1. "))
    lines = [
        re.fullmatch(r"(\d)\. (Came out|Did not come out|Cannot be said): (.*)\.", line) for line in part.splitlines()
    ]
    assert [line[1] for line in lines] == list("123456")
    return {int(line[1]) for line in lines if line[2] == "Came out"}, [line[3] for line in lines]


ALL = {1, 2, 3, 4, 5, 6}


def with_predictor(name):
    """One of the other predictors knows as much as κ."""
    return [replace(each, predictors={**each.predictors, name: each.kappa}) for each in all_arms()]


def test_all_six_predictions_can_come_out():
    held, words = verdicts(all_arms())
    assert held == ALL
    assert words[0] == "the AUC of κ is at least 0.9: 0.93 (0.93 to 0.93)"  # 14 of 15 pairs in the right order
    assert words[2:4] == [
        "at most 5% of the runs below 0.7 are deadly: 0 of 32",
        "at least 90% of those above 13 are: 8 of 8",
    ]
    assert words[5] == "the smallest κ with a death is between 0.35 and 2.8 in each of 8 arms"


def test_the_area_has_to_be_at_least_0_9():
    held, words = verdicts(all_arms({1.6: 0}))  # 16 of 18 pairs are in the right order
    assert (held, words[0]) == (ALL - {1}, "the AUC of κ is at least 0.9: 0.89 (0.89 to 0.89)")
    held, words = verdicts(all_arms({1.6: 0, 1.7: 0, 0.25: 0, 0.26: 0, 0.27: 0}))  # 27 of 30
    assert (held, words[0]) == (ALL, "the AUC of κ is at least 0.9: 0.90 (0.90 to 0.90)")


@pytest.mark.parametrize("name", [RATE, SCALE, HIDDEN])
def test_the_overshoot_has_to_be_above_every_other_predictor(name):
    held, words = verdicts(with_predictor(name))
    assert held == ALL - {2}
    assert f"0.00 (0.00 to 0.00) for {name}" in words[1]


def test_a_difference_that_one_arm_in_eight_makes_is_not_enough():
    """Its sign is right, but a third of the samples lack this arm."""
    starts = [
        replace(each, predictors={**each.predictors, RATE: 1.0 if each.arm.name == "wine" else each.kappa})
        for each in all_arms()
    ]
    assert verdicts(starts)[0] == ALL - {2}


def test_at_most_5_percent_below_the_threshold_may_be_deadly():
    more = [made_up("base", 0.2, later=0.2) for _ in range(6)]
    deadly = [made_up(name, 0.69, 1, later=1.69) for name in EIGHT[:2]]
    held, words = verdicts(all_arms() + deadly)
    assert (held, words[2]) == (ALL - {3}, "at most 5% of the runs below 0.7 are deadly: 2 of 34")
    held, words = verdicts(all_arms() + deadly + more)
    assert (held, words[2]) == (ALL, "at most 5% of the runs below 0.7 are deadly: 2 of 40")
    at_the_edge = [made_up(name, 0.7, 1, later=1.7) for name in EIGHT]
    assert verdicts(all_arms() + at_the_edge)[1][2] == "at most 5% of the runs below 0.7 are deadly: 0 of 32"


def test_at_least_90_percent_above_13_have_to_be_deadly():
    spared = [made_up("base", 15.0, later=0.2)]
    held, words = verdicts(all_arms() + spared)
    assert (held, words[3]) == (ALL - {4}, "at least 90% of those above 13 are: 8 of 9")
    held, words = verdicts([*all_arms(), *spared, made_up("base", math.inf, 1)])
    assert (held, words[3]) == (ALL, "at least 90% of those above 13 are: 9 of 10")


def test_the_largest_overshoot_of_ten_steps_has_to_do_better_than_the_first():
    assert verdicts([replace(each, later=each.kappa) for each in all_arms()])[0] == ALL - {5}
    worse = [replace(each, later=-each.kappa) for each in all_arms()]
    assert verdicts(worse)[0] == ALL - {5}


@pytest.mark.parametrize(
    ("first", "held", "words"),
    [
        ({1.0: 0}, ALL - {6}, "in each of 8 arms, but for base 3"),
        ({0.34: 1}, ALL - {6}, "in each of 8 arms, but for base 0.34"),
        ({0.35: 1}, ALL, "in each of 8 arms"),
        ({1.0: 0, 2.8: 1}, ALL, "in each of 8 arms"),
        ({1.0: 0, 0.1: None, 0.2: None, 0.3: None}, ALL, "in each of 7 arms"),  # none below
        ({0.34: 1, 3.0: None, 20.0: None}, ALL, "in each of 7 arms"),  # none above
        ({1.0: 0, 3.0: 0, 20.0: None}, ALL, "in each of 7 arms"),  # none deadly
    ],
)
def test_one_threshold_is_asked_of_every_arm_with_runs_on_both_sides(first, held, words):
    found, said = verdicts(all_arms(first=first))
    assert found == held
    assert said[5].removeprefix("the smallest κ with a death is between 0.35 and 2.8 ") == words


def test_where_nothing_can_be_asked_nothing_came_out():
    assert verdicts([])[0] == set()
    assert findings([]).count("Cannot be said") == 6
    lone = [made_up("base", 1.0, 1), made_up("base", 0.9)]  # none below 0.7, none above 13
    assert not verdicts(lone)[0] & {3, 4, 6}


# --- the arms -------------------------------------------------------------------------------------------------------


def planned(config, **changes):
    sizes = {"train_size": 2_000, "epochs": 100, "lr": 0.001, "layout": "sparse"} | changes
    return {run.arm: run for model in STUDY.models for run in arms(config(model, **sizes))}


def test_every_model_gets_exactly_its_arms(config):
    assert len(STUDY.models) == len(set(STUDY.models))
    for model in STUDY.models:
        runs = list(arms(config(model)))
        expected = {(f"{arm.name}-lr-{rate:g}", rate) for arm in ARMS if arm.model == model for rate in arm.rates}
        assert {(run.arm, run.lr) for run in runs} == expected
        assert len(runs) == len(expected) > 0
        assert {run.model for run in runs} == {model}
    assert list(arms(config("Abs2"))) == []


def test_no_two_runs_of_a_seed_are_the_same(config):
    runs = planned(config).values()
    assert len({replace(run, arm="") for run in runs}) == len(runs) == 105


def test_the_arms_are_those_that_the_hypothesis_names(config):
    pixels, columns = (0.0001, 0.0003, 0.001, 0.003, 0.01), (0.03, 0.09, 0.3, 0.9, 3)
    table = {"layout": "dense"}
    named = {
        "base": ("ReLU2", pixels, {}),
        "32-units": ("ReLU2", pixels, {"hidden": 32}),
        "512-units": ("ReLU2", pixels, {"hidden": 512}),
        "he-init": ("ReLU2", pixels, {"initialization": "he"}),
        "positive-init": ("ReLU2", pixels, {"initialization": "positive"}),
        "small-start": ("ReLU2", pixels, {"first_init": 1 / 255}),
        "small-step": ("ReLU2", pixels, {"first_step": 1 / 255**2}),
        "batches": ("ReLU2", pixels, {"batch_size": 100, "epochs": 5, **table}),
        "neg": ("ReLU2-Neg", pixels, {}),
        "gelu": ("GELU2", pixels, {}),
        "gelu-neg": ("GELU2-Neg", pixels, {}),
        "silu": ("SiLU2", pixels, {}),
        "elu": ("ELU2", pixels, {}),
        "leaky-relu": ("LeakyReLU2", pixels, {}),
        "normalized": ("ReLU2", columns, {"input": "normalized"}),
        "normalized-neg": ("ReLU2-Neg", columns, {"input": "normalized"}),
        "digits": ("ReLU2", (0.003, 0.009, 0.03, 0.09, 0.3), {"dataset": "digits", "train_size": 1_257, **table}),
        "wine": ("ReLU2", columns, {"dataset": "wine", "input": "normalized", "train_size": 124, **table}),
        "breast-cancer": (
            *("ReLU2", columns),
            {"dataset": "breast-cancer", "input": "normalized", "train_size": 398, **table},
        ),
        "fashion": ("ReLU2", pixels, {"dataset": "fashion-mnist"}),
        "fashion-neg": ("ReLU2-Neg", pixels, {"dataset": "fashion-mnist"}),
    }
    runs = planned(config)
    expected = {}
    for name, (model, rates, changes) in named.items():
        plain = config(model, train_size=2_000, epochs=100, layout="sparse")
        expected |= {f"{name}-lr-{r:g}": replace(plain, **changes, arm=f"{name}-lr-{r:g}", lr=r) for r in rates}
    assert runs.keys() == expected.keys()
    for name, run in runs.items():
        assert run.lr == pytest.approx(expected[name].lr, rel=1e-12)
        assert replace(run, lr=0.001) == replace(expected[name], lr=0.001)


def test_the_numbers_in_the_hypothesis_are_those_of_the_code():
    text = " ".join(HYPOTHESIS.read_text(encoding="utf-8").split())
    runs, seed = map(int, re.search(r"--study overshoot --runs (\d+) --seed (\d+)`", text).groups())
    count, total = map(int, re.search(r": (\d+) arms, each with five .* \(100 to 103\), (\d+) runs\.", text).groups())
    assert (STUDY.protocol.runs, seed, seed + runs - 1) == (runs, 100, 103)
    first = [arm for arm in ARMS if arm.name not in SECOND]
    assert (len(first), runs * sum(len(arm.rates) for arm in first)) == (count, total) == (19, 380)
    assert (
        runs * sum(len(BY_NAME[name].rates) for name in SECOND) == int(re.search(r"steps: (\d+) runs\.", text)[1]) == 40
    )
    rows, units, epochs = re.search(
        r"the first ([\d,]+) images, (\d+) units, uniform start, (\d+) full-b", text
    ).groups()
    assert (STUDY.protocol.train_size, STUDY.protocol.epochs) == (int(rows.replace(",", "")), int(epochs))
    assert units == "128"
    rates = re.search(r"learning rates (0\.0001(?:, [\d.]+\d)+)", text)[1]
    assert BY_NAME["base"].rates == tuple(map(float, rates.split(", ")))
    assert "normalised pixels, ReLU2 and ReLU2-Neg, learning rates 0.03 to 3;" in text
    assert "digits of 8 × 8 raw pixels (0.003 to 0.3), wine and breast cancer, normalised (0.03 to 3)" in text
    assert "2,000 bootstrap samples" in text
    assert set(CONTROLS) == set(re.search(r"(\w+) and (\w+) as controls", text).groups())


def test_an_interval_is_of_two_thousand_samples(monkeypatch):
    monkeypatch.undo()
    assert overshoot.SAMPLES == 2_000


@pytest.mark.parametrize("epochs", [20, 100, 5_000])
@pytest.mark.parametrize("rows", [60, 100, 150, 1_050, 2_000])
def test_mini_batches_make_as_many_steps_as_the_others(config, rows, epochs):
    for name, run in planned(config, train_size=rows, epochs=epochs).items():
        an_epoch = Batching(run.batch_size).steps_an_epoch(run.train_size)
        steps = run.epochs * an_epoch
        assert (steps <= epochs < steps + an_epoch) if name.startswith("batches") else steps == epochs


def test_mini_batches_make_at_least_an_epoch(config):
    assert planned(config, epochs=3)["batches-lr-0.001"].epochs == 1


def test_chunks_are_for_all_arms_but_the_mini_batches_which_have_none(config):
    for name, run in planned(config, chunk_size=50).items():
        assert run.chunk_size == (None if name.startswith("batches") else 50)
        Batching(run.batch_size, run.chunk_size)  # refuses both


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer"])
def test_no_arm_has_more_rows_than_its_table(config, name):
    there = len(datasets.load(name).x_train)
    for asked, got in ((60, 60), (there, there), (there + 1, there), (60_000, there)):
        runs = planned(config, train_size=asked)
        assert runs[f"{name}-lr-{BY_NAME[name].rates[0]:g}"].train_size == got
        assert runs["base-lr-0.001"].train_size == asked


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--dataset", "wine"], "wine, 124 training rows"),
        (["--dataset", "digits"], "digits"),
        (["--input", "normalized"], "normalized input"),
        (["--input", "raw,unit"], "unit input"),
        (["--lr", "0.1"], "lr 0.1"),
        (["--optimizer", "adam"], "adam"),
        (["--batch-size", "32"], "batches of 32"),
    ],
)
def test_what_the_arms_set_themselves_is_refused_before_any_run(arguments, named, refusal, tmp_path):
    said = refusal("--study", "overshoot", "--train-size", "124", *arguments, "--out", str(tmp_path / "new"))
    assert "the study overshoot sets its own data, inputs, learning rates and networks; got " in said
    assert named in said.split("got ")[1]
    assert said.endswith("Leave out all but --train-size, --epochs, --runs and --seed, or run models without --study")
    assert not (tmp_path / "new").exists()


def test_sizes_are_not_refused():
    STUDY.check([Setting("mnist", "raw", rows, epochs, 0.001) for rows, epochs in ((60, 3), (60_000, 5_000))])


def test_the_study_is_known_by_its_name():
    assert STUDIES["overshoot"] is STUDY
