import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest

from tinydist.analysis.overshoot import pre_activations
from tinydist.reproduce import cli
from tinydist.reproduce.evidence.collapse import COLLAPSED, NO_COMPARISON, STANDS
from tinydist.reproduce.evidence.decisions import OPEN
from tinydist.reproduce.evidence.outcomes import Outcome
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.starts import start as start_of
from tinydist.reproduce.studies import dying
from tinydist.reproduce.studies.dying import (
    ARMS,
    GROUPS,
    MODELS,
    RAW,
    arm_collapses,
    arms,
    conclusion,
    in_words,
    overshoot_figure,
    place,
    silent_images,
)
from tinydist.training import training_step

FEW = ("raw", "pixels-to-1", "lr-0.1-pixels-to-1", "start-of-1-step-of-255", "positive-init")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny study of five arms: its folder."""
    out = tmp_path_factory.mktemp("study")
    tiny = replace(
        dying.STUDY,
        models=("ReLU", "ReLU2"),
        arms=lambda config: [run for run in arms(config) if run.arm in FEW],
        protocol=Protocol(train_size=60, epochs=4, runs=2),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "dying", tiny)
        assert cli.main(["--study", "dying", "--out", str(out), "--jobs", "1"]) == 0
    return out


def test_a_tiny_study_end_to_end(study):
    with (study / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == set(FEW)
    assert {row["first_step"] for row in rows if row["arm"] == "pixels-to-1"} == {str((1 / 255) ** 2)}
    text = (study / "study" / "dying.txt").read_text()
    assert text.startswith(
        "Not the paper's protocol: mnist, 60 training images, 4 epochs, 2 runs a model in each of 5 arms"
    )
    assert "The first steps, traced" in text
    for name in ("dying.png", "dead-outputs.png", "first-steps.png", "by-overshoot.png"):
        assert (study / "study" / name).stat().st_size > 10_000


def test_every_arm_is_in_the_group_it_names_and_has_a_place_in_it():
    assert {arm for group in GROUPS.values() for arm in group} == set(ARMS)
    for name, arm in ARMS.items():
        assert name in GROUPS[arm.group]
        assert arm.name == name
    for group, names in GROUPS.items():
        places = [place(ARMS[arm], group) for arm in names]
        assert len(set(places)) == len(places), places


def test_arms_differ_in_what_they_say(config):
    runs = {run.arm: run for run in arms(config("ReLU2", lr=0.001))}
    assert runs["raw"].first_init == runs["raw"].first_step == 1
    assert (runs["pixels-to-1"].first_init, runs["pixels-to-1"].first_step) == (1 / 255, (1 / 255) ** 2)
    small_start, small_step = runs["start-of-1-step-of-255"], runs["start-of-255-step-of-1"]
    assert (small_start.first_init, small_start.first_step) == (1 / 255, 1)
    assert (small_step.first_init, small_step.first_step, small_step.last_step) == (1, (1 / 255) ** 2, (1 / 255) ** 2)
    assert runs["lr-0.1-pixels-to-1"].lr == 0.1
    assert runs["512-units-pixels-to-1"].hidden == 512
    assert ARMS["lr-0.01"].step == pytest.approx(10)
    assert RAW.start == RAW.step == 1


@pytest.mark.parametrize(
    ("arm", "start", "step"), [("start-of-64-step-of-255", 64, 255), ("start-of-255-step-of-64", 255, 64)]
)
def test_in_both_layers_start_and_step_are_those_of_the_pixels_that_the_arm_names(config, arm, start, step):
    """Measured on the network itself: what it puts out, and how far each layer's step alone moves that."""

    def outputs_and_moves(run):
        data = data_in_memory(run)
        model, optimizer = start_of(run, data)
        before, weights = pre_activations(model, data.x_train), model.state_dict()
        training_step(model(data.x_train).cross_entropy(data.y_train), optimizer)
        moved, moves = model.state_dict(), []
        for layer in ("linear0.weight", "linear1.weight"):
            model.load_state_dict({**weights, layer: moved[layer]})
            moves.append(pre_activations(model, data.x_train) - before)
        return before, moves

    # of a plain model whose outputs are small, so that the loss's gradient is that of guessing, whatever the scale;
    # with a learning rate that moves the first layer beyond what float32 rounds away
    runs = {each.arm: replace(each, last_init=1e-4) for each in arms(config("ReLU", lr=0.1))}
    (raw, raw_moves), (ours, our_moves) = outputs_and_moves(runs["raw"]), outputs_and_moves(runs[arm])
    assert np.abs(ours - raw * start / 255).max() < 0.02 * np.abs(ours).max()
    for moved, expected in zip(our_moves, raw_moves, strict=True):
        assert np.abs(moved - expected * (step / 255) ** 2).max() < 0.05 * np.abs(moved).max()


def test_of_a_layer_that_rests_nothing_moves(config):
    runs = {run.arm: run for run in arms(config("ReLU2", lr=0.001))}
    for arm, resting in (("first-layer-alone", "linear1.weight"), ("last-layer-alone", "linear0.weight")):
        data = data_in_memory(runs[arm])
        model, optimizer = start_of(runs[arm], data)
        before = model.state_dict()
        training_step(model(data.x_train).cross_entropy(data.y_train), optimizer)
        moved = {name for name, weights in model.state_dict().items() if not np.allclose(weights, before[name])}
        assert resting not in moved
        assert {"linear0.weight", "linear1.weight"} - moved == {resting}


def test_runs_are_counted_by_overshoot_and_arms_are_in_its_order(record):
    def run(arm, seed, kappa, dead, silent):
        made = record("ReLU2", seed, dead=dead, arm=arm)
        curve = (*made.curve[:-1], replace(made.final, silent_images=silent))
        return replace(made, curve=curve, overshoot=kappa)

    runs = [run("raw", 0, 0.9, 3, 0.8), run("raw", 1, 20.0, 0, 0.2), run("pixels-to-1", 0, 0.1, 0, 0.02)]
    assert silent_images(runs) == pytest.approx({"raw": 50.0, "pixels-to-1": 2.0})
    text = in_words({}, [*runs, record("ReLU", arm="raw")])
    tables = dict(itertools.pairwise(text.split("\n\n")))
    by_range = {line.split("  ")[0]: line.split()[-3:] for line in tables["By the overshoot κ"].splitlines()}
    assert by_range["0.7 to 2"] == ["1", "1", "1"]
    assert by_range["from 13"] == ["1", "0", "0"]
    assert by_range["below 0.35"] == ["1", "0", "0"]
    order = [line.split()[0] for line in tables["Arms in order of the overshoot κ"].splitlines()]
    assert order[-2:] == ["pixels-to-1", "raw"]
    assert len(overshoot_figure(runs, "").axes) == 2


# --- the conclusion, on made-up runs --------------------------------------------------------------------------------


def outcome(mean, dead=0, runs=5):
    spread = np.random.default_rng(round(mean * 10)).normal(0, 0.3, runs)
    counts = (dead,) * runs
    return Outcome(tuple(mean + spread), counts, tuple(range(runs)), (0,) * runs, counts, counts)


def made_up(relu2, baseline=90.0):
    """Runs of all models in some arms; ReLU2 reaches what is given for each arm."""
    return {
        arm: {"ReLU": outcome(baseline), "ReLU2": outcome(mean, 0 if mean > 50 else 9), "Abs2": outcome(baseline)}
        for arm, mean in relu2.items()
    }


def test_where_the_step_alone_differs_and_both_happens_the_step_decides():
    results = made_up({"raw": 20.0, "lr-1e-05": 90.0, "start-of-1-step-of-255": 15.0})
    found = arm_collapses(results)
    assert found["raw", "ReLU2"] == COLLAPSED
    assert found["lr-1e-05", "ReLU2"] == STANDS
    assert found["raw", "ReLU2-Neg"] == NO_COMPARISON  # it was not run
    text = " ".join(conclusion(results, found, {}).split())
    assert "There ReLU2 stands in 1, collapsed in 2, and 0 are open" in text
    assert "Can ReLU2 learn an intensity? Yes: in the arm lr-1e-05" in text
    assert "Does the step decide? With the same start both happens: at start 1 it stands with step 0.01" in text
    assert "Does the start decide? In no set of arms" in text
    assert "Abs2 where ReLU2 collapsed (2 arms): collapsed in 0, stands in 2" in text


def test_the_conclusion_can_be_for_the_paper():
    results = made_up({"raw": 20.0, "lr-1e-05": 30.0, "positive-init": 25.0})
    text = " ".join(conclusion(results, arm_collapses(results), {}).split())
    assert "not shown in any arm, so nothing here speaks against the paper's reading" in text
    assert "Does the step decide? In no set of arms" in text
    assert "save it on raw pixels? It is not shown to stand with any. It collapsed with raw, positive-init." in text


def test_where_the_baseline_does_not_learn_nothing_is_said_of_relu2():
    results = made_up({"raw": 10.0, "pixels-to-1": 10.0}, baseline=11.0)
    assert set(arm_collapses(results).values()) == {NO_COMPARISON}
    assert "the baseline ReLU learns in 0" in conclusion(results, arm_collapses(results), {})


def test_a_difference_that_two_runs_cannot_settle_stays_open():
    results = {"raw": {"ReLU": outcome(90.0, runs=2), "ReLU2": outcome(79.9, runs=2)}}
    assert arm_collapses(results)["raw", "ReLU2"] == OPEN


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--dataset", "wine"], "--dataset wine, which has no images"),
        (["--input", "normalized"], "--input normalized"),
        (["--input", "raw,unit"], "--input unit"),
        (["--lr", "0.1"], "--lr 0.1"),
        (["--optimizer", "adam", "--batch-size", "32"], "adam, batches of 32"),
    ],
)
def test_what_the_arms_are_not_about_is_refused_before_any_run(arguments, named, refusal, tmp_path):
    said = refusal("--study", "dying", *arguments, "--out", str(tmp_path / "new"))
    assert (
        f"beside raw pixels of images at lr 0.001 and full-batch gradient descent; got {named}. Leave that out" in said
    )
    assert not (tmp_path / "new").exists()


def test_no_two_arms_are_runs_of_the_same_setting(config):
    assert len({run.setting for run in arms(config("ReLU2", lr=0.001))}) == len(ARMS)


def test_a_statement_on_an_arm_that_is_missing_is_open_and_still_named():
    text = conclusion(
        made_up({"raw": 20.0, "positive-init": 90.0}), arm_collapses(made_up({"raw": 20.0, "positive-init": 90.0})), {}
    )
    text = " ".join(text.split())
    assert text.count("open, as it needs at least 2 successful runs in each of") == 2
    assert "in each of lr-0.1-pixels-to-1, start-of-1-step-of-255" in text


def test_all_models_are_run_in_every_arm():
    assert dying.STUDY.models == MODELS
