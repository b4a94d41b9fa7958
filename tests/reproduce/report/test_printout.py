import pytest

from tinydist.models import PAPER_MODELS
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.outcomes import outcomes
from tinydist.reproduce.report import printout
from tinydist.reproduce.runs.records import failures
from tinydist.reproduce.runs.settings import Setting


def table(runs):
    """The table of runs of one setting."""
    return printout.results_table(outcomes(runs), runs[0].config.setting)


def test_a_row_shows_mean_deviation_dead_outputs_and_the_labelled_published_number(record):
    runs = [record("ReLU2", 0, 20.0, dead=6), record("ReLU2", 1, 40.0, dead=7)]
    row = table(runs).splitlines()[2]
    assert "30.00 ± 14.14" in row
    assert "  6.5 of 10  " in row
    assert row.endswith("47.20 ± 12.00 at 5,000 epochs")


def test_one_run_has_no_deviation_and_a_failed_model_is_shown(record):
    lines = table([record("ReLU", 0, 90.0), record("Abs", 0, status="diverged")]).splitlines()
    assert "±" not in lines[2].split("95.64")[0]
    assert "all failed" in lines[3]


def test_failures_are_named_with_their_reason(record):
    runs = [record("ReLU", 0), record("Abs", 4, status="diverged: loss nan")]
    assert failures(runs) == "FAILED Abs raw seed 4: diverged: loss nan"
    assert failures(runs[:1]) == ""


def test_no_number_of_the_paper_stands_beside_runs_on_other_data(record):
    assert "95.64 ± 0.19" in table([record("ReLU")])
    runs = [record(model, seed, dataset="fashion-mnist") for model in ("ReLU", "Abs") for seed in (0, 1)]
    elsewhere = "\n".join((printout.protocols(runs), printout.brief(runs), printout.evidence(runs)))
    for number in ("95.64", "t(38)", "60,000", "the paper's, 60", "against itself", "of 5,000 epochs"):
        assert number not in elsewhere, number
    assert "its numbers are about MNIST" in " ".join(elsewhere.split())


def test_each_setting_has_its_protocol_its_table_and_its_claims_and_failures_come_last(record):
    runs = [record("ReLU", seed, input=name) for name in ("raw", "normalized") for seed in range(3)]
    runs += [record("Abs", 0, status="diverged: loss nan"), record("ReLU", 3)]
    protocols = " ".join(printout.protocols(runs).split())
    assert protocols.startswith(
        "Not the paper's protocol: mnist, 50 training images, 4 epochs, 4 runs a model (of some only 0)"
    )
    assert "4 epochs, 3 runs a model, lr 0.001, input normalized. Input: " in protocols
    assert protocols.count("Reduced protocol: ") == 2
    table, claims, other, others, failed = printout.brief(runs).split("\n\n")
    assert table.startswith("raw  ")
    assert "all failed" in table
    assert other.startswith("normalized  ")
    assert "all failed" not in other
    assert claims.startswith("NOT ENOUGH EVIDENCE: 1 of 16 claims (raw input, reduced protocol)\n  1  The ReLU and Abs")
    assert "too few runs" in claims
    assert others.startswith("NOT TESTED: 16 of 16 claims (normalized input)")
    assert failed == "FAILED Abs raw seed 0: diverged: loss nan"


def lines_of(text):
    """The line of each claim in the brief report, by its number."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.startswith("  ")}


def test_a_claim_has_one_line_with_the_numbers_that_decide_it(record):
    runs = [record(model, seed, 90.0 + seed) for model in ("ReLU", "Abs", "ReLU2-Neg") for seed in range(3)]
    runs += [record("ReLU2", seed, 20.0 + 2 * seed, dead=seed) for seed in range(3)]
    runs += [record("Abs2", seed, 90.0 + 3 * seed) for seed in range(3)]
    runs += [record("Abs2-Neg", seed, 60.0 + 6 * seed) for seed in range(3)]
    lines = lines_of(printout.brief(runs))
    # by hand: the standard error is the root of (1 + 1) / 3 at 4 degrees of freedom, where 2.7764 is Student's 97.5%
    assert lines["1"] == "The ReLU and Abs baselines do not differ +0.00 [-2.27, +2.27]"
    assert lines["2a"].startswith("ReLU2 fails catastrophically +69.00 [")
    assert lines["2b"] == "ReLU2 fails by dead outputs dead in 2 of 3 runs"
    assert lines["5a"] == "Abs2-Neg is worse than Abs and Abs2 +25.00, +27.00"
    assert lines["5b"] == "Abs2-Neg is far less stable than Abs and Abs2 ±6.00/1.00, ±6.00/3.00"
    assert lines["8"].endswith("dead in 0 of 9 runs")


def test_claims_that_are_not_tested_are_named_with_what_is_missing(record):
    runs = [record(model, seed, 90.0 + seed) for model in ("Abs-L2", "Abs2") for seed in range(3)]
    _, _, untested = printout.brief(runs).partition("NOT TESTED: 16 of 16 claims (raw input)\n")
    *named, _ = untested.splitlines()
    assert " ".join(line.strip() for line in named) == (
        "1, 2a, 6a, 7c: no ReLU run; 2b: no ReLU2 run; 3a, 3b: no ReLU2-Neg run; 4, 5a, 8: no Abs run; 5b: no "
        "Abs2-Neg run; 6b: no ReLU-Bias run; 7a, 7b, 7e: no ReLU-L2 run; 7d: needs 50,000 epochs"
    )
    assert all(line.startswith("  ") and len(line) <= 80 for line in named)


def test_of_many_comparisons_the_smallest_and_the_largest_number_are_shown(record):
    models = ("ReLU-L2", "ReLU-L2-Neg", "Abs-L2", "Abs-L2-Neg")
    runs = [record(model, seed, 80.0 + 2 * place + seed) for place, model in enumerate(models) for seed in range(3)]
    assert lines_of(printout.brief(runs))["7e"] == "OffsetL2 decides by its prototypes +40.50 to +43.50"
    failed = [record("Abs-L2", 3, status="diverged: the loss")]
    text = printout.brief([*runs, *failed])
    assert "+40.50, +41.50, 1 of 4 runs failed, +43.50" in text


def test_claims_of_one_verdict_under_two_protocols_have_a_heading_each(published):
    """At 5,000 epochs the claims about OffsetL2, made after 50,000, are tested by a reduced protocol."""
    judged = ledger.verdicts(published(20), Setting("mnist", "raw", 60_000, 5_000, 0.001))
    assert {v.protocol for v in judged if v.result == ledger.HELD} == {"the paper's protocol", "reduced protocol"}
    text = printout.claims(judged, "raw input")
    protocols, heading = {}, ""
    for line in text.splitlines():
        if line.startswith("  "):
            protocols[line.split()[0]] = heading
        else:
            heading = line.partition("(raw input, ")[2].rstrip(")")
    for verdict in judged:
        if verdict.result != ledger.NOT_TESTED:
            assert protocols[verdict.claim.number] == verdict.protocol


def test_the_brief_report_of_all_models_fits_a_screen(record):
    runs = [record(model, seed, 10.0 + 30 * seed, dead=1) for model in PAPER_MODELS for seed in range(3)]
    lines = f"{printout.protocols(runs)}\nResults: out\n\n{printout.brief(runs)}\n\n122 s. Saved".splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    normalized = [
        record(model, seed, 10.0 + 30 * seed, input="normalized") for model in PAPER_MODELS for seed in range(3)
    ]
    assert max(map(len, printout.brief([*runs, *normalized]).splitlines())) <= 80


def test_verdicts_come_with_criterion_evidence_input_and_protocol(record):
    runs = [record(model, seed, 90.0 + seed) for model in ("ReLU", "Abs") for seed in range(3)]
    text = printout.evidence(runs)
    assert "NOT ENOUGH EVIDENCE: 1" in text
    assert "NOT TESTED: 15" in text
    assert "1   The ReLU and Abs baselines do not differ (raw input, reduced protocol)" in text
    assert "over all comparisons made, 1 here" in " ".join(text.split())
    assert "open: ReLU within 1 point of Abs; p for it" in text
    assert "+0.00, 95% [-2.27, +2.27], d 0.0, n 3 and 3" in text  # 2.7764 * sqrt(2 / 3): Student's 97.5% point, 4 df


def test_raw_and_normalized_input_have_verdicts_of_their_own(record):
    runs = [
        record(model, seed, 90.0 + 9 * seed, dead=dead, input=name)
        for name, dead in (("raw", 1), ("normalized", 0))
        for model in ("Abs", "Abs2", "Abs2-Neg")
        for seed in range(2)
    ]
    raw, normalized = printout.evidence(runs).partition("\n\nThe paper against")[0].split("\n\nClaims of the paper")
    assert "DID NOT HOLD: 1" in raw
    assert "normalized" not in raw
    assert "8   Abs networks have no dead nodes in any layer (normalized" in normalized
    assert "DID NOT HOLD" not in normalized
    assert "raw input" not in normalized


@pytest.mark.parametrize("n", [1, 3, 20])
def test_the_report_fits_110_columns(published, n):
    setting = Setting("mnist", "normalized", 60_000, 50_000, 0.001)
    text = printout.verdicts_on(setting, ledger.verdicts(published(n), setting))
    assert max(map(len, f"{text}\n{printout.contradictions()}".splitlines())) <= 110


def test_the_contradictions_come_with_their_numbers():
    text = " ".join(printout.contradictions().split())
    assert "t(38) = 1.14, p = 0.26" in text
    assert "t(38) = 6.32" in text
