import os
import time
from pathlib import Path

import numba
import pytest

from tinydist.bench import measure


def test_candidates_take_turns_with_an_uncounted_run_before_each_counted_one():
    order = []
    timings = measure.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repetitions=3)
    assert order == ["a", "b", *["a", "a", "b", "b"] * 3]
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


def test_a_timing_shows_tenths_of_milliseconds_only_where_they_matter():
    assert str(measure.Timing.of([0.012345, 0.0124, 0.0126])) == "12.4 [12.4–12.5]"
    assert str(measure.Timing.of([1.2344])) == "1234 [1234–1234]"


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux says")
def test_available_memory_is_part_of_all_memory():
    all_memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    assert 1 < measure.available_memory() <= all_memory
