"""Summaries, Welch's test and Cohen's d, against numbers worked out by hand."""

import math

import numpy as np
import pytest
from scipy import integrate, special

from tinydist.analysis.statistics import Summary, cohens_d, student, summarize, welch_p


def test_summary_of_a_sample():
    summary = summarize([2, 4, 4, 4, 5, 5, 7, 9])  # squared deviations sum to 32
    assert summary.mean == 5
    assert summary.sd == pytest.approx(math.sqrt(32 / 7))
    assert summary.n == 8


def test_one_value_has_no_spread():
    summary = summarize([3.5])
    assert (summary.mean, summary.n) == (3.5, 1)
    assert math.isnan(summary.sd)


@pytest.mark.parametrize("n", [2, 3])
def test_equal_values_have_a_spread_of_exactly_0(n):
    assert summarize([0.1] * n).sd == 0


def test_text_shows_the_spread_of_more_than_one_value():
    assert str(Summary(95.1251, 0.456, 20)) == "95.13 ± 0.46"
    assert str(Summary(95.1251, math.nan, 1)) == "95.13"


def welch_by_hand(a, b):
    """Welch 1947: t and the degrees of freedom from their formulas, p by integrating Student's density."""
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    t = (np.mean(a) - np.mean(b)) / math.sqrt(va + vb)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    norm = special.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * special.gamma(df / 2))
    tail, _ = integrate.quad(lambda s: norm * (1 + s * s / df) ** (-(df + 1) / 2), abs(t), math.inf)
    return 2 * tail


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 9.0]),
        ([10.0, 10.5, 9.5], [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([0.0, 100.0], [49.0, 50.0, 51.0, 52.0]),
    ],
)
def test_welch_is_its_formula(a, b):
    assert welch_p(a, b) == pytest.approx(welch_by_hand(a, b), rel=1e-6)
    assert welch_p(b, a) == pytest.approx(welch_p(a, b))


def test_equal_means_give_p_of_1():
    assert welch_p([1.0, 3.0], [0.0, 4.0]) == 1


def test_cohens_d_worked_out_by_hand():
    a, b = [2.0, 4.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0]  # means 4 and 3; squared deviations sum to 8 and 10
    assert cohens_d(a, b) == pytest.approx(1 / math.sqrt((8 + 10) / (3 + 5 - 2)))
    assert cohens_d([1.0, 3.0], [11.0, 13.0]) == pytest.approx(-10 / math.sqrt(2))


def test_cohens_d_weighs_the_spread_of_the_larger_sample_more():
    narrow, wide = [0.0, 1.0] * 10, [10.0, 20.0]
    pooled = math.sqrt((20 * 0.25 + 50) / (20 + 2 - 2))
    assert cohens_d(wide, narrow) == pytest.approx((15 - 0.5) / pooled)


def test_cohens_d_changes_its_sign_with_the_order_and_nothing_with_the_unit():
    a, b = [95.1, 95.9, 95.4], [94.0, 95.5, 94.7, 95.0]
    assert cohens_d(a, b) == -cohens_d(b, a) > 0
    assert cohens_d(np.multiply(a, 100) + 7, np.multiply(b, 100) + 7) == pytest.approx(cohens_d(a, b))
    assert type(cohens_d(a, b)) is float


def test_cohens_d_of_equal_means_is_0():
    assert cohens_d([1.0, 3.0], [0.0, 4.0]) == 0


def test_cohens_d_without_any_spread():
    assert cohens_d([2.0, 2.0], [1.0, 1.0, 1.0]) == math.inf
    assert cohens_d([1.0, 1.0], [2.0, 2.0]) == -math.inf
    assert math.isnan(cohens_d([1.0, 1.0], [1.0, 1.0]))


@pytest.mark.parametrize(("a", "b", "sizes"), [([1.0], [1.0, 2.0], "1 and 2"), ([1.0, 2.0], [], "2 and 0")])
def test_cohens_d_needs_two_values_of_each(a, b, sizes):
    with pytest.raises(ValueError, match=f"at least two values of each, got {sizes}"):
        cohens_d(a, b)


def test_cohens_d_of_samples_without_spread_is_not_left_to_rounding():
    assert cohens_d([0.1] * 3, [0.2] * 3) == -math.inf  # the variance of three times 0.1 rounds to more than 0
    assert math.isnan(cohens_d([0.1] * 3, [0.1] * 3))


@pytest.mark.parametrize(("n", "t"), [(2, 12.7062), (3, 4.30265), (6, 2.57058)])
def test_an_interval_of_a_mean_goes_t_standard_errors_to_either_side(n, t):
    """With Student's t of n - 1 degrees of freedom, as tables print it."""
    assert Summary(90.0, 1.5, n).half_interval() == pytest.approx(t * 1.5 / math.sqrt(n), rel=1e-5)


def test_the_spread_of_two_values_is_shown():
    assert str(summarize([80.0, 90.0])) == "85.00 ± 7.07"


def test_students_test_takes_a_sample_without_spread_beside_one_with():
    """Pooled deviation of 0, 0, 0 and of 1, 2, 3: the root of 1 / 2; t is -2 over that times the root of 2 / 3."""
    test = student(summarize([0.0, 0.0, 0.0]), summarize([1.0, 2.0, 3.0]))
    assert (test.df, test.t) == (4, pytest.approx(-2 / math.sqrt(1 / 2 * 2 / 3)))
    with pytest.raises(ValueError, match="student needs at least two values of each, got 1 and 3"):
        student(summarize([0.0]), summarize([1.0, 2.0, 3.0]))
