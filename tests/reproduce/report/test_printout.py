from dataclasses import replace

import pytest

from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes
from tinydist.reproduce.report import printout
from tinydist.reproduce.runs.records import failures
from tinydist.reproduce.runs.settings import Setting


def test_a_row_shows_mean_deviation_dead_outputs_and_the_labelled_published_number(record):
    runs = [record("ReLU2", 0, 20.0, dead=6), record("ReLU2", 1, 40.0, dead=7)]
    row = printout.results_table(runs).splitlines()[2]
    assert "30.00 ± 14.14" in row
    assert "6.5 of 10     0.0 " in row
    assert row.endswith("47.20 ± 12.00 at 5,000 epochs")


def test_one_run_has_no_deviation_and_a_failed_model_is_shown(record):
    lines = printout.results_table([record("ReLU", 0, 90.0), record("Abs", 0, status="diverged")]).splitlines()
    assert "±" not in lines[2].split("95.64")[0]
    assert "all failed" in lines[3]


def test_failures_are_named_with_their_reason(record):
    runs = [record("ReLU", 0), record("Abs", 4, status="diverged: loss nan")]
    assert failures(runs) == "FAILED Abs raw seed 4: diverged: loss nan"
    assert failures(runs[:1]) == ""


PAPER = Setting("mnist", "raw", 60_000, 5_000, 0.001)


def test_a_reduced_protocol_never_passes_for_the_papers():
    assert protocol_label(PAPER, 20, 20).startswith("the paper's protocol: mnist, 60,000 training images")
    assert "Reduced" not in protocol_notes(PAPER, 20)
    reduced = [(replace(PAPER, train_size=59_999), 20), (replace(PAPER, epochs=4_999), 20), (PAPER, 19)]
    for setting, runs in reduced:
        assert protocol_label(setting, runs, 20).startswith("not the paper's protocol")
        assert "Reduced protocol: " in protocol_notes(setting, runs)


def test_another_learning_rate_or_input_is_not_the_papers_protocol():
    for change in ({"lr": 0.01}, {"input": "unit"}, {"optimizer": "adam"}, {"batch_size": 64}):
        assert protocol_label(replace(PAPER, **change), 20, 20).startswith("not the paper's protocol")
    described = protocol_label(replace(PAPER, input="normalized"), 20, 20)
    assert described.startswith("the paper's protocol as described")


def test_no_number_of_the_paper_stands_beside_runs_on_other_data(record):
    assert "95.64 ± 0.19" in printout.results_table([record("ReLU")])
    runs = [record(model, seed, dataset="fashion-mnist") for model in ("ReLU", "Abs") for seed in (0, 1)]
    elsewhere = printout.printed(runs)
    for number in ("95.64", "t(38)", "60,000", "the paper's (", "against itself", "of 5,000 epochs"):
        assert number not in elsewhere, number
    assert "its numbers are about MNIST" in elsewhere


def test_what_is_printed_has_table_notes_verdicts_contradictions_and_failures(record):
    runs = [record("ReLU", seed, input=name) for name in ("raw", "normalized") for seed in range(3)]
    text = printout.printed([*runs, record("Abs", 0, status="diverged: loss nan"), record("ReLU", 3)])
    assert text.startswith(
        "Not the paper's protocol: mnist, 50 training images, 4 epochs, 4 runs a model (of some only 0)"
    )
    assert "4 epochs, 3 runs a model, lr 0.001, input normalized" in text
    parts = ("all failed", "Reduced protocol", "on raw input", "on normalized input", "The paper against itself")
    places = [text.index(part) for part in (*parts, "FAILED Abs raw seed 0: diverged: loss nan")]
    assert places == sorted(places)


def test_verdicts_come_with_criterion_evidence_input_and_protocol(record):
    runs = [record(model, seed, 90.0 + seed) for model in ("ReLU", "Abs") for seed in range(3)]
    text = printout.verdicts(runs)
    assert "NOT ENOUGH EVIDENCE: 1" in text
    assert "NOT TESTED: 14" in text
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
    raw, normalized = printout.verdicts(runs).split("\n\nClaims of the paper")
    assert "DID NOT HOLD: 1" in raw
    assert "normalized" not in raw
    assert "8   Abs networks have no dead nodes in any layer (normalized" in normalized
    assert "DID NOT HOLD" not in normalized
    assert "raw input" not in normalized


@pytest.mark.parametrize("n", [1, 3, 20])
def test_the_report_fits_110_columns(published, n):
    text = printout.verdicts_on(Setting("mnist", "normalized", 60_000, 50_000, 0.001), published(n))
    assert max(map(len, f"{text}\n{printout.contradictions()}".splitlines())) <= 110


def test_the_contradictions_come_with_their_numbers():
    text = " ".join(printout.contradictions().split())
    assert "t(38) = 1.14, p = 0.26" in text
    assert "t(38) = 6.32" in text
