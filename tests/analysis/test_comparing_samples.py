"""t-tests, equivalence, spreads and Holm's correction, against scipy, hand-worked formulas and simulations."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tinydist.analysis.statistics import (
    Summary,
    TTest,
    holm,
    interval_text,
    paired,
    spread_p,
    student,
    summarize,
    welch,
)

SAMPLES = [
    ([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 9.0, 3.0]),
    ([95.64, 95.4, 95.8], [95.2, 95.3, 94.9]),
    ([0.0, 100.0, 50.0, 7.0, 8.0], [49.0, 50.0, 51.0, 52.0, 49.5]),
]
TESTS: list[tuple[Callable[..., TTest], Callable[..., Any]]] = [
    (lambda a, b: welch(summarize(a), summarize(b)), lambda a, b, **o: stats.ttest_ind(a, b, equal_var=False, **o)),
    (lambda a, b: student(summarize(a), summarize(b)), lambda a, b, **o: stats.ttest_ind(a, b, **o)),
    (paired, lambda a, b, **o: stats.ttest_rel(a, b, **o)),
]
values = st.floats(0, 100).map(lambda x: round(x, 2))
samples = st.lists(values, min_size=2, max_size=12)


@pytest.mark.parametrize(("a", "b"), SAMPLES)
@pytest.mark.parametrize(("ours", "scipys"), TESTS, ids=["welch", "student", "paired"])
def test_every_tail_and_interval_is_scipys(ours, scipys, a, b):
    test, expected = ours(a, b), scipys(a, b)
    assert (test.t, test.df) == pytest.approx((expected.statistic, expected.df))
    assert test.p_differs() == pytest.approx(expected.pvalue)
    assert test.interval(0.9) == pytest.approx(tuple(expected.confidence_interval(0.9)))
    moved = np.subtract(a, 1.5)
    assert test.p_above(1.5) == pytest.approx(scipys(moved, b, alternative="greater").pvalue)
    assert test.p_below(1.5) == pytest.approx(scipys(moved, b, alternative="less").pvalue)


def test_student_worked_out_by_hand():
    test = student(summarize([2.0, 4.0, 6.0]), summarize([1.0, 2.0, 3.0, 4.0, 5.0]))  # squared deviations 8 and 10
    assert (test.difference, test.df) == (1, 6)
    assert test.standard_error == pytest.approx(math.sqrt(18 / 6 * (1 / 3 + 1 / 5)))


def test_paired_looks_only_at_differences():
    test = paired([10.0, 20.0, 33.0], [9.0, 18.0, 30.0])  # differences 1, 2, 3
    assert (test.t, test.df) == (pytest.approx(2 * math.sqrt(3)), 2)


def test_two_one_sided_tests_reject_both_ends_of_the_margin():
    a, b = SAMPLES[1]
    low = stats.ttest_ind(np.add(a, 1), b, equal_var=False, alternative="greater").pvalue
    high = stats.ttest_ind(np.subtract(a, 1), b, equal_var=False, alternative="less").pvalue
    assert welch(summarize(a), summarize(b)).p_within(1) == pytest.approx(max(low, high))


def test_outside_no_margin_is_the_two_sided_test():
    a, b = SAMPLES[0]
    test = welch(summarize(a), summarize(b))
    assert test.p_outside(0) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert test.p_outside(2) > test.p_outside(0)


# Both without spread, or with less of it than rounding to whole rows of 12 leaves: 100 / 12 / √12 = 2.41 points.
ALIKE = [((3.0, 0.0, 4), (2.0, 0.0, 4)), ((97.2, 2.40, 20, 2.41), (50.0, 0.0, 3, 2.41))]


@pytest.mark.parametrize(("a", "b"), ALIKE)
@pytest.mark.parametrize("test", [welch, student])
def test_samples_that_do_not_vary_leave_every_question_open(test, a, b):
    found = test(Summary(*a), Summary(*b))
    assert {found.p_above(0.5), found.p_below(1.5), found.p_within(99), found.p_outside(0.1), found.p_differs()} == {1}
    assert found.interval() == (-math.inf, math.inf)
    assert not found.varies
    assert found.df == a[2] + b[2] - 2
    assert math.isnan(Summary(*a).half_interval())


# 90.1 - 88.0 and 91.2 - 89.1 differ by 1.4e-14, to the rounding of floats of this size.
EQUAL_DIFFERENCES = [([90.0, 92.0], [88.0, 90.0]), ([90.1, 91.2, 90.7], [88.0, 89.1, 88.6])]


@pytest.mark.parametrize("pairs", EQUAL_DIFFERENCES)
def test_pairs_that_differ_by_the_same_leave_every_question_open(pairs):
    found = paired(*pairs)
    assert (found.difference, found.p_differs(), found.p_within(99)) == (pytest.approx(2, abs=0.11), 1, 1)


@pytest.mark.parametrize(("rounding", "varies"), [(0.70, True), (0.71, False)])
def test_a_difference_of_rounded_values_has_root_two_times_their_rounding(rounding, varies):
    assert paired([10.0, 20.0, 33.0], [9.0, 18.0, 30.0], rounding).varies == varies  # differences 1, 2, 3 deviate by 1


def test_an_error_is_never_smaller_than_that_of_rounding():
    """An accuracy on 12 rows: its rounding has a variance of (100 / 12)² / 12, uniform within a step."""
    exact, coarse = Summary(100.0, 0.0, 3, 100 / 12 / math.sqrt(12)), Summary(80.0, 10.0, 3, 100 / 12 / math.sqrt(12))
    test = welch(exact, coarse)
    variances = (100 / 12) ** 2 / 12, 10.0**2
    assert test.standard_error == pytest.approx(math.sqrt(sum(variances) / 3))
    assert test.p_differs() == pytest.approx(
        stats.ttest_ind_from_stats(100, math.sqrt(variances[0]), 3, 80, 10, 3, equal_var=False).pvalue
    )


def test_splits_that_share_training_rows_widen_the_error():
    """Nadeau and Bengio 2003: (1 / n + n_test / n_train) times the variance of the runs, in place of 1 / n."""
    a, b = [91.0, 93.0, 96.0], [90.0, 90.5, 90.0]
    wider = math.sqrt((1 / 3 + 3 / 7) / (1 / 3))
    one, other = (summarize(values, overlap=3 / 7) for values in (a, b))
    assert welch(one, other).t == pytest.approx(stats.ttest_ind(a, b, equal_var=False).statistic / wider)
    assert paired(a, b, overlap=3 / 7).t == pytest.approx(stats.ttest_rel(a, b).statistic / wider)
    assert one.half_interval() == pytest.approx(summarize(a).half_interval() * wider)


@given(samples, samples)
def test_swapping_the_samples_flips_the_sign_and_nothing_else(a, b):
    one, other = welch(summarize(a), summarize(b)), welch(summarize(b), summarize(a))
    assert one.difference == -other.difference
    assert (one.p_differs(), one.p_within(1), one.p_outside(1)) == pytest.approx(
        (other.p_differs(), other.p_within(1), other.p_outside(1))
    )
    assert one.p_above(1) == pytest.approx(other.p_below(-1))
    assert one.interval() == pytest.approx(tuple(-end for end in reversed(other.interval())))


@given(samples, samples, st.floats(0.1, 20))
def test_never_both_within_and_outside_a_margin(a, b, margin):
    test = welch(summarize(a), summarize(b))
    assert max(test.p_within(margin), test.p_outside(margin)) >= 0.5


@pytest.mark.parametrize("spreads", [(1.0, 1.0), (2.0, 0.5)])
def test_equivalence_is_wrongly_shown_in_five_percent_at_the_margin_itself(spreads):
    random = np.random.default_rng(5)
    studies = [(random.normal(3, spreads[0], 20), random.normal(0, spreads[1], 20)) for _ in range(1000)]
    tests = [welch(summarize(a), summarize(b)) for a, b in studies]
    assert 0.03 < np.mean([test.p_within(3) < 0.05 for test in tests]) < 0.07
    assert 0.01 < np.mean([test.p_outside(3) < 0.05 for test in tests]) < 0.05  # one of its two halves can be wrong


def test_spread_is_the_incomplete_beta_function():
    a, b, ratio = Summary(0, 5.0, 8), Summary(0, 1.5, 5), 2.0
    f = (5 / 1.5 / 2) ** 2
    more, less = spread_p(a, b, ratio)
    assert more == pytest.approx(special.betainc(2, 3.5, 4 / (4 + 7 * f)))
    assert less == pytest.approx(1 - more)


def test_spread_is_wrongly_shown_in_five_percent_at_the_ratio_itself():
    random = np.random.default_rng(6)
    studies = [(random.normal(0, 2, 6), random.normal(9, 1, 12)) for _ in range(1500)]
    p = np.array([spread_p(summarize(a), summarize(b), 2) for a, b in studies])
    assert ((p < 0.05).mean(axis=0) > 0.033).all()
    assert ((p < 0.05).mean(axis=0) < 0.067).all()


def test_a_spread_below_that_of_rounding_is_not_known_to_be_smaller():
    for a, b in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
        assert spread_p(Summary(0, a, 3), Summary(0, b, 3), 2) == (1, 1)
    assert spread_p(Summary(0, 9.0, 30, 0.3), Summary(0, 0.29, 30, 0.3), 2) == (1, 1)
    assert spread_p(Summary(0, 9.0, 30, 0.3), Summary(0, 0.31, 30, 0.3), 2)[0] < 1e-9


@pytest.mark.parametrize(
    ("ends", "text"),
    [((0.1, 0.3), "+0.10, +0.30"), ((-0.001, 0.002), "-0.001, +0.002"), ((1.0, 1.00001), "+1.00000, +1.00001")],
)
def test_the_ends_of_an_interval_are_never_printed_as_one_number(ends, text):
    assert interval_text(*ends, ", ", "+") == text


def test_holm_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_test_of_bonferronis(p):
    """A hypothesis falls only if every set that holds it falls, by Bonferroni's test of that set."""
    indices = range(len(p))
    sets = [s for size in indices for s in itertools.combinations(indices, size + 1)]
    closed = [max(min(1, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in indices]
    assert holm(p) == pytest.approx(closed)


def test_holm_keeps_any_false_alarm_to_five_percent_of_families():
    random = np.random.default_rng(7)
    shared = random.normal(size=(3000, 1))  # the ten true hypotheses are correlated, the three false ones are obvious
    p = stats.norm.sf(0.5 * shared + math.sqrt(0.75) * random.normal(size=(3000, 10)))
    families = np.hstack([p, random.uniform(0, 1e-6, (3000, 3))])
    corrected = np.array([holm(family) for family in families])
    assert (corrected[:, 10:] < 0.05).all()
    assert 0.02 < (corrected[:, :10].min(axis=1) < 0.05).mean() < 0.06
    assert (families[:, :10].min(axis=1) < 0.05).mean() > 0.2  # without the correction


@pytest.mark.parametrize("test", [welch, student, lambda a, b: spread_p(a, b, 2)])
def test_two_values_of_each_are_needed(test):
    with pytest.raises(ValueError, match="at least two values of each, got 1 and 2"):
        test(Summary(1, math.nan, 1), Summary(1, 1, 2))


def test_pairs_need_partners():
    with pytest.raises(ValueError, match="got 3 and 2 values"):
        paired([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least two values of each, got 1 and 1"):
        paired([1.0], [2.0])


def test_t_of_nothing():
    assert math.isnan(TTest(0.0, 0.0, 4).t)
    assert TTest(0.0, 0.0, 4).interval() == (-math.inf, math.inf)
