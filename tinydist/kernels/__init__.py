"""Array kernels: the one place from which the ops take their hot loops.

Kernels work on plain arrays and keep no state. Each numba kernel has a NumPy twin of the same signature,
slower or hungrier but obvious, which serves as reading material and as the oracle in tests. Which of the
two the ops use is decided in this file and nowhere else:

* ``matmul`` is NumPy's, because the BLAS library behind it is faster than our loop on dense matrices;
* the weighted squares are numba's, because NumPy needs a (batch, features) temporary for every centre.
"""

from tinydist.kernels.dense import matmul_numpy as matmul
from tinydist.kernels.distance import weighted_squares_numba as weighted_squares
from tinydist.kernels.distance import weighted_squares_vjp_center_numba as weighted_squares_vjp_center
from tinydist.kernels.distance import weighted_squares_vjp_weight_numba as weighted_squares_vjp_weight
from tinydist.kernels.distance import weighted_squares_vjp_x_numba as weighted_squares_vjp_x

__all__ = [
    "matmul",
    "weighted_squares",
    "weighted_squares_vjp_center",
    "weighted_squares_vjp_weight",
    "weighted_squares_vjp_x",
]
