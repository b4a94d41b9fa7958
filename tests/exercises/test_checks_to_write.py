"""The library's own versions of the exercises that are no part of it otherwise: two checks, and gradients by hand."""

from dataclasses import replace

import pytest

from tinydist import ops
from tinydist.exercises.by_hand import gradients_of_tiny_outputs
from tinydist.exercises.catalogue import catch_the_bug, catch_the_distance_bug, predict_the_gradient
from tinydist.exercises.distance_rule import assert_weighted_distance
from tinydist.exercises.judge import passes
from tinydist.exercises.relu_rule import assert_relu


@pytest.mark.parametrize("module", [catch_the_bug, catch_the_distance_bug])
def test_the_librarys_check_catches_every_planted_bug(module):
    rubric = module.RUBRIC
    assert passes(replace(rubric, library=ops.sqrt), rubric.library)


def test_the_librarys_checks_accept_the_librarys_ops():
    assert_relu(ops.relu)
    assert_weighted_distance(ops.weighted_distance)


def test_the_numbers_worked_out_by_hand_are_those_of_the_engine():
    assert predict_the_gradient.predict_the_gradient() == gradients_of_tiny_outputs()


def test_no_slip_leads_to_a_right_number():
    right = gradients_of_tiny_outputs()
    assert list(right) == list(predict_the_gradient.SLIPS)
    assert not [name for name, slips in predict_the_gradient.SLIPS.items() if right[name] in slips]
