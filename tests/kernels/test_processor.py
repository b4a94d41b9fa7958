"""What numba makes of the kernels where there is AVX2 alone: vector instructions in every loop, and the same bits."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from tinydist.kernels import processor, rows, sparse

HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}

COMPILE = """
import os
import re
import numpy as np
from tinydist.kernels import conv, dense, distance, elementwise, narrow, processor, rows, sparse

assert (processor.INSTRUCTIONS, processor.REGISTER) == ("AVX2", 32)
PACKED = {  # instructions on eight float32
    (elementwise, "relu_numba"): "cmp..?ps|cmpnleps|maxps",
    (elementwise, "relu_vjp_numba"): "cmp...?ps|blendvps",
    (elementwise, "abs_numba"): "andps",
    (elementwise, "abs_vjp_numba"): "cmp..ps|blendvps",
    (dense, "_column_terms"): "addps",
    (distance, "weighted_squares_numba"): "fmadd...ps",
    (distance, "_weighted_squares_vjp_x"): "fmadd...ps",
    (distance, "_center_terms"): "fmadd...ps",
    (distance, "_weight_terms"): "fmadd...ps",
    (conv, "_conv2d"): "fmadd...ps",
    (conv, "_conv2d_vjp_x"): "fmadd...ps",
    (conv, "_conv2d_vjp_weight"): "fmadd...ps",
    (conv, "_max_pool2d_vjp"): "cmpeqps",
    (rows, "narrow_product"): "fmadd...ps",
}
SUMS_IN_REGISTERS = ("sparse_product", "sparse_product_summed", "dense_product", "narrow_product_summed")

rng = np.random.default_rng(0)


def random(*shape):
    return rng.normal(size=shape).astype(np.float32)


large, x, weight, y = random(40_000), random(3, 1, 8, 8), random(2, 1, 3, 3), random(3, 2, 6, 6)
pooled = x[:, :, ::2, ::2].copy()
batch, few, u = random(70, 130), random(10, 130), random(70, 10)
for name, count in (("relu", 2), ("relu_vjp", 3), ("abs", 2), ("abs_vjp", 3)):
    getattr(elementwise, f"{name}_numba")(*[large] * count)
dense.column_sums_numba(batch)
dense.matmul_blocked_numba(batch, batch.T)
distance.weighted_squares_numba(batch, few, few)
distance.weighted_squares_vjp_x_numba(u, batch, few, few)
distance.weighted_squares_vjp_center_numba(u, batch, few, few)
distance.weighted_squares_vjp_weight_numba(u, batch, few)
conv.conv2d_numba(x, weight, random(2), 1)
conv.conv2d_vjp_x_numba(y, weight, x.shape, 1)
conv.conv2d_vjp_weight_numba(y, x, weight.shape, 1)
conv.max_pool2d_vjp_numba(pooled, x, pooled, 2)
narrow.narrow_linear_numba(batch, few)
narrow.narrow_vjp_weight_numba(u, batch)


def instructions(module, name, which):
    kernel = getattr(module, name)
    code = kernel.inspect_asm(kernel.signatures[0])
    return [line for line in code.splitlines() if re.search(rf"\\bv({which})\\s.*%ymm", line)]


pixels = rng.integers(0, 2, (200, 300)).astype(np.uint8) * rng.integers(0, 256, (200, 300)).astype(np.uint8)
blocks, matrix, start = sparse.compress(pixels), random(300, 150), random(150)
product = sparse.sparse_matmul_numba(blocks, matrix, start)
summed = sparse.sparse_matmul_summed_numba(blocks, matrix)
unrolled = 2 if os.environ["NUMBA_NUM_THREADS"] == "1" else 4  # steps of a loop, at the least
for (module, name), which in PACKED.items():
    assert len(instructions(module, name, which)) >= unrolled, name
for name in SUMS_IN_REGISTERS:
    found = instructions(rows, name, "fmadd231ps")
    assert len(found) == rows.SUMS, (name, found)
    assert len({line.split("%ymm")[-1] for line in found}) == rows.SUMS, (name, found)  # one register for each sum
    assert all("(%" in line for line in found), (name, found)  # the other factor comes straight from memory
np.savez("products.npz", pixels=pixels, matrix=matrix, start=start, product=product, summed=summed)
"""


@pytest.mark.skipif(processor.INSTRUCTIONS not in ("AVX2", "AVX-512"), reason="this processor has no AVX2")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_kernels_compiled_for_avx2_use_its_vectors_and_give_the_same_bits(threads, tmp_path):
    environment = os.environ | HASWELL | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": threads}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, cwd=tmp_path, check=True, timeout=300)
    there = np.load(tmp_path / "products.npz")
    blocks = sparse.compress(there["pixels"])
    here = sparse.sparse_matmul_numba(blocks, there["matrix"], there["start"])
    np.testing.assert_array_equal(here, there["product"], strict=True)
    summed = sparse.sparse_matmul_summed_numba(blocks, there["matrix"])
    np.testing.assert_array_equal(summed, there["summed"], strict=True)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX is of x86-64")
@pytest.mark.parametrize(
    ("features", "name", "size"),
    [("+avx512f,+avx2,+avx", "AVX-512", 64), ("+avx2,-avx512f,+avx", "AVX2", 32), ("", "none known", 16)],
)
def test_registers_are_those_of_the_instructions_that_numba_compiles_for(features, name, size):
    code = "from tinydist.kernels import processor as p; print(p.INSTRUCTIONS, p.REGISTER)"
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.split() == [*name.split(), str(size)]


@pytest.mark.parametrize(
    ("features", "named"),
    [
        ("+avx,-avx2", ("AVX", 32)),
        ("+avx2,+avx512fp16,-avx512f", ("AVX2", 32)),  # another feature whose name begins alike
        ("+fp-armv8,+neon", ("NEON", 16)),
    ],
)
def test_registers_of_older_and_of_other_processors(features, named, monkeypatch):
    monkeypatch.setattr(processor.config, "CPU_FEATURES", features)
    assert processor._instructions() == named


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX is of x86-64")
def test_registers_are_those_of_numba_where_it_is_to_do_without_avx():
    code = "from tinydist.kernels import processor as p; print(p.INSTRUCTIONS, p.REGISTER)"
    printed = subprocess.check_output(
        [sys.executable, "-c", code], env=os.environ | {"NUMBA_ENABLE_AVX": "0"}, text=True
    )
    assert printed == "none known 16\n"


def test_an_offset_fits_a_byte_and_a_block_the_caches():
    assert rows.BLOCK <= 256
    assert rows.BLOCK * rows.SUMS * 32 < 32 * 1024  # AVX2, first cache
    assert rows.BLOCK * rows.TILE < 64 * 1024
