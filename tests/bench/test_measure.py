import time

import numba
import pytest

from tinydist.bench import measure


def test_candidates_take_turns_after_one_uncounted_run_each():
    order = []
    timings = measure.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repetitions=3)
    assert order == ["a", "b"] * 4
    assert set(timings) == {"a", "b"}


def test_a_timing_is_in_milliseconds_with_its_spread():
    timing = measure.interleaved({"nap": lambda: time.sleep(0.01)}, repetitions=5)["nap"]
    assert timing.median >= 10
    assert timing.low <= timing.median <= timing.high


def test_threads_are_set_and_restored():
    before = numba.get_num_threads()
    with measure.threads(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before
    with pytest.raises(ValueError, match="1 to"), measure.threads(before + 1):
        pass
