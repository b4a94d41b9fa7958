"""Whether the numbers that decide still move, on curves of which it is known."""

import math
from dataclasses import replace

import pytest

from tinydist.analysis.statistics import Summary
from tinydist.reproduce.evidence import course as courses
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.comparisons import Above, MoreSpread, NeverDead, Reaches, UsuallyDead, Within
from tinydist.reproduce.evidence.course import Before, course
from tinydist.reproduce.evidence.outcomes import curve_of
from tinydist.training import Measurement

ACTIVE = (1.0,) * 10


@pytest.fixture
def run(record):
    """Make the record of a run whose test accuracy goes along a curve, by epoch."""

    def make(model, seed, accuracies, epochs=100, dead=None, **changes):
        curve = tuple(
            Measurement(epoch, 1.0, 90.0, accuracy + seed / 10, (dead or {}).get(epoch, 0), 0, ACTIVE)
            for epoch, accuracy in accuracies.items()
        )
        changes = {"train_size": 60_000, "epochs": epochs} | changes
        return replace(record(model, seed, **changes), curve=curve)

    return make


def halfway(runs):
    return courses.halfway([curve_of(run) for run in runs if run.status == "ok"], runs[0].config.setting)


def test_the_runs_halfway_are_those_at_the_last_epoch_up_to_the_half_that_all_were_measured_at(run):
    one = run("ReLU", 0, {0: 10, 10: 50, 40: 80, 50: 85, 60: 88, 100: 90})
    other = run("ReLU", 1, {0: 10, 10: 51, 40: 81, 60: 88, 100: 90})
    before = halfway([one, other])
    assert before.epoch == 40
    assert before.results["ReLU"].accuracies == (80, 81.1)
    assert halfway([one]).epoch == 50


@pytest.mark.parametrize("epochs", [{0: 10, 100: 90}, {0: 10, 60: 80, 100: 90}, {0: 10, 24: 50, 100: 90}])
def test_runs_without_a_measurement_in_the_second_quarter_have_no_course(run, epochs):
    assert halfway([run("ReLU", 0, epochs)]) is None


def test_failed_runs_have_no_course(record):
    assert halfway([record("ReLU", 0, status="diverged")]) is None


def of(runs, **means):
    return {name.replace("_", "-"): runs(mean, 1, 5) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("then", "now", "moves"),
    [
        (-9.0, -5.0, True),  # 4 points a doubling, and one is enough
        (-5.0, -5.0, False),
        (-5.2, -5.0, False),  # 0.2 a doubling, and 4 points to go: twenty doublings
        (-4.0, -5.0, False),  # it moves away
        (-6.0, -5.0, True),  # 1 point a doubling, 4 points to go, 4.32 doublings
        (-5.9, -5.0, False),
        (0.2, 0.6, True),  # out of the margin again
    ],
)
def test_a_difference_moves_if_it_would_pass_its_size_before_the_papers_last_epoch(runs, then, now, moves):
    """From 250 epochs to 5,000 it is log2(20), or 4.32, doublings."""
    before = Before(125, of(runs, ReLU2_Neg=90 + then, ReLU=90))
    results = of(runs, ReLU2_Neg=90 + now, ReLU=90)
    found = course(Within("ReLU2-Neg", "ReLU", 1), results, before, 250, 5_000)
    assert found.moves == moves
    word = "still moves, and could turn before epoch 5,000" if moves else "has come to rest"
    numbers = f"{then:.3g} after 125 epochs, {now:.3g} after 250"
    assert found.words == f"{word}: ReLU2-Neg within 1 point of ReLU: {numbers}"
    above = course(Above("ReLU2-Neg", "ReLU", -1), results, before, 250, 5_000)
    assert above.moves == (moves and now < 0)


def test_the_pace_is_that_of_a_doubling_wherever_the_earlier_measurement_was(runs):
    """From -9 to -6 over two doublings: 1.5 each, and log2(5,000 / 400), or 3.6, are left: to -0.5."""
    found = course(
        Within("Abs", "ReLU", 1), of(runs, Abs=84, ReLU=90), Before(100, of(runs, Abs=81, ReLU=90)), 400, 5_000
    )
    assert found.moves
    assert -6 + 1.5 * math.log2(5_000 / 400) > -1 > -6 + 1.5 * math.log2(2_000 / 400) - 1


def test_each_kind_of_comparison_has_a_number_that_can_pass_its_size(runs):
    dead = {"Abs": runs(90, 1, 4, dead=[1, 1, 0, 0])}
    none = {"Abs": runs(90, 1, 4)}
    most = {"Abs": runs(90, 1, 4, dead=[1, 1, 1, 0])}
    assert UsuallyDead("Abs").quantity(most) == 0.75
    assert NeverDead(("Abs",)).quantity(dead) == 2
    assert NeverDead(("Abs",)).quantity(none) == 0
    assert course(UsuallyDead("Abs"), most, Before(50, none), 100, 5_000).moves is False
    assert course(UsuallyDead("Abs"), {"Abs": runs(90, 1, 4, dead=[1, 0, 0, 0])}, Before(50, none), 100, 800).moves
    assert course(NeverDead(("Abs",)), none, Before(50, dead), 100, 5_000).moves is False
    assert Reaches("Abs", Summary(92, 1, 20), 0.5).quantity(none) == pytest.approx(-2)
    spread = MoreSpread("ReLU", "Abs", 2)
    assert spread.quantity({"ReLU": runs(50, 6, 5), "Abs": runs(90, 2, 5)}) == pytest.approx(3)
    still = {"ReLU": runs(50, 6, 5), "Abs": runs(90, 0, 5)}
    assert math.isnan(spread.quantity(still))
    assert course(spread, still, Before(50, still), 100, 5_000) is None


def test_what_is_not_known_of_all_runs_at_both_times_has_no_course(runs):
    now = {"ReLU": runs(90, 1, 4), "ReLU2": runs(40, 1, 4)}
    above, dead = Above("ReLU", "ReLU2", 10), UsuallyDead("ReLU2")
    assert course(above, now, Before(50, now), 100, 5_000)
    assert course(dead, now, Before(50, now), 100, 5_000)
    fewer = now | {"ReLU2": runs(30, 1, 3)}
    uncounted = now | {"ReLU2": replace(now["ReLU2"], dead_outputs=None)}
    failed = now | {"ReLU2": replace(now["ReLU2"], failed=1)}
    for comparison, results, before in (
        (above, now, fewer),
        (above, now, {"ReLU": now["ReLU"]}),
        (above, failed, now),
        (dead, now, uncounted),
        (dead, uncounted, now),
    ):
        assert course(comparison, results, Before(50, before), 100, 5_000) is None


def test_a_number_that_is_just_where_its_statement_turns_may_move(runs):
    """Dead in 2 of 8 runs, then in 4: more than half is not shown yet, and is, if it goes on so."""
    then, now = ({"ReLU2": runs(50, 1, 8, dead=[1] * n + [0] * (8 - n))} for n in (2, 4))
    assert course(UsuallyDead("ReLU2"), now, Before(50, then), 100, 5_000).moves
    assert not course(UsuallyDead("ReLU2"), now, Before(50, now), 100, 5_000).moves


def falling_behind(run, **changes):
    """Runs in which ReLU2-Neg catches up with ReLU by 4 points a doubling, and Abs has come to rest."""
    curves = {"ReLU": {0: 10, 50: 90, 100: 91}, "ReLU2": {0: 10, 50: 40, 100: 41}, "Abs": {0: 10, 50: 80, 100: 81}}
    curves["ReLU2-Neg"] = {0: 10, 50: 80, 100: 85}
    return [run(model, seed, curve, **changes) for model, curve in curves.items() for seed in range(5)]


def test_a_verdict_on_fewer_epochs_says_what_still_moves(run):
    (judged,) = ledger.judged(falling_behind(run)).values()
    verdicts = {verdict.claim.number: verdict for verdict in judged}
    assert (verdicts["3b"].result, verdicts["3b"].moves) == ("did not hold", True)
    assert (verdicts["1"].result, verdicts["1"].moves) == ("did not hold", False)
    assert (verdicts["2a"].result, verdicts["2a"].moves) == ("held", False)
    (found,) = verdicts["3b"].courses
    assert found.words.startswith("still moves, and could turn before epoch 5,000: ReLU2-Neg within 1 point of ReLU: ")
    assert found.words.endswith(": -10 after 50 epochs, -6 after 100")


@pytest.mark.parametrize("changes", [{"lr": 0.01}, {"dataset": "fashion-mnist"}])
def test_only_a_reduced_protocol_is_on_its_way_to_the_papers(run, changes):
    (judged,) = ledger.judged(falling_behind(run, **changes)).values()
    assert not any(verdict.courses for verdict in judged)


def test_at_the_papers_last_epoch_nothing_is_left_to_move(run):
    (judged,) = ledger.judged(falling_behind(run, epochs=5_000)).values()
    about_more = {verdict.claim.protocol.epochs for verdict in judged if verdict.courses}
    assert about_more <= {50_000}


def test_a_table_has_no_learning_curves_and_no_course(published, run):
    setting = falling_behind(run)[0].config.setting
    assert not any(verdict.courses for verdict in ledger.verdicts(published(), setting))


def test_what_does_not_arise_moves_with_what_it_presupposes(run):
    """ReLU2 falls from 4 points behind to 8, at 100 of 5,000 epochs: it may fail yet."""
    curves = {
        "ReLU": {0: 10, 50: 90, 100: 90},
        "ReLU2": {0: 10, 50: 86, 100: 82},
        "ReLU2-Neg": {0: 10, 50: 90, 100: 90},
    }
    (judged,) = ledger.judged([run(m, seed, curve) for m, curve in curves.items() for seed in range(9)]).values()
    verdicts = {verdict.claim.number: verdict for verdict in judged}
    assert (verdicts["2a"].result, verdicts["3a"].result) == ("did not hold", "does not arise")
    assert verdicts["2a"].moves
    assert verdicts["3a"].moves
