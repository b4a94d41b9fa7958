"""Labels: runs under another protocol than the paper's never pass for its own."""

from dataclasses import replace

import pytest

from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes, run_counts
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.runs.settings import Setting

PAPER = Setting("mnist", "raw", 60_000, 5_000, 0.001)
AS_DESCRIBED = "the paper's protocol as described, though not as its author ran it"


@pytest.mark.parametrize(
    ("changes", "fewest", "label"),
    [
        ({}, 20, "the paper's protocol"),
        ({"epochs": 50_000}, 20, "the paper's protocol"),
        ({"input": "normalized"}, 20, AS_DESCRIBED),
        ({}, 21, "the paper's protocol"),
        ({}, 19, "not the paper's protocol"),
        ({"epochs": 50_000}, 19, "not the paper's protocol"),
        ({"train_size": 59_999}, 20, "not the paper's protocol"),
        ({"epochs": 4_999}, 20, "not the paper's protocol"),
        ({"epochs": 5_001}, 20, "not the paper's protocol"),
        ({"lr": 0.01}, 20, "not the paper's protocol"),
        ({"input": "unit"}, 20, "not the paper's protocol"),
        ({"optimizer": "adam"}, 20, "not the paper's protocol"),
        ({"batch_size": 64}, 20, "not the paper's protocol"),
        ({"dataset": "fashion-mnist"}, 20, "not the paper's protocol"),
        ({"lr": 0.01, "input": "normalized"}, 20, "not the paper's protocol"),
    ],
)
def test_only_the_papers_protocol_is_called_that(changes, fewest, label):
    assert protocol_label(replace(PAPER, **changes), fewest, 21).split(":")[0] == label


def test_a_label_names_everything_that_the_runs_share():
    assert protocol_label(PAPER, 19, 20) == (
        "not the paper's protocol: mnist, 60,000 training images, 5,000 epochs, 20 runs a model (of some only 19), "
        "lr 0.001, input raw"
    )
    elsewhere = Setting("wine", "normalized", 120, 1_500, 0.05, optimizer="adam")
    assert protocol_label(elsewhere, 1, 1) == (
        "not the paper's protocol: wine, 120 training rows, 1,500 epochs, 1 run a model, lr 0.05, adam, "
        "input normalized"
    )


@pytest.mark.parametrize(
    ("changes", "fewest", "reduced"),
    [
        ({}, 20, None),
        ({"epochs": 50_000}, 21, None),
        ({"train_size": 59_999}, 20, "59,999 of 60,000 training images"),
        ({"epochs": 4_999}, 20, "4,999 of 5,000 epochs"),
        ({}, 19, "19 of 20 runs"),
        ({"train_size": 500, "epochs": 300}, 3, "500 of 60,000 training images, 300 of 5,000 epochs, 3 of 20 runs"),
    ],
)
def test_the_notes_say_what_is_less_than_in_the_paper(changes, fewest, reduced):
    first, *others = protocol_notes(replace(PAPER, **changes), fewest).splitlines()
    assert first == "Input: raw pixels 0 to 255, as the author's program fed them."
    direction = "Compare directions with the paper, not decimals."
    assert others == ([f"Reduced protocol: {reduced}. {direction}"] if reduced else [])


def test_on_other_data_the_notes_speak_of_the_data_only():
    assert protocol_notes(Setting("wine", "raw", 120, 100, 0.1), 3).splitlines() == [
        "Input: columns as they are in the file.",
        "Other data than the paper's: its claims can be tried on them, its numbers are about MNIST.",
    ]


def test_failed_runs_count_for_no_model(record):
    runs = [record("ReLU", 0), record("ReLU", 1), record("Abs", 0), record("Abs", 1, status="diverged")]
    assert run_counts(runs) == (1, 2)
    assert run_counts([*runs, record("Abs2", 0, status="diverged")]) == (0, 2)


def test_the_protocols_in_words():
    assert str(PROTOCOLS["quick"]) == "1,000 training images, 350 epochs, 8 runs a model"
    assert str(PROTOCOLS["paper"]) == "60,000 training images, 5,000 epochs, 20 runs a model"
    assert str(PROTOCOLS["extended"]) == "60,000 training images, 50,000 epochs, 20 runs a model"
