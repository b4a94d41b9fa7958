"""Whether two programs agree, on runs of which it is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tinydist.reproduce.evidence.agreement import agreements


def test_means_agree_within_half_a_point_by_two_one_sided_tests(runs):
    ours, theirs = runs(95.3, 0.2, 5), runs(95.4, 0.2, 20)
    (found,) = agreements({"ReLU": ours}, {"ReLU": theirs})
    assert found.word == "agree"
    test = stats.ttest_ind(ours.accuracies, theirs.accuracies, equal_var=False)
    low, high = test.confidence_interval(0.95)
    assert found.numbers == f"-0.10 [{low:+.2f}, {high:+.2f}]"
    assert (str(found.one), str(found.other)) == ("95.30 ± 0.20", "95.40 ± 0.20")


@pytest.mark.parametrize(("mean", "word"), [(95.3, "agree"), (95.0, "open"), (94.5, "differ"), (96.3, "differ")])
def test_means_further_apart_do_not(runs, mean, word):
    (found,) = agreements({"ReLU": runs(mean, 0.2, 6)}, {"ReLU": runs(95.4, 0.2, 20)})
    assert found.word == word


def test_where_the_runs_are_too_far_apart_the_distributions_are_compared(runs):
    ours, theirs = runs(47, 12, 3, dead=[1] * 3), runs(46, 20, 20, dead=[1] * 20)
    (found,) = agreements({"ReLU2": ours}, {"ReLU2": theirs})
    p = stats.ks_2samp(ours.accuracies, theirs.accuracies).pvalue
    assert found.word == "no difference found"
    assert found.numbers == f"distributions, p {p:.2g}"
    (found,) = agreements({"ReLU2": runs(90, 12, 12)}, {"ReLU2": theirs})
    assert found.word == "differ"


def test_only_models_with_two_runs_of_each_program_are_compared(runs):
    ours = {"ReLU": runs(95, 0, 1), "Abs": runs(95, 0.2, 2), "ReLU2": runs(50, 20, 20)}
    theirs = {"ReLU": runs(95, 0.2, 20), "Abs": runs(95, 0.2, 20), "Abs2": runs(95, 0.2, 20)}
    assert [found.model for found in agreements(ours, theirs)] == ["Abs"]


@pytest.mark.parametrize(("ours", "theirs"), [((95, 95), (96, 96)), ((95, 95, 95), (94.9, 94.9, 94.9))])
def test_runs_that_do_not_vary_are_not_found_to_differ(runs, ours, theirs):
    one, other = (replace(runs(0, 0, len(a)), accuracies=a) for a in (ours, theirs))
    (found,) = agreements({"ReLU": one}, {"ReLU": other})
    assert (found.word, found.numbers) == ("no difference found", "no test fits")


def test_ties_and_few_runs_show_no_more_than_a_permutation_would(runs):
    """Of three and three runs the most that can be seen has a probability of 2 in 20 if they are alike."""
    one, other = (replace(runs(0, 1, 3), accuracies=a) for a in ((10.0, 95.0, 96.0), (10.0, 10.0, 10.0)))
    (found,) = agreements({"ReLU": one}, {"ReLU": other})
    assert found.word == "no difference found"


def test_means_of_splits_that_overlap_are_as_uncertain_as_everywhere(runs):
    """By Nadeau and Bengio the error of eight runs with an overlap of 1 / 4 is √(1 + 8 / 4), or 1.7, times as large."""
    words = []
    for overlap in (0, 0.25):
        one, other = (replace(runs(mean, 0.3, 8), overlap=overlap) for mean in (90.9, 90.0))
        words.append(agreements({"ReLU": one}, {"ReLU": other})[0].word)
    assert words == ["differ", "open"]


def test_failed_runs_count_as_guessing(runs):
    ours = replace(runs(95.4, 0.2, 10), failed=10)
    (found,) = agreements({"ReLU": ours}, {"ReLU": runs(95.4, 0.2, 20)})
    assert found.word == "differ"
    assert str(found.one).startswith("52.70")


def test_programs_that_do_the_same_are_hardly_ever_found_to_differ(runs):
    random = np.random.default_rng(1)
    wrong = agreeing = 0
    for _ in range(60):
        programs = [
            {
                model: replace(runs(0, 1, n), accuracies=tuple(random.normal(90, sd, n).tolist()))
                for model, sd in (("ReLU", 0.2), ("Abs", 0.2), ("ReLU2", 20), ("Abs2-Neg", 2.5))
            }
            for n in (3, 20)
        ]
        words = [found.word for found in agreements(*programs)]
        wrong += "differ" in words
        agreeing += words.count("agree")
    assert wrong <= 6
    assert agreeing > 30
