from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tinydist.reproduce.evidence.outcomes import (
    Outcome,
    grouped,
    outcomes,
    overlap,
    rounding,
    rows_counted,
)
from tinydist.reproduce.runs.settings import Setting


def test_no_runs_have_no_outcomes():
    assert outcomes([]) == {}


def test_failed_runs_have_no_accuracy_and_are_counted(record):
    failed = record("Abs", 0, status="diverged")
    runs = [record("ReLU", 0, 90.0), failed, record("ReLU", 1, 80.0, dead=3, dead_hidden=7)]
    found = replace(outcomes(runs)["ReLU"], rounding=0.0)
    assert list(outcomes(runs)) == ["ReLU", "Abs"]
    assert (outcomes(runs)["Abs"].accuracies, outcomes(runs)["Abs"].runs) == ((), 1)
    assert found == Outcome((90.0, 80.0), (0, 3), (0, 1), (0, 7), (1, 4), (2, 5))
    assert outcomes(runs)["ReLU"].dead_nodes == (0, 10)


def test_inputs_sizes_and_rates_are_kept_apart(record):
    base = record("ReLU", 0, 90.0)
    others = [{"input": "normalized"}, {"train_size": 51}, {"epochs": 5}, {"lr": 0.01}, {"dataset": "fashion-mnist"}]
    others += [{"optimizer": "adam"}, {"batch_size": 10}]
    runs = [base, *(replace(base, config=replace(base.config, **change)) for change in others)]
    groups = grouped(runs).values()
    assert len(groups) == len(runs)
    found = [replace(outcomes(group)["ReLU"], rounding=0.0) for group in groups]
    assert found == [Outcome((90.0,), (0,), (0,), (0,), (1,), (2,))] * len(runs)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, ""),
        ({"optimizer": "adam"}, ", adam"),
        ({"batch_size": 1_000, "optimizer": "momentum"}, ", momentum, batches of 1,000"),
        ({"chunk_size": 1_000}, ""),
    ],
)
def test_a_setting_says_how_its_steps_differ_from_the_papers(config, changes, steps):
    setting = config(**changes).setting
    assert setting.changes == steps
    assert str(setting).endswith(f"lr 0.001{steps}")


def test_models_without_a_successful_run_stay_in_sight(record):
    found = outcomes([record("ReLU", 0, status="diverged")])["ReLU"]
    assert (found.failed, found.runs, found.accuracy.n, found.dead_nodes) == (1, 1, 0, ())
    assert np.isnan(found.mean)
    assert np.isnan(found.mean_dead)


def test_failed_runs_can_be_counted_as_any_accuracy(runs):
    """Nine runs at 90% and one that failed: a mean of 82% where it guesses among ten classes, by hand."""
    found = replace(runs(90, 0, 9), failed=1)
    assert found.guessing == 10
    assert found.counting_failures(10).mean == pytest.approx(82)
    assert found.counting_failures(10).sd == pytest.approx(np.std([90] * 9 + [10], ddof=1))
    assert found.accuracy.mean == 90
    assert replace(found, outputs=2).guessing == 50


@pytest.mark.parametrize("rows", [12, 54, 150, 10_000])
def test_rows_are_counted_from_accuracies(rows):
    right = np.random.default_rng(rows).integers(rows // 2, rows + 1, 30)
    assert rows_counted(100 * k / rows for k in right.tolist()) == rows
    assert rounding(rows) == pytest.approx(100 / rows * stats.uniform.std())


def test_accuracies_that_are_all_alike_say_of_no_more_than_their_own_rows():
    assert rows_counted([100.0, 100.0]) == 1
    assert rows_counted([50.0, 75.0]) == 4
    assert rows_counted([10 * np.pi, 30 * np.e]) == 0  # of no number of rows
    assert rows_counted([100 / 1_000_000]) == 1_000_000
    assert rows_counted([100 / 999_999, 50.0]) == 0  # 1,999,998 are more than accuracies are taken to be counted on
    assert rounding(0) == 0


@pytest.mark.parametrize(
    ("dataset", "train_size", "expected"),
    [
        ("mnist", 60, 0),
        ("gun-point", 50, 0),
        ("wine", 124, 54 / 124),
        ("wine", 60, 0.9),
        ("missing.csv:kind", 124, 54 / 124),
    ],
)
def test_rows_that_are_split_anew_for_each_seed_overlap(dataset, train_size, expected):
    assert overlap(54, Setting(dataset, "raw", train_size, 5, 0.1)) == pytest.approx(expected)
    assert overlap(0, Setting(dataset, "raw", train_size, 5, 0.1)) == (pytest.approx(3 / 7) if expected else 0)


def test_accuracies_in_the_order_of_seeds(runs):
    assert replace(runs(0, 0, 3), accuracies=(1.0, 2.0, 3.0), seeds=(5, 4, 6)).by_seed == (2.0, 1.0, 3.0)


def test_what_is_known_of_the_test_rows_and_of_the_outputs_reaches_every_outcome(record):
    """Accuracies of 90 and 92.5 percent are whole shares of 40 rows; wine is split anew for each seed."""
    runs = [record("ReLU", seed, accuracy, dataset="wine", train_size=120) for seed, accuracy in ((0, 90.0), (1, 92.5))]
    of_three = [replace(run, curve=(replace(run.final, output_activity=(1.0,) * 3),)) for run in runs]
    found = outcomes(of_three)["ReLU"]
    assert found.rounding == pytest.approx(100 / 40 / np.sqrt(12))
    assert found.overlap == pytest.approx(0.3 / 0.7)
    assert found.outputs == 3
