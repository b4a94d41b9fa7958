from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinydist.kernels import memory

SHAPE = (memory.LARGE // 4, 2)


@pytest.fixture(autouse=True)
def empty_pool(monkeypatch):
    monkeypatch.setattr(memory, "_buffers", [])


def test_a_large_array_nobody_holds_is_handed_out_again():
    first = memory.empty(SHAPE, np.float32)
    address = first.ctypes.data
    del first
    assert memory.empty(SHAPE, np.float32).ctypes.data == address


def test_a_buffer_is_kept_for_arrays_of_its_own_size():
    for extra in (1, 0):
        memory.empty((memory.LARGE + extra,), np.uint8)
    assert len(memory._buffers) == 2


def test_only_an_array_that_is_large_is_kept():
    memory.empty((memory.LARGE - 1,), np.uint8)
    memory.aligned_empty((memory.LARGE - 1,), np.uint8)
    assert memory._buffers == []
    memory.aligned_empty((memory.LARGE,), np.uint8)
    assert len(memory._buffers) == 1


@pytest.mark.parametrize("hold", [lambda a: a, lambda a: a[1:], lambda a: a.T, lambda a: a.reshape(-1), memoryview])
def test_an_array_somebody_holds_is_not_even_through_a_view(hold):
    first = memory.empty(SHAPE, np.float32)
    first[...] = 7
    held = hold(first)
    del first
    second = memory.empty(SHAPE, np.float32)
    second[...] = 8
    assert (np.asarray(held) == 7).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_shape_dtype_and_alignment(dtype):
    for shape in [SHAPE, (3,), (0, 4), (), (1000, 1000)]:
        array = memory.empty(shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        if array.nbytes >= memory.LARGE:
            assert array.ctypes.data % 64 == 0


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 4 * memory.LARGE)
    for extra in range(20):
        memory.empty((memory.LARGE + extra,), np.uint8)
    assert sum(buffer.size for buffer in memory._buffers) <= 6 * memory.LARGE + 1000
    sizes = [buffer.size - memory.LARGE for buffer in memory._buffers]
    assert sizes == [64 + extra for extra in range(20)][-len(sizes) :]  # the oldest were freed


@pytest.mark.parametrize(("short", "left"), [(0, 3), (1, 2)])
def test_a_buffer_is_freed_once_those_unused_exceed_what_is_kept_by_a_byte(short, left, monkeypatch):
    for extra in (0, 1):
        memory.empty((memory.LARGE + extra,), np.uint8)
    monkeypatch.setattr(memory, "KEPT", sum(buffer.size for buffer in memory._buffers) - short)
    memory.empty((memory.LARGE + 2,), np.uint8)
    assert len(memory._buffers) == left


def test_threads_never_share_a_buffer():
    def fill_and_look(number):
        array = memory.empty(SHAPE, np.float64)
        array[...] = number
        return (array == number).all()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(fill_and_look, range(400)))


@pytest.mark.parametrize("shape", [(1,), (3, 5), SHAPE])
def test_aligned_memory_starts_at_a_cache_line(shape):
    arrays = [memory.aligned_empty(shape, np.float32) for _ in range(5)]
    for number, array in enumerate(arrays):
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0
        array[...] = number
    assert all((array == number).all() for number, array in enumerate(arrays))
