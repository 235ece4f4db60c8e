"""What NumPy users look for under np.linalg, gathered under the same names; it holds no code of its own."""

from .ops.factor import cholesky, det, inv, slogdet, solve
from .ops.linalg import matmul, outer
from .ops.norms import cond, lstsq, matrix_norm, matrix_power, matrix_rank, multi_dot, norm, pinv, vector_norm
from .ops.norms import matrix_trace as trace
from .ops.products import cross, tensordot, vecdot
from .ops.spectral import eigh, eigvalsh, qr, svd, svdvals

__all__ = ["cholesky", "cond", "cross", "det", "eigh", "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm",
           "matrix_power", "matrix_rank", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd",
           "svdvals", "tensordot", "trace", "vecdot", "vector_norm"]
