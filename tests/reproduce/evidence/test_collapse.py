"""The collapse of a model beside its baseline."""

import pytest

from tinydist.reproduce.evidence.collapse import COLLAPSED, NO_COMPARISON, STANDS, collapses, learned
from tinydist.reproduce.evidence.decisions import OPEN
from tinydist.reproduce.evidence.outcomes import Outcome


def outcome(*accuracies, outputs=10):
    zeros = (0,) * len(accuracies)
    return Outcome(accuracies, zeros, tuple(range(len(accuracies))), zeros, zeros, zeros, outputs=outputs)


@pytest.mark.parametrize(("outputs", "least"), [(10, 20.0), (2, 60.0), (4, 35.0)])
def test_a_baseline_has_learned_from_ten_points_above_chance_on(outputs, least):
    assert learned({"ReLU": outcome(least, least, outputs=outputs)}, "ReLU")
    assert not learned({"ReLU": outcome(least - 0.01, least - 0.01, outputs=outputs)}, "ReLU")
    assert not learned({}, "ReLU")


@pytest.mark.parametrize(
    ("baseline", "model", "word"),
    [
        ((90.0, 90.5, 91.0), (20.0, 20.4, 20.9), COLLAPSED),
        ((90.0, 90.5, 91.0), (89.0, 89.5, 90.0), STANDS),
        ((90.0, 90.5, 91.0), (20.0,), NO_COMPARISON),
        ((90.0,), (20.0, 20.4, 20.9), NO_COMPARISON),
        ((11.0, 11.1, 11.2), (1.0, 1.1, 1.2), NO_COMPARISON),
    ],
)
def test_a_model_collapses_beside_a_baseline_that_learned(baseline, model, word):
    results = {"ReLU": outcome(*baseline), "ReLU2": outcome(*model)}
    assert collapses({"pair": (results, "ReLU", "ReLU2")}) == {"pair": word}


def test_a_model_without_runs_is_compared_with_nothing():
    assert collapses({"pair": ({"ReLU": outcome(90.0, 91.0)}, "ReLU", "ReLU2")}) == {"pair": NO_COMPARISON}


def test_all_pairs_are_decided_together():
    """One alone has p = 0.027 by Welch's test, beside another of its kind 0.055 by Holm's correction."""
    results = {"ReLU": outcome(90.0, 91.0, 92.0), "ReLU2": outcome(75.0, 79.0, 77.0)}
    pair = results, "ReLU", "ReLU2"
    assert collapses({0: pair}) == {0: COLLAPSED}
    assert collapses({0: pair, 1: pair, "none": (results, "ReLU", "Abs")}) == {0: OPEN, 1: OPEN, "none": NO_COMPARISON}
