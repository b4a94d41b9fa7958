"""Compilation, as separate processes see it."""

import importlib.util
import os
import subprocess
import sys

import pytest
from numba.core.caching import IndexDataCacheFile

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


def test_everything_runs_without_compiling(watching):
    """And is watched: what numba has compiled cannot be."""
    finish(start(TRAIN + TRAIN_CONVOLUTION, NUMBA_DISABLE_JIT="1", **watching))


LOOPS = """
import hashlib
import numpy as np
from tinydist.kernels import conv, dense, distance, elementwise, loss, narrow, sparse
rng = np.random.default_rng(0)


def whole(*shape):
    return rng.integers(-9, 10, shape).astype(np.float32)


digest = hashlib.sha256()  # of results that are rounded, as tenths are not exact


def tenth(array):
    return array / np.float32(10) if getattr(array, "dtype", None) == np.float32 else array


def same(module, name, *arrays):
    by_loops, by_numpy = (getattr(module, f"{name}_{kind}")(*arrays) for kind in ("numba", "numpy"))
    np.testing.assert_allclose(by_loops, by_numpy, rtol=1e-5, atol=1e-5)
    digest.update(getattr(module, f"{name}_numba")(*map(tenth, arrays)).tobytes())


pixels = (rng.integers(0, 256, (3, 300)) * (rng.random((3, 300)) < 0.3)).astype(np.uint8)
same(sparse, "sparse_matmul", sparse.compress(pixels), whole(300, 150), whole(150))
same(sparse, "sparse_matmul_summed", sparse.compress(pixels), whole(300, 150))
x, g, weight = whole(70, 20), whole(70, 3), whole(3, 20)
same(narrow, "narrow_linear", x, weight)
same(narrow, "narrow_vjp_x", g, weight)
same(narrow, "narrow_vjp_weight", g, x)
same(dense, "matmul", g, weight)
same(dense, "column_sums", x)
same(distance, "weighted_squares", x, weight, abs(weight))
same(distance, "weighted_squares_vjp_x", g, x, weight, abs(weight))
same(distance, "weighted_squares_vjp_center", g, x, weight, abs(weight))
same(distance, "weighted_squares_vjp_weight", g, x, weight)
images, kernel, bias = whole(2, 2, 6, 5), whole(3, 2, 3, 2), whole(3)
same(conv, "conv2d", images, kernel, bias, 1)
same(conv, "conv2d_vjp_x", whole(2, 3, 4, 4), kernel, images.shape, 1)
same(conv, "conv2d_vjp_weight", whole(2, 3, 4, 4), images, kernel.shape, 1)
same(conv, "max_pool2d", images, 2)
same(conv, "max_pool2d_vjp", whole(2, 2, 3, 2), images, conv.max_pool2d_numpy(images, 2), 2)
same(conv, "avg_pool2d", images, 2)
same(conv, "avg_pool2d_vjp", whole(2, 2, 3, 2), images.shape, 2)
for kind in (0, 1):
    labels = np.arange(70, dtype=np.uint8) % 3
    losses = loss.softmax_cross_entropy_numba, loss.softmax_cross_entropy_numpy
    by_loops, by_numpy = (function(g, labels)[kind] for function in losses)
    np.testing.assert_allclose(by_loops, by_numpy, rtol=1e-5, atol=1e-6)
    digest.update(by_loops.tobytes())
flat = whole(100)
one, two = (flat,), (flat + 1, flat)
for name, arrays in {"relu": one, "abs": one, "relu_vjp": two, "abs_vjp": two}.items():
    outs = [np.empty_like(flat) for _ in range(2)]
    for out, kind in zip(outs, ("numba", "numpy")):
        getattr(elementwise, f"{name}_{kind}")(*arrays, out)
    np.testing.assert_array_equal(*outs)
print(digest.hexdigest())
"""


def test_every_loop_is_right_without_compiling(watching):
    finish(start(LOOPS, NUMBA_DISABLE_JIT="1", **watching))


def test_every_loop_is_right_and_the_same_to_the_bit_in_a_process_with_one_thread_and_with_two():
    assert len({finish(start(LOOPS, NUMBA_NUM_THREADS=threads)) for threads in "12"}) == 1


SHARED = """
import numpy as np
from numba import prange
from tinydist.kernels.jit import kernel

@kernel(parallel=True)
def fill(x):
    for i in prange(len(x)):
        x[i] = i

x = np.empty(9)
fill(x)
assert x.tolist() == list(range(9))
print(fill.targetoptions["parallel"], sum(fill.stats.cache_hits.values()))
"""


def test_processes_with_one_thread_keep_plain_loops_which_others_do_not_load(tmp_path):
    source = tmp_path / "shared.py"
    source.write_text(SHARED)
    run = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shared"
    shown = [finish(start(run, NUMBA_NUM_THREADS=threads)).split() for threads in "1212"]
    assert shown == [["False", "0"], ["True", "0"], ["False", "1"], ["True", "1"]]


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


PROBE = """
from tinydist.kernels.jit import kernel

@kernel()
def twice(x):
    return 2 * x
"""


def hits_of_the_probe(path):
    """Call a kernel that is defined in this file, and return how often its machine code was found on disk."""
    spec = importlib.util.spec_from_file_location("probe", path)
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    assert probe.twice(1.5) == 3
    return sum(probe.twice.stats.cache_hits.values())


def damages(content):
    """What may become of a file: nothing is left, or a part; more is added; any byte changes; it is another file."""
    changed = [bytearray(content) for _ in range(6)]
    for k, copy in enumerate(changed):
        copy[(len(copy) - 1) * k // 5] ^= 1
    return [b"", content[: len(content) // 2], content[:-1], content + b"x", b"not a cache", *changed]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_file_of_compiled_code_is_replaced(kind, tmp_path):
    source = tmp_path / "probe.py"
    source.write_text(PROBE)
    assert [hits_of_the_probe(source) for _ in range(2)] == [0, 1]
    (kept,) = tmp_path.rglob(f"*.{kind}")
    for damaged in damages(kept.read_bytes()):
        kept.write_bytes(damaged)
        assert [hits_of_the_probe(source) for _ in range(2)] == [0, 1]


def test_a_folder_that_cannot_be_written_any_more_costs_time_only(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only file system")

    source = tmp_path / "probe.py"
    source.write_text(PROBE)
    monkeypatch.setattr(IndexDataCacheFile, "save", refuse)
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder that can be written"):
        hits_of_the_probe(source)


def test_another_numba_costs_the_checksums_only(tmp_path):
    other = "import sys; sys.modules['tinydist.kernels.cache'] = None  # as if one of the names there were missing\n"
    hits = "from tinydist.kernels import elementwise; print(sum(elementwise.relu_numba.stats.cache_hits.values()))\n"
    use = "import numpy as np; from tinydist import Tensor; Tensor(np.ones(2**16)).relu()\n"
    assert [int(finish(start(other + use + hits, NUMBA_CACHE_DIR=str(tmp_path)))) for _ in range(2)] == [0, 1]


FORK = """
import os
import warnings
import numpy as np
from tinydist import kernels
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # the fork is the point
x = np.ones((300, 300), dtype=np.float32)


def in_a_child(function):
    child = os.fork()
    if not child:
        try:
            function(x)
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


in_a_child(kernels.relu)
kernels.relu(x)
in_a_child(lambda x: (kernels.matmul(x, x), kernels.relu(x[:2])))
in_a_child(kernels.relu)
in_a_child(lambda _: in_a_child(kernels.absolute))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, where numba uses GNU's OpenMP")
@pytest.mark.parametrize(("layer", "refusals"), [("omp", 2), ("workqueue", 0)])
def test_a_fork_that_has_lost_the_threads_says_so_instead_of_dying(layer, refusals):
    shown = finish(start(FORK, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")).splitlines()
    assert len(shown) == refusals
    assert all("forked" in line and 'multiprocessing.get_context("spawn") or "forkserver"' in line for line in shown)
