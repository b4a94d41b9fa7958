"""Compilation, as separate processes see it."""

import os
import subprocess
import sys

import pytest

TRAIN = """
import numpy as np
from tinydist import build_model, Tensor
from tinydist.sparse import SparseMatrix
pixels = (np.arange(40 * 30) % 7 * (np.arange(40 * 30) % 3 == 0)).astype(np.uint8).reshape(40, 30)
losses = []
for x in (SparseMatrix(pixels), Tensor(pixels.astype(np.float32))):
    for name in ("ReLU", "Abs-L2"):
        model = build_model(name, in_features=30, hidden=150)
        loss = model(x).cross_entropy(np.arange(40) % 10)
        loss.backward()
        losses.append([loss.item(), *(float(np.abs(p.grad).sum()) for p in model.parameters())])
for sparse, dense in zip(losses[:2], losses[2:]):
    np.testing.assert_allclose(sparse, dense, rtol=1e-4)
"""
TRAIN_CONVOLUTION = """
images = Tensor(np.arange(3 * 36, dtype=np.float32).reshape(3, 36) % 5)
loss = build_model("Conv-ReLU", in_features=36, hidden=4)(images).cross_entropy(np.array([0, 1, 2]))
loss.backward()
assert np.isfinite(loss.item())
"""
COUNT_MISSES = """
import numba
from tinydist.kernels import dense, distance, elementwise, loss, rows
functions = [f for m in (dense, distance, elementwise, loss, rows) for f in vars(m).values() if hasattr(f, "stats")]
for counts in ("cache_misses", "cache_hits"):
    print(sum(sum(getattr(f.stats, counts).values()) for f in functions))
"""


def start(program, **environment):
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    shown, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    return shown


def test_everything_runs_without_compiling():
    finish(start(TRAIN + TRAIN_CONVOLUTION, NUMBA_DISABLE_JIT="1"))


def test_processes_compile_side_by_side_and_the_next_one_compiles_nothing(tmp_path):
    first = [start(TRAIN + COUNT_MISSES, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert all(int(finish(process).split()[0]) >= 0 for process in first)
    misses, hits = map(int, finish(start(TRAIN + COUNT_MISSES, NUMBA_CACHE_DIR=str(tmp_path))).split())
    assert misses == 0
    assert hits > 0


def test_where_nothing_can_be_written_it_works_and_says_so_once():
    nowhere = "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
    catch = "import warnings; warnings.simplefilter('error')\n"
    with pytest.raises(AssertionError, match="set NUMBA_CACHE_DIR to a folder that can be written"):
        finish(start(nowhere + catch + "import tinydist.kernels"))
    finish(start(nowhere + "import warnings; warnings.simplefilter('ignore')\n" + TRAIN))


def test_importing_compiles_nothing(tmp_path):
    finish(start("from tinydist import *", NUMBA_CACHE_DIR=str(tmp_path)))
    assert not list(tmp_path.rglob("*.nb?"))


SUMS = """
import numpy as np
from tinydist.kernels import chunks, distance
rng = np.random.default_rng(0)
x, center, u = (rng.normal(size=shape).astype(np.float32) for shape in ((90, 128), (10, 128), (90, 10)))
distance.weighted_squares_vjp_weight_numba(u, x, center)  # may sum in any order, and is the first to call sum_chunks
partial = rng.normal(size=(64, 3, 128)).astype(np.float32)
in_order = partial[0].copy()
for chunk in partial[1:]:
    in_order += chunk
np.testing.assert_array_equal(chunks.sum_chunks(partial), in_order)
"""


def test_a_kernel_takes_no_liberties_from_the_one_that_calls_it_first(tmp_path):
    finish(start(SUMS, NUMBA_CACHE_DIR=str(tmp_path)))
