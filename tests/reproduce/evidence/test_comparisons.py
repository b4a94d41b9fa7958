import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinydist.analysis.statistics import Summary
from tinydist.reproduce.evidence.comparisons import Above, MoreSpread, NeverDead, Reaches, UsuallyDead, Within
from tinydist.reproduce.evidence.decisions import p_text

means, spreads = st.floats(0, 100), st.floats(0.01, 20)


@given(means, spreads, means, spreads)
def test_swapping_the_models_of_above_swaps_for_and_against(runs, mean_a, sd_a, mean_b, sd_b):
    results = {"ReLU": runs(mean_a, sd_a, 4), "Abs": runs(mean_b, sd_b, 6)}
    one, other = Above("ReLU", "Abs", 0).examine(results), Above("Abs", "ReLU", 0).examine(results)
    assert (one.for_it, one.against_it) == pytest.approx((other.against_it, other.for_it))


@given(means, spreads, means, spreads)
def test_within_does_not_care_for_the_order(runs, mean_a, sd_a, mean_b, sd_b):
    results = {"ReLU": runs(mean_a, sd_a, 4), "Abs": runs(mean_b, sd_b, 6)}
    one, other = Within("ReLU", "Abs", 1).examine(results), Within("Abs", "ReLU", 1).examine(results)
    assert (one.for_it, one.against_it) == pytest.approx((other.for_it, other.against_it))


@given(means, spreads, means, spreads, st.integers(2, 10))
def test_what_few_runs_show_more_runs_of_the_same_mean_and_spread_show_more_surely(runs, mean_a, sd_a, mean_b, sd_b, n):
    few, more = ({"ReLU": runs(mean_a, sd_a, k), "Abs": runs(mean_b, sd_b, k)} for k in (n, 2 * n))
    for comparison in (Above("ReLU", "Abs", 1), Within("ReLU", "Abs", 1), MoreSpread("ReLU", "Abs", 2)):
        for side in ("for_it", "against_it"):
            p_few, p_more = (getattr(comparison.examine(results), side) for results in (few, more))
            assert p_few >= 0.05 or p_more <= p_few * (1 + 1e-9)


def test_above_is_welchs_test_moved_by_the_size(runs):
    a, b = runs(95, 0.5, 5), runs(83, 3, 7)
    welch = stats.ttest_ind([x - 10 for x in a.accuracies], b.accuracies, equal_var=False, alternative="greater")
    finding = Above("ReLU", "ReLU2", 10).examine({"ReLU": a, "ReLU2": b})
    assert finding.for_it == pytest.approx(welch.pvalue)
    assert finding.against_it == pytest.approx(1 - welch.pvalue)


def test_the_numbers_are_difference_interval_effect_size_runs_and_plain_tests(runs):
    results = {"ReLU": runs(95, 0.5, 5), "Abs": runs(94, 0.5, 5)}
    welch = stats.ttest_ind(results["ReLU"].accuracies, results["Abs"].accuracies, equal_var=False)
    by_seed = stats.ttest_rel(results["ReLU"].accuracies, results["Abs"].accuracies)
    low, high = welch.confidence_interval(0.95)
    assert Within("ReLU", "Abs", 1).examine(results).numbers == (
        f"+1.00, 95% [{low:+.2f}, {high:+.2f}], d 2.0, n 5 and 5; "
        f"not 0: Welch p {welch.pvalue:.2g}, paired by seed p {by_seed.pvalue:.2g}"
    )


@pytest.mark.parametrize(("mean", "d"), [(94.96, "0.0"), (95.04, "0.0"), (95.06, "-0.1"), (93.84, "1.2")])
def test_an_effect_size_has_one_decimal_and_no_negative_zero(runs, mean, d):
    numbers = Above("ReLU", "Abs", 0).examine({"ReLU": runs(95, 1, 5), "Abs": runs(mean, 1, 5)}).numbers
    assert f", d {d}, n 5 and 5;" in numbers


def test_runs_that_do_not_vary_have_a_difference_and_no_more(runs):
    results = {"ReLU": runs(95, 0, 3), "Abs": runs(94.5, 0, 4)}
    assert Above("ReLU", "Abs", 0).examine(results).numbers == (
        "+0.50, no interval, as the runs do not vary by more than rounding, n 3 and 4"
    )
    shifted = replace(runs(95, 1, 3), accuracies=(90.0, 92.0, 91.0)), replace(runs(94, 1, 3), accuracies=(89, 91, 90))
    numbers = Above("ReLU", "Abs", 0).examine(dict(zip(("ReLU", "Abs"), shifted, strict=True))).numbers
    assert numbers.endswith(", paired by seed always the same")


@pytest.mark.parametrize("coarse", ["ReLU", "Abs"])
@pytest.mark.parametrize("changes", [{"rounding": 0.4}, {"overlap": 0.5}])
def test_pairs_are_as_uncertain_as_the_less_certain_of_the_two(runs, coarse, changes):
    """Differences of 0 and 1 deviate by 0.548, less than √2 times 0.4; an overlap of 1 / 2 counts 5 pairs as 10 / 7."""
    given = {"ReLU": (91.0, 91.0, 91.0, 93.0, 93.0), "Abs": (90.0, 91.0, 90.0, 92.0, 93.0)}
    results = {model: replace(runs(0, 1, 5), accuracies=accuracies) for model, accuracies in given.items()}
    results[coarse] = replace(results[coarse], **changes)
    by_seed = Above("ReLU", "Abs", 0).examine(results).numbers.split("paired by seed ")[1]
    t = stats.ttest_rel(given["ReLU"], given["Abs"]).statistic * math.sqrt(1 / 5 / (1 / 5 + 1 / 2))
    assert by_seed == ("always the same" if "rounding" in changes else f"p {2 * stats.t.sf(t, 4):.2g}")


@pytest.mark.parametrize("seeds", [(0, 1, 2, 3), (0, 1, 2, 3, 9)])
def test_runs_of_different_seeds_are_not_paired(runs, seeds):
    other = replace(runs(94, 1, len(seeds)), seeds=seeds)
    assert "paired" not in Within("ReLU", "Abs", 1).examine({"ReLU": runs(95, 1, 5), "Abs": other}).numbers


def test_pairs_are_made_by_seed_not_by_order(runs):
    a, b = runs(95, 1, 6), runs(94, 1, 6)
    shuffled = replace(b, accuracies=b.accuracies[::-1], seeds=b.seeds[::-1])
    numbers = [Within("ReLU", "Abs", 1).examine({"ReLU": a, "Abs": other}).numbers for other in (b, shuffled)]
    assert numbers[0] == numbers[1]


def test_a_published_number_is_reached_within_its_margin(runs):
    reaches = Reaches("Abs-L2", Summary(97.61, 0.07, 20), 0.5)
    a = runs(97.5, 0.1, 20)
    high, low = (
        stats.ttest_ind_from_stats(97.5 + 0.5, 0.1, 20, 97.61, 0.07, 20, equal_var=False, alternative=side)
        for side in ("greater", "less")
    )
    finding = reaches.examine({"Abs-L2": a})
    assert (finding.for_it, finding.against_it) == (pytest.approx(high.pvalue), pytest.approx(min(1, 2 * low.pvalue)))
    error = math.sqrt((0.1**2 + 0.07**2) / 20)
    df = 19 * (0.1**2 + 0.07**2) ** 2 / (0.1**4 + 0.07**4)
    ends = (f"{-0.11 + sign * stats.t.ppf(0.975, df) * error:+.2f}" for sign in (-1, 1))
    assert finding.numbers == f"97.50 ± 0.10, -0.11, 95% [{', '.join(ends)}], n 20"
    assert str(reaches) == "Abs-L2 within 0.5 points of the published 97.61 ± 0.07"
    failed = reaches.examine({"Abs-L2": replace(a, failed=1)})  # which counts as guessing: 93.3% on average
    assert failed.for_it > 0.5
    assert failed.numbers == f"{finding.numbers}; 1 of 21 runs of Abs-L2 failed, which counts against it"
    assert reaches.examine({"Abs-L2": replace(a, failed=30)}).against_it < 0.01


def test_more_spread_is_the_f_test_of_the_wider_over_the_narrower(runs):
    results = {"Abs2-Neg": runs(90, 2.5, 6), "Abs": runs(95, 0.5, 4)}
    finding = MoreSpread("Abs2-Neg", "Abs", 2).examine(results)
    assert finding.for_it == pytest.approx(stats.f.sf((2.5 / 0.5 / 2) ** 2, 5, 3))
    assert finding.against_it == pytest.approx(1 - finding.for_it)
    assert finding.numbers == "2.50 and 0.50 points, n 6 and 4"
    for alike in results:
        none = MoreSpread("Abs2-Neg", "Abs", 2).examine(results | {alike: replace(results[alike], rounding=3.0)})
        assert (none.for_it, none.against_it) == (1, 1)
        assert none.numbers == "2.50 and 0.50 points, n 6 and 4; too small to tell from rounding"


@pytest.mark.parametrize(("dead", "for_it", "against_it"), [([6, 7, 8], 1 / 8, 1), ([0, 0, 1, 0], 15 / 16, 5 / 16)])
def test_usually_dead_counts_runs_like_tosses_of_a_coin(runs, dead, for_it, against_it):
    finding = UsuallyDead("ReLU2").examine({"ReLU2": runs(50, 1, len(dead), dead=dead)})
    assert (finding.for_it, finding.against_it) == pytest.approx((for_it, against_it))


def test_usually_dead_shows_the_share_of_runs_and_of_outputs(runs):
    three = replace(runs(50, 1, 3, dead=[6, 7, 8]), below_1=(7, 7, 8), below_5=(8, 8, 8))
    assert UsuallyDead("ReLU2").examine({"ReLU2": three}).numbers == (
        "3 of 3 runs, 95% [29%, 100%]; "  # the lower end is 0.025 ** (1 / 3)
        "of all outputs 70% dead, 73% active on < 1% of the training rows, 80% on < 5%"
    )


def test_never_dead_needs_many_runs_and_no_exception(runs):
    three = {model: runs(90, 1, 20) for model in ("Abs", "Abs2", "Abs2-Neg")}
    finding = NeverDead(tuple(three)).examine(three)
    assert (finding.for_it, finding.against_it) == (pytest.approx(0.9**60), 1)
    for layer in ("dead", "dead_hidden"):
        exception = three | {"Abs2": runs(90, 1, 20, **{layer: [0] * 19 + [1]})}
        finding = NeverDead(tuple(three)).examine(exception)
        assert (finding.for_it, finding.against_it) == (1, 0)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Above("ReLU", "ReLU2", 10), "ReLU more than 10 points above ReLU2"),
        (Above("Abs", "Abs2-Neg", 1.0), "Abs more than 1 point above Abs2-Neg"),
        (Above("Abs-L2", "ReLU", 0), "Abs-L2 above ReLU"),
        (Above("ReLU-L2", "ReLU", -10), "ReLU-L2 less than 10 points below ReLU"),
        (Within("Abs2", "Abs", 1.0), "Abs2 within 1 point of Abs"),
        (
            MoreSpread("Abs2-Neg", "Abs", 2.0),
            "standard deviation of Abs2-Neg more than 2 times that of Abs",
        ),
        (UsuallyDead("ReLU2"), "a dead output in more than half of all runs of ReLU2"),
        (
            NeverDead(("Abs", "Abs2")),
            "no dead hidden unit or output in Abs, Abs2 (in fewer than 1 run in 10)",
        ),
    ],
)
def test_a_comparison_says_what_it_compares(comparison, words):
    assert str(comparison) == words


@pytest.mark.parametrize(
    ("p", "text"), [(0.04321, "0.043"), (1.0, "1"), (0.00099, "0.00099"), (1e-4, "0.0001"), (3e-7, "< 0.0001")]
)
def test_p_values_in_two_digits(p, text):
    assert p_text(p) == text
