"""What the kernel tests share: running a kernel at several numbers of threads."""

from collections.abc import Callable, Iterator

import numba
import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture
def at_threads() -> Iterator[Callable[..., list[object]]]:
    """Run a function with one thread, then with two, both for numba and for BLAS."""
    if numba.config.NUMBA_NUM_THREADS < 2:  # type: ignore[attr-defined]  # numba sets it at run time
        pytest.skip("needs two cores")
    before = numba.get_num_threads()

    def run(function, *args):
        results = []
        for threads in (1, 2):
            numba.set_num_threads(threads)
            with threadpool_limits(threads):
                results.append(function(*args))
        return results

    yield run
    numba.set_num_threads(before)
