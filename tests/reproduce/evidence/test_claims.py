"""Every claim of the ledger, on made-up runs that make it hold, make it fail and leave it open."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tinydist.models import model_names
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS
from tinydist.reproduce.runs.settings import Setting

EXTENDED = Setting("mnist", "raw", 60_000, 50_000, 0.001)
QUICK = Setting("mnist", "raw", PROTOCOLS["quick"].train_size, PROTOCOLS["quick"].epochs, 0.001)

PUBLISHED = AFTER_50000_EPOCHS | AFTER_5000_EPOCHS

FAILING = {
    "1": {"Abs": (90, 0.2)},
    "2a": {"ReLU2": (90, 1, 20, [3] * 20)},
    "2b": {"ReLU2": (47.2, 12)},
    "3a": {"ReLU2-Neg": (30, 1)},
    "3b": {"ReLU2-Neg": (90, 1)},
    "4": {"Abs2": (97, 0.2)},
    "5a": {"Abs2-Neg": (96, 0.2)},
    "5b": {"Abs2-Neg": (90, 0.1)},
    "6a": {"Abs-Bias": (90, 0.2)},
    "6b": {"ReLU2-Bias": (95, 0.2)},
    "7a": {"Abs-L2-Neg": (90, 0.2)},
    "7b": {"ReLU-L2": (47, 5)},
    "7c": {"Abs-L2": (95, 0.1)},
    "7d": {"Abs-L2": (96.5, 0.1)},
    "7e": {"Abs-L2": (97.61, 0.07, 20, None, None, 0)},
    "8": {"Abs2-Neg": (90.08, 2.56, 20, [0] * 19 + [1])},
}
"""For each claim, runs that contradict it: mean, standard deviation, number, dead outputs; dead hidden units, and what
exchanged prototypes lose."""

OPEN = {
    "1": {"Abs": (95.26, 5)},
    "2a": {"ReLU2": (85, 10, 20, [3] * 20)},
    "2b": {"ReLU2": (47.2, 12, 20, [0, 4] * 10)},
    "3a": {"ReLU2-Neg": (57.5, 0.2)},
    "3b": {"ReLU2-Neg": (94.6, 3)},
    "4": {"Abs2": (95.35, 3)},
    "5a": {"Abs2-Neg": (94.3, 2.5)},
    "5b": {"Abs2-Neg": (90, 0.4)},
    "6a": {"ReLU2-Neg-Bias": (94.92, 3)},
    "6b": {"ReLU2-Bias": (85, 10)},
    "7a": {"ReLU-L2-Neg": (97, 3)},
    "7b": {"ReLU-L2": (86, 5)},
    "7c": {"Abs-L2": (95.7, 0.2)},
    "7d": {"Abs-L2": (97.2, 0.5)},
    "7e": {"Abs-L2-Neg": (97.56, 0.09, 20, None, None, 10)},
    "8": {"Abs": (95, 0.2, 3), "Abs2": (95, 0.2, 3), "Abs2-Neg": (90, 2, 3)},
}
"""For each claim, runs that cannot settle it."""


each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)


@pytest.fixture
def judge(runs, published):
    """The verdict on a claim: by the paper's own numbers, but for some models, or by other results."""

    def verdict(claim, changes=None, setting=EXTENDED, results=None):
        changed = {model: runs(*given) for model, given in (changes or {}).items()}
        judged = ledger.verdicts((published() if results is None else results) | changed, setting)
        return next(verdict for verdict in judged if verdict.claim == claim)

    return verdict


def test_the_table_names_each_claim_once_and_only_models_that_exist():
    numbers = [claim.number for claim in CLAIMS]
    assert numbers == sorted(set(numbers))
    assert {number[0] for number in numbers} == set("12345678")
    assert {model for claim in CLAIMS for model in claim.models} <= set(model_names())
    comparisons = [comparison for claim in CLAIMS for comparison in claim.comparisons]
    assert len(set(comparisons)) == len(comparisons)  # none counts twice in Holm's correction


@each_claim
def test_the_papers_own_numbers_bear_the_claim_out(claim, judge):
    verdict = judge(claim)
    assert verdict.result == "held"
    assert {decision.word for decision in verdict.decisions} == {"shown"}


@each_claim
def test_runs_that_contradict_a_claim_refute_it(claim, judge):
    verdict = judge(claim, FAILING[claim.number])
    assert verdict.result == "did not hold"
    assert "refuted" in [decision.word for decision in verdict.decisions]


@each_claim
def test_runs_that_cannot_settle_a_claim_leave_it_open(claim, judge):
    assert judge(claim, OPEN[claim.number]).result == "not enough evidence"


@each_claim
def test_without_its_models_a_claim_is_not_tested_and_says_what_is_missing(claim, judge, published):
    missing = claim.models[-1]
    verdict = judge(claim, results={m: outcome for m, outcome in published().items() if m != missing})
    assert verdict.result == "not tested"
    assert verdict.decisions[0].text == f"needs a run of {missing}"


@each_claim
def test_one_run_of_each_model_settles_nothing(claim, judge, runs, published):
    one = {model: runs(mean, 0.0, 1) for mean, model in enumerate(published())}
    assert judge(claim, results=one).result == "not enough evidence"


@pytest.mark.parametrize(("mean", "result"), [(90.08, "not enough evidence"), (95.2, "did not hold")])
@pytest.mark.parametrize(("alone", "place"), [("Abs", 0), ("Abs2", 1)])
def test_a_claim_with_too_few_runs_for_one_half_can_still_fail_by_the_other(alone, place, mean, result, judge):
    claim = next(claim for claim in CLAIMS if claim.number == "5a")
    verdict = judge(claim, {alone: (95.3, 0.2, 1), "Abs2-Neg": (mean, 0.2, 20)})
    assert verdict.result == result
    words = [decision.word for decision in verdict.decisions]
    assert (words.pop(place), words) == ("open", ["refuted" if result == "did not hold" else "shown"])
    assert verdict.decisions[place].text == (f"{alone} more than 1 point above Abs2-Neg; needs at least 2 runs of each")


def test_two_runs_of_each_are_enough_to_settle_a_claim_about_means(judge, runs):
    claim = next(claim for claim in CLAIMS if claim.number == "2a")
    assert judge(claim, results={"ReLU": runs(95, 0.1, 2), "ReLU2": runs(40, 0.1, 2)}).result == "held"
    assert judge(claim, results={"ReLU": runs(95, 0.1, 2), "ReLU2": runs(94, 0.1, 2)}).result == "did not hold"


def test_two_runs_of_each_are_looked_at_by_every_comparison(published):
    judged = ledger.verdicts(published(2), EXTENDED)
    assert all(decision.numbers for verdict in judged for decision in verdict.decisions)


def test_one_run_with_a_dead_output_is_counted_though_it_decides_nothing(judge, runs):
    claim = next(claim for claim in CLAIMS if claim.number == "2b")
    (decision,) = judge(claim, results={"ReLU2": runs(47, 0, 1, [3])}).decisions
    assert (decision.word, decision.for_it) == ("open", pytest.approx(1 / 2))


def test_all_models_that_are_missing_are_named(judge):
    claim = next(claim for claim in CLAIMS if claim.number == "8")
    assert judge(claim, results={}).decisions[0].text == "needs a run of Abs, Abs2, Abs2-Neg"


@each_claim
def test_more_runs_of_the_same_mean_and_spread_never_take_back_that_a_claim_held(claim, judge, published):
    held = [judge(claim, results=published(n)).result == "held" for n in (2, 3, 5, 10, 20, 60)]
    assert held == sorted(held)
    assert held[-1]


EDGES = [
    ("1", "Abs", 94.64, "above"),
    ("1", "Abs", 96.64, "below"),
    ("2a", "ReLU2", 85.64, "below"),
    ("3a", "ReLU2-Neg", 57.20, "above"),
    ("3b", "ReLU2-Neg", 94.64, "above"),
    ("3b", "ReLU2-Neg", 96.64, "below"),
    ("4", "Abs2", 94.26, "above"),
    ("4", "Abs2", 96.26, "below"),
    ("5a", "Abs", 91.08, "above"),
    ("5a", "Abs2", 91.08, "above"),
    ("6a", "ReLU-Bias", 94.64, "above"),
    ("6a", "ReLU-Bias", 96.64, "below"),
    ("6a", "Abs-Bias", 94.26, "above"),
    ("6a", "Abs-Bias", 96.26, "below"),
    ("6a", "Abs2-Bias", 94.35, "above"),
    ("6a", "Abs2-Bias", 96.35, "below"),
    ("6a", "ReLU2-Neg-Bias", 93.93, "above"),
    ("6a", "ReLU2-Neg-Bias", 95.93, "below"),
    ("6b", "ReLU2-Bias", 85.69, "below"),
    ("6b", "Abs2-Neg-Bias", 94.38, "below"),
    ("7a", "ReLU-L2-Neg", 96.33, "above"),
    ("7a", "ReLU-L2-Neg", 98.33, "below"),
    ("7a", "Abs-L2-Neg", 96.61, "above"),
    ("7a", "Abs-L2-Neg", 98.61, "below"),
    ("7b", "ReLU-L2", 85.64, "above"),
    ("7c", "ReLU", 97.61, "below"),
    ("7c", "Abs", 97.61, "below"),
    ("7d", "Abs-L2", 97.11, "above"),
    ("7d", "Abs-L2", 98.11, "below"),
]
"""The mean of a model at which a claim changes from held to did not hold, with the paper's means for all others: 1
point from the model that it is compared with, 10 for a catastrophe, 0 for "ahead", and half a point from 97.61."""


@pytest.mark.parametrize(("number", "model", "edge", "holds"), EDGES)
def test_a_claim_about_means_holds_up_to_its_size_and_no_further(number, model, edge, holds, judge, runs):
    claim = next(claim for claim in CLAIMS if claim.number == number)
    means = {name: PUBLISHED[name].mean for name in claim.models}
    for side, mean in {"below": edge - 0.1, "above": edge + 0.1}.items():
        precise = {name: runs(mean, 0.01) for name, mean in (means | {model: mean}).items()}
        assert judge(claim, results=precise).result == ("held" if side == holds else "did not hold")


PRESUPPOSING = {"2b": ("2a",), "3a": ("2a",), "3b": ("2a",), "6b": ("2a", "5a"), "7b": ("2a",)}
"""Claims about what happens to a failure, or in spite of it, and the claims that there is one."""


def test_what_presupposes_a_claim_that_did_not_hold_does_not_arise(runs, published):
    assert {c.number: c.presupposes for c in CLAIMS if c.presupposes} == PRESUPPOSING
    for fallen in ("2a", "5a"):
        changed = {model: runs(*given) for model, given in FAILING[fallen].items()}
        judged = {v.claim.number: v for v in ledger.verdicts(published() | changed, EXTENDED)}
        assert judged[fallen].result == "did not hold"
        moot = {number for number, verdict in judged.items() if verdict.result == "does not arise"}
        assert moot == {number for number, needed in PRESUPPOSING.items() if fallen in needed}
        for number in moot:
            assert judged[number].decisions[0].text == f"presupposes {fallen}, which did not hold"
            assert len(judged[number].decisions) > 1  # what the runs say all the same


def test_what_presupposes_a_claim_that_is_open_or_not_tested_is_judged_by_itself(runs, published):
    undecided = published() | {model: runs(*given) for model, given in OPEN["2a"].items()}
    judged = {v.claim.number: v.result for v in ledger.verdicts(undecided, EXTENDED)}
    assert (judged["2a"], judged["3b"]) == ("not enough evidence", "held")
    without = {model: outcome for model, outcome in published().items() if model != "Abs"}
    judged = {v.claim.number: v.result for v in ledger.verdicts(without, EXTENDED)}
    assert (judged["5a"], judged["6b"]) == ("not tested", "held")


@pytest.mark.parametrize("model", ["Abs", "Abs2"])
def test_far_less_stable_is_more_than_twice_the_deviation(model, judge, runs):
    claim = next(claim for claim in CLAIMS if claim.number == "5b")
    many = {name: runs(PUBLISHED[name].mean, PUBLISHED[name].sd, 2_000) for name in claim.models}
    for sd, result in ((2.56 / 2 - 0.1, "held"), (2.56 / 2 + 0.1, "did not hold")):
        assert judge(claim, {model: (90, sd, 2_000)}, results=many).result == result


@pytest.mark.parametrize(
    ("dead", "result"),
    [(15, "held"), (14, "not enough evidence"), (6, "not enough evidence"), (5, "did not hold")],
)
def test_most_runs_with_a_dead_output_are_fifteen_of_twenty(dead, result, judge, runs):
    """Of 20 tosses of a coin at least 15 are heads with a probability of 0.021, at least 14 with 0.058."""
    claim = next(claim for claim in CLAIMS if claim.number == "2b")
    of_twenty = runs(47.2, 12, 20, [1] * dead + [0] * (20 - dead))
    assert judge(claim, results={"ReLU2": of_twenty}).result == result


def test_one_dead_output_is_enough_against_never(judge):
    claim = CLAIMS[-1]
    verdict = judge(claim, {"Abs": (95, 0.2, 1, [1])})
    assert verdict.result == "did not hold"
    assert "1 of 41 runs" in verdict.decisions[0].numbers


def test_a_claim_about_a_protocol_is_tested_there_only(judge):
    claim = next(claim for claim in CLAIMS if claim.only_there)
    verdict = judge(claim, setting=QUICK)
    assert (verdict.result, verdict.protocol) == ("not tested", "reduced protocol")
    assert verdict.decisions[0].text == "needs 60,000 training images and 50,000 epochs"
    verdict = judge(claim, setting=replace(QUICK, train_size=60_000, epochs=50_000, lr=0.01))
    assert (verdict.result, verdict.decisions[0].text) == (
        "not tested",
        "needs MNIST, lr 0.001, full-batch gradient descent, and raw or normalized input",
    )
    for steps in ({"optimizer": "adam"}, {"batch_size": 100}):
        verdict = judge(claim, setting=replace(QUICK, train_size=60_000, epochs=50_000, **steps))
        assert (verdict.result, verdict.protocol) == ("not tested", "another protocol")


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"epochs": 5_000}, "the paper's protocol"),
        ({"epochs": 5_000, "input": "normalized"}, "the paper's protocol"),
        ({"epochs": 4_999}, "reduced protocol"),
        ({"epochs": 5_000, "train_size": 59_999}, "reduced protocol"),
        ({"epochs": 50_000}, "another protocol"),
        ({"epochs": 5_000, "lr": 0.01}, "another protocol"),
        ({"epochs": 5_000, "input": "unit"}, "another protocol"),
        ({"epochs": 500, "dataset": "fashion-mnist"}, "another protocol"),
    ],
)
def test_every_verdict_says_how_far_its_protocol_is_from_the_papers(change, label, judge):
    setting = replace(EXTENDED, **change)
    verdict = judge(CLAIMS[0], setting=setting)
    assert (verdict.setting, verdict.protocol) == (setting, label)


def test_fewer_runs_than_the_papers_are_a_reduced_protocol(judge):
    at_5000 = replace(EXTENDED, epochs=5_000)
    assert judge(CLAIMS[0], {"Abs": (95, 0.2, 19)}, at_5000).protocol == "reduced protocol"
    assert judge(CLAIMS[0], {"Abs": (95, 0.2, 21)}, at_5000).protocol == "the paper's protocol"
    untested = judge(CLAIMS[0], setting=at_5000, results={})
    assert (untested.result, untested.setting, untested.protocol) == ("not tested", at_5000, "reduced protocol")


def test_p_values_are_corrected_for_all_comparisons_that_were_made(judge, runs, published):
    claim = CLAIMS[0]
    pair = {model: runs(mean, 0.5, 3) for model, mean in (("ReLU", 95.0), ("Abs", 95.1))}
    alone = judge(claim, results=pair).decisions[0].text
    among_others = judge(claim, results=published() | pair).decisions[0].text
    p_alone, p_among_others = (float(re.search(r"p for it ([\d.]+)", text)[1]) for text in (alone, among_others))
    assert p_alone < p_among_others


def test_models_that_are_all_the_same_are_hardly_ever_called_different(runs, published):
    """With 3 runs each, from one distribution: none of the claims of a difference or of more spread is true."""
    false = {"2a", "3a", "5a", "5b", "6b", "7c"}
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(60):
        results = {
            model: replace(runs(90, 1, 3), accuracies=tuple(random.normal(90, 1, 3).tolist())) for model in published()
        }
        wrong += any(v.result == "held" for v in ledger.verdicts(results, QUICK) if v.claim.number in false)
    assert wrong <= 6
