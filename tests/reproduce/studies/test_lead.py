"""The study of OffsetL2's lead: its arms, and what is said of made-up runs."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tinydist import Tensor, datasets
from tinydist.analysis.overshoot import THRESHOLD, measure_overshoot
from tinydist.reproduce import cli
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.studies.lead import LINEAR, OFFSET, PAIRS, RESTING, STUDY, arms, arms_of, decisions, statements


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny study: its folder."""
    out = tmp_path_factory.mktemp("lead")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "lead", replace(STUDY, protocol=Protocol(train_size=60, epochs=3, runs=2)))
        assert cli.main(["--study", "lead", "--out", str(out), "--jobs", "1"]) == 0
    return out


def test_a_tiny_study_end_to_end(study):
    with (study / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * (len(LINEAR) + len(OFFSET) + 2 * len(RESTING))
    text = (study / "study" / "lead.txt").read_text()
    assert text.startswith("Not the paper's protocol: 60 images, 3 steps\n")
    overshoots = [float(row["overshoot"]) for row in rows if (row["model"], row["arm"]) == ("Abs", "small-start")]
    (line,) = (line for line in text.splitlines() if line.startswith("Abs from a small start  "))
    assert line.split()[-1] == f"{np.median(overshoots):.2g}"
    assert (study / "study" / "lead.png").stat().st_size > 10_000


def test_each_arm_has_the_start_and_the_step_that_it_is_named_for(config):
    """On raw pixels: how far apart the outputs lie at the start, and whether the first step is below the threshold."""
    data = datasets.load("mnist", train_size=300)
    spreads, overshoots = {}, {}
    for model in STUDY.models:
        for run in arms(config(model, lr=0.001)):
            network, optimizer = start(run, data)
            logits = network(Tensor(data.x_train)).data
            spreads[model, run.arm] = np.ptp(logits, axis=1).mean()
            overshoots[model, run.arm] = measure_overshoot(network, optimizer, data.x_train, data.y_train).kappa
    for linear, offset in PAIRS.items():
        small = spreads[offset, "as-published"]
        assert spreads[linear, "as-published"] > 100 * small
        assert spreads[linear, "small-start"] == pytest.approx(small, rel=1.5)
        assert spreads[linear, "pixels-to-1-lr-0.1"] == pytest.approx(small, rel=1.5)
        assert spreads[offset, "large-start"] == pytest.approx(spreads[linear, "as-published"], rel=0.6)
        assert min(overshoots[linear, arm] for arm in ("as-published", "small-start")) > THRESHOLD
        below = ("small-start-and-step", "lr-0.0001", "lr-1e-05", "pixels-to-1-lr-0.1")
        assert max(overshoots[linear, arm] for arm in below) < THRESHOLD


def test_each_statement_is_about_arms_that_are_run():
    named = {f"{model} {arm.words}" for model in STUDY.models for arm in arms_of(model) if arm not in RESTING}
    assert {model for statement in statements() for model in statement.models} == named


def test_a_lead_and_a_spread_that_are_there_are_shown_and_what_is_missing_is_left_out(runs):
    results = {
        "ReLU-L2 as published": runs(90.0, 0.1),
        "ReLU as published": runs(80.0, 2.0),
        "ReLU from a small start": runs(95.0, 0.01),
    }
    assert [(decision.word, decision.statement) for decision in decisions(results)] == [
        ("shown", "ReLU-L2 as published above ReLU as published"),
        ("shown", "standard deviation of ReLU as published more than 1 times that of ReLU-L2 as published"),
        ("refuted", "ReLU-L2 as published above ReLU from a small start"),
        ("refuted", "standard deviation of ReLU from a small start more than 1 times that of ReLU-L2 as published"),
    ]


@pytest.mark.parametrize("arguments", [["--lr", "0.1"], ["--input", "unit"], ["--optimizer", "adam"]])
def test_what_the_arms_set_themselves_is_refused_before_any_run(arguments, refusal, tmp_path):
    said = refusal("--study", "lead", *arguments, "--out", str(tmp_path / "new"))
    assert "the study lead sets its own data, inputs, learning rates and networks" in said
    assert not (tmp_path / "new").exists()
