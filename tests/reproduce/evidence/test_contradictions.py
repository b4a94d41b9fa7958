"""The paper's contradictions, against t and p worked out by hand or by scipy from the published numbers."""

import itertools
import math

import pytest
from scipy import stats

from tinydist.reproduce.evidence.contradictions import discussion, first_table, found_in_the_paper


def recomputed(beginning):
    return next(entry.recomputed for entry in found_in_the_paper() if entry.stated.startswith(beginning))


def test_the_baselines_differ_by_the_papers_own_numbers():
    by_hand = (95.64 - 95.26) / math.sqrt(2 * 0.19**2 / 20)
    assert by_hand == pytest.approx(6.32, abs=0.005)
    assert stats.ttest_ind_from_stats(96.62, 0.17, 20, 95.87, 0.22, 20).statistic == pytest.approx(12.06, abs=0.005)
    text = recomputed("ReLU and Abs do not differ")
    assert "Discussion's numbers t(38) = 6.32, p = 2e-07" in text
    assert "table 2 t(38) = 12.06" in text


def test_relu2s_t_is_in_neither_set_of_numbers():
    by_hand = (47.20 - 95.64) / math.sqrt((12.00**2 + 0.19**2) / 20)
    assert by_hand == pytest.approx(-18.05, abs=0.005)
    text = recomputed("ReLU2 differs from ReLU")
    assert "t(38) = -18.05" in text
    assert "-17.33" not in text


def test_the_first_table_is_the_extended_one():
    assert recomputed("Table 2").startswith("6 of 6 rows are the same in both, means and deviations")
    assert "0.60 to 9.11 points" in recomputed("Table 2")  # Abs2 95.95 - 95.35, ReLU2 56.31 - 47.20


def test_the_published_p_goes_with_38_degrees_of_freedom_not_with_19():
    text = recomputed("The t-tests are paired")
    assert f"{2 * stats.t.sf(1.5, 38):.3f} with 38 and {2 * stats.t.sf(1.5, 19):.3f} with 19" in text
    assert "20 pairs leave 19" in text


def test_a_third_and_a_fifth_of_two_hundred_outputs():
    assert recomputed("ReLU2 has 33%").startswith("of 200 outputs in 20 runs, 66 against 44")


@pytest.mark.parametrize("of", [discussion, first_table])
@pytest.mark.parametrize("pair", [("ReLU", "Abs"), ("ReLU2", "ReLU"), ("ReLU2-Neg", "ReLU")])
def test_rounding_moves_a_t_by_less_than_a_tenth(of, pair):
    a, b = (of(model) for model in pair)
    t = stats.ttest_ind_from_stats(a.mean, a.sd, 20, b.mean, b.sd, 20).statistic
    for shifts in itertools.product((-0.005, 0.005), repeat=4):
        mean_a, sd_a, mean_b, sd_b = (x + s for x, s in zip((a.mean, a.sd, b.mean, b.sd), shifts, strict=True))
        moved = stats.ttest_ind_from_stats(mean_a, sd_a, 20, mean_b, sd_b, 20).statistic
        assert abs(moved - t) < abs(t) / 10
