import pytest

from tinydist.reproduce.claims import CLAIMS, Outcome, outcomes, verdict

HEALTHY = {
    "ReLU": ([90.0, 90.2, 90.1], [0, 0, 0]),
    "Abs": ([90.3, 90.1, 90.2], [0, 0, 0]),
    "ReLU2": ([30.0, 50.0, 20.0], [6, 4, 7]),
    "Abs2": ([90.2, 90.0, 90.4], [0, 0, 0]),
    "ReLU2-Neg": ([89.0, 88.0, 89.5], [0, 0, 0]),
    "Abs2-Neg": ([80.0, 70.0, 75.0], [0, 0, 0]),
    "ReLU-L2": ([91.0, 91.1, 91.2], [0, 0, 0]),
    "ReLU-L2-Neg": ([91.1, 91.2, 91.0], [0, 0, 0]),
    "Abs-L2": ([92.0, 92.1, 92.2], [0, 0, 0]),
    "Abs-L2-Neg": ([92.1, 92.0, 92.2], [0, 0, 0]),
}
BIAS_TWINS = {f"{model}-Bias": HEALTHY[model] for model in ("ReLU", "Abs", "ReLU2", "Abs2", "ReLU2-Neg", "Abs2-Neg")}

CONTRADICTIONS = {
    "The ReLU and Abs baselines are alike": {"Abs": ([92.0] * 3, [0] * 3)},
    "ReLU2 fails catastrophically": {"ReLU2": ([89.0] * 3, [6] * 3)},
    "ReLU2 fails by dead outputs": {"ReLU2": ([30.0] * 3, [0, 1, 0])},
    "Negating the output rescues ReLU2": {"ReLU2-Neg": ([50.0] * 3, [0] * 3)},
    "Abs2 does not fail": {"Abs2": ([90.0, 90.0, 70.0], [0] * 3)},
    "Abs2-Neg is worse and less stable than Abs2": {"Abs2-Neg": ([75.0, 75.0, 75.0], [0] * 3)},
    "OffsetL2 closes the gap between plain and Neg": {"ReLU-L2-Neg": ([89.0] * 3, [0] * 3)},
    "ReLU-L2 avoids the failure of ReLU2": {"ReLU-L2": ([91.0, 91.0, 80.0], [0] * 3)},
    "Abs-L2 beats both baselines": {"Abs-L2": ([90.15] * 3, [0] * 3)},
    "Abs networks have no dead outputs": {"Abs2-Neg": ([80.0, 70.0, 75.0], [0, 1, 0])},
    "A bias in the second layer changes none of this": {"Abs-Bias": ([80.0, 80.1, 80.2], [0] * 3)},
}
"""For each claim, data under which it is false."""


def results(changes):
    return {
        model: Outcome(tuple(accuracies), tuple(dead))
        for model, (accuracies, dead) in (HEALTHY | BIAS_TWINS | changes).items()
    }


def test_every_claim_has_data_that_contradict_it():
    assert {claim.statement for claim in CLAIMS} == set(CONTRADICTIONS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.statement)
def test_verdicts_follow_the_data(claim):
    assert verdict(claim, results({})).result == "held"
    assert verdict(claim, results(CONTRADICTIONS[claim.statement])).result == "did not hold"


def test_no_gap_means_no_rescue():
    claim = next(c for c in CLAIMS if c.statement.startswith("Negating"))
    better_than_relu = {"ReLU2": ([95.0] * 3, [0] * 3), "ReLU2-Neg": ([96.0] * 3, [0] * 3)}
    assert verdict(claim, results(better_than_relu)).result == "did not hold"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.statement)
def test_without_its_models_a_claim_is_not_tested_and_says_what_is_missing(claim):
    missing = claim.models[-1]
    data = {model: outcome for model, outcome in results({}).items() if model != missing}
    judged = verdict(claim, data)
    assert judged.result == "not tested"
    assert missing in judged.evidence


def test_one_run_says_nothing_of_spread():
    claim = next(c for c in CLAIMS if "less stable" in c.statement)
    single = results({"Abs2-Neg": ([75.0], [0])})
    assert verdict(claim, single).evidence == "needs 2 successful runs of Abs2-Neg"


def test_failed_runs_are_left_out_of_outcomes(record):
    runs = [record("ReLU", 0, 90.0), record("Abs", 0, status="diverged"), record("ReLU", 1, 80.0, dead=3)]
    assert outcomes(runs) == {"ReLU": Outcome((90.0, 80.0), (0, 3))}
