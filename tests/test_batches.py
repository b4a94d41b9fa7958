import numpy as np
import pytest

from tinydist.batches import FULL_BATCH, MEASURED_ROWS, Batching
from tinydist.sparse import SparseMatrix

X = np.arange(22, dtype=np.float32).reshape(11, 2)
Y = np.arange(11)


def rows_of(chunks):
    return [labels.tolist() for _, labels in chunks]


def test_a_full_batch_is_one_step_with_all_rows_as_they_are():
    ((chunk,),) = (list(step) for step in FULL_BATCH.steps(X, Y, epoch=3))
    assert chunk[0] is X
    assert chunk[1] is Y
    assert FULL_BATCH.steps_an_epoch(11) == 1


@pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 3]), (11, [11]), (100, [11]), (1, [1] * 11)])
def test_every_epoch_uses_every_row_once_together_with_its_label(size, sizes):
    batching = Batching(batch_size=size, seed=1)
    steps = [list(step) for step in batching.steps(X, Y, epoch=0)]
    assert [len(labels) for ((_, labels),) in steps] == sizes
    assert batching.steps_an_epoch(11) == len(sizes)
    assert sorted(label for ((_, labels),) in steps for label in labels) == Y.tolist()
    for ((x, labels),) in steps:
        np.testing.assert_array_equal(x, X[labels])


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return [rows_of(step) for step in Batching(batch_size=4, seed=seed).steps(X, Y, epoch)]

    assert order(1, 5) == order(1, 5)
    assert order(1, 5) != order(1, 6)
    assert order(1, 5) != order(2, 5)


def test_chunks_of_a_full_batch_stay_in_order_and_are_one_step():
    batching = Batching(chunk_size=4)
    (step,) = batching.steps(X, Y, epoch=7)
    assert rows_of(step) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert batching.steps_an_epoch(11) == 1
    assert rows_of(batching.measured(X, Y)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_between_mini_batches_all_rows_are_measured_in_order():
    y = np.arange(MEASURED_ROWS + 1)
    x = np.zeros((len(y), 1), dtype=np.float32)
    assert [len(rows) for rows in rows_of(Batching(batch_size=2).measured(x, y))] == [MEASURED_ROWS, 1]


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"chunk_size": -1}])
def test_sizes_are_positive(sizes):
    with pytest.raises(ValueError, match=f"{next(iter(sizes))} must be a positive number of rows"):
        Batching(**sizes)


def test_a_batch_has_no_chunks():
    with pytest.raises(ValueError, match="batch_size for many steps an epoch, chunk_size for one step"):
        Batching(batch_size=2, chunk_size=2)


@pytest.mark.parametrize("batching", [Batching(batch_size=2), Batching(chunk_size=2)])
def test_sparse_rows_are_not_cut_and_the_error_says_how_to_load_them(batching):
    x = SparseMatrix(np.ones((11, 2), dtype=np.uint8))
    with pytest.raises(ValueError, match="layout='dense'"):
        list(next(iter(batching.steps(x, Y, epoch=0))))
