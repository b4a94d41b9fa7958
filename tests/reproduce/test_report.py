from dataclasses import replace

from tinydist.reproduce import report
from tinydist.reproduce.protocols import PROTOCOLS


def test_a_row_shows_mean_deviation_dead_outputs_and_the_labelled_published_number(record):
    runs = [record("ReLU2", 0, 20.0, dead=6), record("ReLU2", 1, 40.0, dead=7)]
    row = report.table(runs).splitlines()[2]
    assert "30.00 ± 14.14" in row
    assert "6.5 of 10" in row
    assert row.endswith("47.20 ± 12.00 at 5,000 epochs")


def test_one_run_has_no_deviation_and_a_failed_model_is_shown(record):
    lines = report.table([record("ReLU", 0, 90.0), record("Abs", 0, status="diverged")]).splitlines()
    assert "±" not in lines[2].split("95.64")[0]
    assert "all failed" in lines[3]


def test_failures_are_named_with_their_reason(record):
    runs = [record("ReLU", 0), record("Abs", 4, status="diverged: loss nan")]
    assert report.failures(runs) == "FAILED Abs seed 4: diverged: loss nan"
    assert report.failures(runs[:1]) == ""


def test_a_reduced_protocol_never_passes_for_the_papers(config):
    paper = PROTOCOLS["paper"]
    assert report.protocol_label(config(), paper).startswith("the paper's protocol: mnist, 60,000 training images")
    assert "Reduced" not in report.protocol_notes(config(), paper)
    for change in ({"train_size": 59_999}, {"epochs": 4_999}, {"runs": 19}):
        reduced = replace(paper, **change)
        assert report.protocol_label(config(), reduced).startswith("not the paper's protocol")
        assert "Reduced protocol: " in report.protocol_notes(config(), reduced)


def test_another_learning_rate_or_input_is_not_the_papers_protocol(config):
    paper = PROTOCOLS["paper"]
    assert report.protocol_label(config(lr=0.01), paper).startswith("not the paper's protocol")
    assert report.protocol_label(config(input="unit"), paper).startswith("not the paper's protocol")
    described = report.protocol_label(config(input="normalized"), paper)
    assert described.startswith("the paper's protocol as described")


def test_verdicts_come_with_criterion_and_evidence(record):
    text = " ".join(report.verdicts([record("ReLU", 0, 90.0), record("Abs", 0, 90.5)]).split())
    assert "Claims that held: 1" in text
    assert "[means less than 1 point apart]: ReLU 90.00, Abs 90.50" in text
    assert "Claims not tested: 10" in text
