import math

import numpy as np
import pytest
from scipy import stats

from tinydist.models import PAPER_MODELS
from tinydist.reproduce.evidence.power import _outcome, power


def test_the_share_of_sweeps_is_the_power_of_the_test_by_the_noncentral_distribution():
    """Four runs: no binomial test reaches 0.05, so Holm leaves half of it to the one t-test that there is."""
    deviation, runs = 18.0, 4
    shares = power({"ReLU": 0.01, "ReLU2": deviation}, runs, sweeps=600)
    distance = (95.64 - 47.20 - 10) / (deviation / math.sqrt(runs))  # in standard errors; only ReLU2 varies
    wanted = stats.nct.sf(stats.t.ppf(0.975, runs - 1), runs - 1, distance)
    assert 0.3 < wanted < 0.9
    assert shares["2a"] == pytest.approx(wanted, abs=0.06)
    assert shares["2b"] == 0


def test_more_runs_find_more_and_large_spreads_hide_all():
    deviations = dict.fromkeys(PAPER_MODELS, 0.3) | {"Abs2-Neg": 3.0}
    few, many = (power(deviations, runs, sweeps=20) for runs in (3, 20))
    assert all(many[number] >= few[number] for number in few)
    assert min(many.values()) > 0.7
    assert max(power(dict.fromkeys(PAPER_MODELS, 40.0), 3, sweeps=20).values()) < 0.2


def test_runs_lie_about_the_published_mean_with_the_deviation_given_however_large():
    noise = np.random.default_rng(0).normal(size=4000)
    near_100 = _outcome("ReLU2-Neg", 5_000, 7 * noise).accuracy
    assert near_100.mean == pytest.approx(94.93, abs=0.3)
    assert near_100.sd == pytest.approx(7, abs=0.3)


def test_the_same_seed_gives_the_same_share_and_other_models_have_no_published_mean():
    deviations = {"ReLU": 0.2, "ReLU2": 18.0}
    assert power(deviations, 4, 40, seed=1) == power(deviations, 4, 40, seed=1) != power(deviations, 4, 40, seed=2)
    with pytest.raises(ValueError, match="no accuracy of GELU; leave"):
        power(deviations | {"GELU": 1.0}, 4)


@pytest.mark.parametrize(
    ("deviation", "runs", "sweeps", "words"),
    [
        (1.0, 1, 9, "at least 2 runs and 1 sweep, got 1 and 9"),
        (1.0, 5, 0, "got 5 and 0"),
        (-3.0, 5, 9, "deviations of 0 points or more, got {'ReLU2': -3.0}"),
        (math.nan, 5, 9, "got {'ReLU2': nan}"),
    ],
)
def test_numbers_out_of_range_are_refused(deviation, runs, sweeps, words):
    with pytest.raises(ValueError, match=words):
        power({"ReLU": 0.2, "ReLU2": deviation}, runs, sweeps)
