"""Every claim of the ledger, on made-up runs that make it hold, make it fail and leave it open."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tinydist.models import model_names
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.runs.settings import Setting

EXTENDED = Setting("mnist", "raw", 60_000, 50_000, 0.001)
QUICK = Setting("mnist", "raw", 3_000, 500, 0.001)

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
    "8": {"Abs2-Neg": (90.08, 2.56, 20, [0] * 19 + [1])},
}
"""For each claim, runs that contradict it: mean, standard deviation, number, dead outputs."""

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
    assert verdict.decisions[0].text == f"needs a successful run of {missing}"


@each_claim
def test_one_run_of_each_model_settles_nothing(claim, judge, runs, published):
    one = {model: runs(mean, 0.0, 1) for mean, model in enumerate(published())}
    assert judge(claim, results=one).result == "not enough evidence"


@each_claim
def test_more_runs_of_the_same_mean_and_spread_never_take_back_that_a_claim_held(claim, judge, published):
    held = [judge(claim, results=published(n)).result == "held" for n in (2, 3, 5, 10, 20, 60)]
    assert held == sorted(held)
    assert held[-1]


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
    assert judge(CLAIMS[0], setting=replace(EXTENDED, **change)).protocol == label


def test_fewer_runs_than_the_papers_are_a_reduced_protocol(judge):
    at_5000 = replace(EXTENDED, epochs=5_000)
    assert judge(CLAIMS[0], {"Abs": (95, 0.2, 19)}, at_5000).protocol == "reduced protocol"


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
