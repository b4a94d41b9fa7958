"""Runs that cannot decide, being too alike for their test rows or too few; runs that failed; and chance."""

import itertools
import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tinydist.analysis.statistics import Summary, welch
from tinydist.models import PAPER_MODELS, parse_model_name
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS, MARGIN
from tinydist.reproduce.evidence.collapse import COLLAPSED, NO_COMPARISON, STANDS, collapses
from tinydist.reproduce.evidence.comparisons import (
    Above,
    MoreSpread,
    NeverDead,
    Reaches,
    RestsOnPrototypes,
    UsuallyDead,
    Within,
)
from tinydist.reproduce.evidence.decisions import ALPHA, OPEN, REFUTED, SHOWN, Finding, decide
from tinydist.reproduce.evidence.outcomes import Outcome, overlap, rounding
from tinydist.reproduce.runs.settings import Setting

TABLE = Setting("wine", "normalized", 124, 100, 0.1)
IN_THE_PAPER = Setting("mnist", "raw", 60_000, 50_000, 0.001)
ABOUT_DEAD_NODES = ("2b", "8")


def outcome(right, rows, setting=TABLE, failed=0, dead=0):
    """Runs that get so many test rows right."""
    none, seeds = (dead,) * len(right), tuple(range(len(right)))
    accuracies = tuple(100 * k / rows for k in right)
    shared = overlap(rows, setting)
    return Outcome(accuracies, none, seeds, none, none, none, failed=failed, rounding=rounding(rows), overlap=shared)


def words(results, setting=TABLE):
    return {v.claim.number: v.result for v in ledger.verdicts(results, setting)}


@given(st.data(), st.integers(2, 100_000), st.integers(2, 9), st.sampled_from([TABLE, IN_THE_PAPER]))
@settings(max_examples=50, deadline=None)
def test_runs_of_each_model_that_are_all_alike_decide_no_claim(data, rows, runs, setting):
    right = {model: data.draw(st.integers(0, rows)) for model in PAPER_MODELS}
    found = words({model: outcome([k] * runs, rows, setting) for model, k in right.items()}, setting)
    decided = {number: word for number, word in found.items() if word in (ledger.HELD, ledger.NOT_HELD)}
    assert decided.keys() <= set(ABOUT_DEAD_NODES)


COMPARISONS = (
    *(Above("ReLU", "Abs", by) for by in (-10, 0, 1, 10)),
    Within("ReLU", "Abs", MARGIN),
    MoreSpread("ReLU", "Abs", 2),
    MoreSpread("ReLU", "Abs", 0.5),
)


@given(st.sampled_from(COMPARISONS), st.integers(2, 500), st.integers(0, 10**6), st.integers(12, 40), st.booleans())
@settings(deadline=None)
def test_runs_that_vary_by_less_than_rounding_decide_nothing_even_if_they_are_many(c, rows, first, runs, one_differs):
    """One row more in one of twelve runs or more: a deviation of at most 1 / √12 rows, which is that of rounding."""
    at = first % rows
    results = {
        "ReLU": outcome([at] * (runs - 1) + [at + one_differs], rows),
        "Abs": outcome([rows - at] * runs, rows),
    }
    assert decide({c: c.examine(results)})[c].word == OPEN


@pytest.mark.parametrize("lower", [99, 50, 0])
def test_two_runs_without_spread_collapse_beside_no_baseline(lower):
    pair = {"ReLU": outcome([100, 100], 100), "ReLU2": outcome([lower, lower], 100)}
    assert collapses({0: (pair, "ReLU", "ReLU2")}) == {0: OPEN}


def test_a_published_deviation_is_none_of_the_runs():
    number = next(c for claim in CLAIMS for c in claim.comparisons if isinstance(c, Reaches))
    alike, apart = (outcome(right, 10_000, IN_THE_PAPER) for right in ([9_761] * 20, [9_757, 9_761, 9_765] * 7))
    assert decide({0: number.examine({"Abs-L2": alike})})[0].word == OPEN
    assert decide({0: number.examine({"Abs-L2": apart})})[0].word == SHOWN


def test_one_model_that_varies_is_enough_for_means_and_too_little_for_spreads():
    """A model whose outputs are all dead always gets the same test rows right, and has collapsed nevertheless."""
    results = {"ReLU": outcome([9_120, 9_155, 9_140], 10_000, IN_THE_PAPER), "ReLU2": outcome([980] * 3, 10_000)}
    results["ReLU2"] = replace(results["ReLU2"], overlap=0.0)
    assert collapses({0: (results, "ReLU", "ReLU2")}) == {0: COLLAPSED}
    assert decide({0: MoreSpread("ReLU", "ReLU2", 2).examine(results)})[0].word == OPEN


def test_what_runs_on_one_split_show_is_open_where_each_run_has_a_split_of_its_own():
    """By Nadeau and Bengio, five runs on splits of 70 to 30 have an error √(1 + 5 · 3 / 7), or 1.8, times as large."""
    right = {"ReLU": [950, 960, 955, 940, 945], "ReLU2": [823, 835, 808, 818, 851]}
    words = []
    for setting in (IN_THE_PAPER, Setting("wine", "raw", 2_333, 100, 0.1)):
        results = {model: outcome(runs, 1_000, setting) for model, runs in right.items()}
        words.append(collapses({0: (results, "ReLU", "ReLU2")})[0])
    assert words == [COLLAPSED, OPEN]


@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.lists(st.integers(0, 12), min_size=2, max_size=4))
@settings(deadline=None)
def test_what_is_printed_has_no_interval_without_width_and_no_effect_size_without_spread(a, b):
    numbers = Within("ReLU", "Abs", 1).examine({"ReLU": outcome(a, 12), "Abs": outcome(b, 12)}).numbers
    assert "nan" not in numbers
    assert "inf" not in numbers
    ends = re.search(r"95% \[([^,]+), ([^\]]+)\]", numbers)
    assert (ends is None) == (min(a) == max(a) and min(b) == max(b))
    assert ends is None or float(ends[1]) < float(ends[2])


# --- failed runs ----------------------------------------------------------------------------------------------------


def word(comparison, results):
    return decide({0: comparison.examine(results)})[0].word


@pytest.mark.parametrize(
    ("comparison", "failing", "expected"),
    [
        (Above("ReLU", "Abs", 1), "ReLU", REFUTED),
        (Above("ReLU", "Abs", 1), "Abs", OPEN),  # guessing would speak for it, so it may have been as good as can be
        (Within("ReLU", "Abs", 15), "ReLU", REFUTED),
        (Within("ReLU", "Abs", 15), "Abs", REFUTED),
        (MoreSpread("ReLU", "Abs", 2), "ReLU", SHOWN),  # by the others alone
        (MoreSpread("ReLU", "Abs", 2), "Abs", OPEN),
    ],
)
def test_failed_runs_count_against_a_statement_and_never_for_it(comparison, failing, expected):
    """Thirty of fifty guess: of a model at 90% the mean is then 42%, of one at 80.5% it is 38.2%."""
    results = {"ReLU": outcome([94, 86] * 10, 100, IN_THE_PAPER), "Abs": outcome([80, 81] * 10, 100, IN_THE_PAPER)}
    assert word(comparison, results) == SHOWN
    results[failing] = replace(results[failing], failed=30)
    assert word(comparison, results) == expected
    found = comparison.examine(results)
    assert found.brief == "30 of 70 runs failed"
    assert f"30 of 50 runs of {failing} failed, which counts against it" in found.numbers


@pytest.mark.parametrize("comparison", [Within("ReLU", "Abs", 1), Reaches("ReLU", Summary(10, 1, 20), 1)])
def test_a_model_that_guesses_is_not_shown_to_be_near_one_whose_runs_failed(comparison):
    alike = {"ReLU": outcome([9, 11] * 10, 100, IN_THE_PAPER), "Abs": outcome([9, 11] * 10, 100, IN_THE_PAPER)}
    assert word(Within("ReLU", "Abs", 5), alike) == SHOWN
    failed = alike | {"ReLU": outcome([9, 11] * 10, 100, IN_THE_PAPER, failed=40)}
    assert word(comparison, failed) == OPEN


def test_a_baseline_with_failed_runs_shows_of_no_model_that_it_stands():
    pair = {"ReLU": outcome([95, 96], 100, IN_THE_PAPER, failed=8), "ReLU2": outcome([60, 61] * 3, 100, IN_THE_PAPER)}
    assert collapses({0: (pair, "ReLU", "ReLU2")}) == {0: NO_COMPARISON}
    pair["ReLU"] = outcome([95, 96], 100, IN_THE_PAPER)
    assert collapses({0: (pair, "ReLU", "ReLU2")}) == {0: COLLAPSED}


def test_what_did_not_hold_for_failed_runs_is_no_reason_that_others_do_not_arise(runs, published):
    """All runs of ReLU failed, so ReLU2 does not fail beside it; but it does fail, and Neg does rescue it."""
    found = words(published() | {"ReLU": replace(runs(95, 1, 20), accuracies=(), seeds=(), failed=20)}, IN_THE_PAPER)
    assert (found["2a"], found["3a"], found["2b"]) == (ledger.NOT_HELD, ledger.HELD, ledger.HELD)


def test_a_failed_run_is_no_reason_to_doubt_what_would_hold_whatever_it_had_been():
    """One of 21 failed: at 100% it would lift a mean of 40% by 3 points, and 90% stays far above."""
    results = {
        "ReLU": outcome([90, 91] * 10, 100, IN_THE_PAPER),
        "ReLU2": outcome([40, 41] * 10, 100, IN_THE_PAPER, failed=1),
    }
    assert word(Above("ReLU", "ReLU2", 10), results) == SHOWN
    assert word(Above("ReLU", "ReLU2", 47), results) == OPEN


@pytest.mark.parametrize("comparison", [Above("ReLU", "Abs", 1), Within("ReLU", "Abs", 15)])
def test_a_model_whose_runs_all_failed_is_judged_as_one_that_guesses(comparison):
    results = {"ReLU": outcome([], 100, IN_THE_PAPER, failed=20), "Abs": outcome([80, 81] * 10, 100, IN_THE_PAPER)}
    assert word(comparison, results) == REFUTED
    assert comparison.examine(results).numbers == "20 of 20 runs of ReLU failed, which counts against it"
    assert word(MoreSpread("ReLU", "Abs", 2), results) == OPEN
    assert word(UsuallyDead("ReLU"), results) == REFUTED
    assert word(NeverDead(("ReLU",)), results) == OPEN


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from(COMPARISONS))
@settings(max_examples=60, deadline=None)
def test_more_failed_runs_of_what_is_claimed_to_be_better_never_help_a_claim(few, more, comparison):
    few, more = sorted((few, few + more))
    results = {
        "ReLU": outcome([94, 86] * 10, 100, IN_THE_PAPER, failed=few),
        "Abs": outcome([80, 81] * 10, 100, IN_THE_PAPER),
    }
    worse = results | {"ReLU": replace(results["ReLU"], failed=more)}
    words = [word(comparison, found) for found in (results, worse)]
    assert words != [OPEN, SHOWN]
    assert words != [REFUTED, SHOWN]


@pytest.mark.parametrize(
    ("dead", "failed", "expected"), [(3, 0, SHOWN), (3, 3, OPEN), (3, 40, REFUTED), (0, 0, REFUTED), (0, 3, REFUTED)]
)
def test_a_failed_run_has_no_output_that_is_known_to_be_dead(dead, failed, expected):
    """Six runs: 6 of 6 + failed have a binomial p of 1/64 and of 0.25 (3 failed); 6 of 46 are far below half."""
    assert (
        word(UsuallyDead("ReLU2"), {"ReLU2": outcome([50] * 6, 100, IN_THE_PAPER, failed=failed, dead=dead)})
        == expected
    )


def test_a_failed_run_leaves_never_dead_open_unless_another_was_dead():
    """None of 60 runs: at most 1 - 0.025 ** (1 / 60) of all, 6%; 20 of 60: by Clopper and Pearson 22% to 47%."""
    of = ("Abs", "Abs2", "Abs2-Neg")
    results = {model: outcome([50] * 20, 100, IN_THE_PAPER) for model in of}
    never = NeverDead(of)
    none = "0 of 60 runs, 95% [0%, 6%]"
    assert never.examine(results) == Finding(pytest.approx(0.9**60), 1, none, "dead in 0 of 60 runs")
    results["Abs2"] = replace(results["Abs2"], failed=1)
    failed = "; 1 of 21 runs of Abs2 failed, which counts against it"
    assert never.examine(results) == Finding(1, 1, none + failed, "1 of 61 runs failed")
    results["Abs"] = outcome([50] * 20, 100, IN_THE_PAPER, dead=1)
    assert never.examine(results) == Finding(1, 0, "20 of 60 runs, 95% [22%, 47%]" + failed, "dead in 20 of 60 runs")


@pytest.mark.parametrize(("runs", "word"), [(28, OPEN), (29, SHOWN)])
def test_never_dead_is_shown_by_29_runs_at_least(runs, word):
    assert decide({0: NeverDead(("Abs",)).examine({"Abs": outcome([50] * runs, 100)})})[0].word == word


def test_failed_runs_of_both_models_are_named():
    results = {"ReLU": outcome([90, 70] * 10, 100, failed=2), "Abs": outcome([50, 51] * 10, 100, failed=1)}
    finding = MoreSpread("ReLU", "Abs", 2).examine(results)
    assert finding.brief == "3 of 43 runs failed"
    assert finding.numbers == (  # deviations of 10 and 0.5 from the mean, each times √(20 / 19)
        "10.26 and 0.51 points, n 20 and 20; 2 of 22 runs of ReLU failed and 1 of 21 runs of Abs failed, which counts "
        "against it"
    )


def test_failed_runs_reach_the_verdict_from_the_records(record):
    runs = [record(model, seed, 90.0 + seed / 10) for seed in range(4) for model in ("ReLU", "Abs")]
    ((verdict, *_),) = ledger.judged(runs).values()
    assert verdict.result == ledger.HELD
    failed = [record("Abs", seed, status="diverged") for seed in range(4, 6)]
    ((verdict, *_),) = ledger.judged([*runs, *failed]).values()
    assert verdict.result == ledger.NOT_ENOUGH
    failed = [record("Abs", seed, status="diverged") for seed in range(4, 24)]
    ((verdict, *_),) = ledger.judged([*runs, *failed]).values()
    assert verdict.result == ledger.NOT_HELD


# --- chance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "fate"), [(10, STANDS), (3, STANDS), (2, NO_COMPARISON)])
def test_a_baseline_has_learned_if_it_is_ten_points_above_chance(classes, fate):
    pair = {model: outcome([45, 48, 50] * 4, 100, IN_THE_PAPER) for model in ("ReLU", "ReLU2")}
    pair = {model: replace(found, outputs=classes) for model, found in pair.items()}
    assert collapses({0: (pair, "ReLU", "ReLU2")}) == {0: fate}


@pytest.mark.parametrize(("runs", "share"), [(2, 0.9), (3, 0.97), (5, 0.5)])
def test_models_that_are_all_alike_on_twelve_test_rows_are_hardly_ever_told_apart(runs, share):
    """Binomial accuracies, the same for all models: wrong is to tell two apart, or to deny that they are alike."""
    random = np.random.default_rng(round(100 * share) + runs)
    statements = (
        *(Above(f"{parse_model_name(m).activation}", m, by) for m in PAPER_MODELS[2:] for by in (0, 10)),
        *(Within(parse_model_name(m).activation, m, MARGIN) for m in PAPER_MODELS[2:]),
        *(MoreSpread(m, parse_model_name(m).activation, 2) for m in PAPER_MODELS[2:]),
    )
    wrong, ledgers = 0, 40
    for _ in range(ledgers):
        results = {m: outcome(random.binomial(12, share, runs).tolist(), 12, IN_THE_PAPER) for m in PAPER_MODELS}
        decided = decide({statement: statement.examine(results) for statement in statements})
        wrong += any(d.word == (REFUTED if isinstance(s, Within) else SHOWN) for s, d in decided.items())
    assert wrong <= 0.05 * ledgers


@pytest.mark.parametrize(("runs", "share"), [(2, 0.5), (2, 0.8), (3, 0.9), (3, 0.95), (4, 0.95)])
def test_one_comparison_alone_is_wrong_in_less_than_five_percent(runs, share):
    """Exactly: the probability of all pairs of samples that would decide, where both models are binomial on 12 rows."""
    of_one = stats.binom(12, share).pmf(range(13))
    samples = {}
    for right in itertools.combinations_with_replacement(range(13), runs):
        orders = math.factorial(runs) // math.prod(map(math.factorial, Counter(right).values()))
        if (probability := orders * math.prod(of_one[k] for k in right)) > 1e-3:
            samples[outcome(right, 12, IN_THE_PAPER)] = probability
    wrong = sum(
        p * q
        for (a, p), (b, q) in itertools.product(samples.items(), repeat=2)
        if a.mean > b.mean and welch(a.accuracy, b.accuracy).p_above() < ALPHA
    )
    left_out = 1 - sum(samples.values()) ** 2
    assert wrong + left_out < 0.05
    assert left_out < 0.02


def with_exchanged(accuracies, exchanged, failed=0):
    none, seeds = (0,) * len(accuracies), tuple(range(len(accuracies)))
    return Outcome(accuracies, none, seeds, none, none, none, exchanged, failed=failed, rounding=0.003)


def test_what_exchanged_prototypes_cost_is_tested_as_any_other_difference():
    """Against scipy's own test of Welch; the statement is that the loss is above ten points."""
    trained, exchanged = (90.0, 91.0, 92.5, 90.2), (78.0, 79.5, 79.0, 80.0)
    finding = RestsOnPrototypes("Abs-L2", 10).examine({"Abs-L2": with_exchanged(trained, exchanged)})
    theirs = stats.ttest_ind(trained, np.add(exchanged, 10), equal_var=False, alternative="greater")
    assert finding.for_it == pytest.approx(theirs.pvalue, rel=1e-3)
    assert finding.against_it == pytest.approx(1 - theirs.pvalue, rel=1e-3)
    assert finding.brief.startswith("+11.80 [")


def test_a_failed_run_counts_once_against_prototypes_that_decide():
    found = RestsOnPrototypes("Abs-L2", 10)
    good = with_exchanged((90.0, 91.0, 92.5, 90.2), (8.0, 9.5, 9.0, 10.0))
    failed = with_exchanged(good.accuracies, good.exchanged_accuracy, failed=1)
    assert found.examine({"Abs-L2": good}).for_it < 0.001
    finding = found.examine({"Abs-L2": failed})
    assert finding.for_it > 0.05
    assert finding.brief == "1 of 5 runs failed"
    assert finding.numbers.endswith("1 of 5 runs of Abs-L2 failed, which counts against it")
    one = with_exchanged((90.0,), (8.0,), failed=1)
    assert found.examine({"Abs-L2": one}).numbers == "1 of 2 runs of Abs-L2 failed, which counts against it"
