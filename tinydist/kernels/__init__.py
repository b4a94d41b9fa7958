"""Array kernels: the one place from which the ops take their hot loops.

Kernels work on plain arrays and keep no state. Each numba kernel has a NumPy twin of the same signature,
slower or hungrier but obvious, which serves as reading material and as the oracle in tests. Which of the
two the ops use is decided in this file and nowhere else:

* ``matmul`` is NumPy's, in reproducible pieces, because the BLAS library behind it is faster on dense matrices
  than our loop;
* the weighted squares are numba's, because NumPy needs a (batch, features) temporary for every centre;
* the products with a sparse matrix are numba's, because NumPy has none.
"""

from tinydist.kernels.dense import matmul_blas as matmul
from tinydist.kernels.distance import weighted_squares_numba as weighted_squares
from tinydist.kernels.distance import weighted_squares_vjp_center_numba as weighted_squares_vjp_center
from tinydist.kernels.distance import weighted_squares_vjp_weight_numba as weighted_squares_vjp_weight
from tinydist.kernels.distance import weighted_squares_vjp_x_numba as weighted_squares_vjp_x
from tinydist.kernels.sparse import compress, decompress
from tinydist.kernels.sparse import sparse_matmul_numba as sparse_matmul
from tinydist.kernels.sparse import sparse_matmul_summed_numba as sparse_matmul_summed

__all__ = [
    "compress",
    "decompress",
    "matmul",
    "sparse_matmul",
    "sparse_matmul_summed",
    "weighted_squares",
    "weighted_squares_vjp_center",
    "weighted_squares_vjp_weight",
    "weighted_squares_vjp_x",
]
