"""What a training step, a node and an import cost, beside NumPy by hand and the other frameworks.

`python -m benchmarks` from the repository's root; `pip install -e '.[bench]'` brings the other frameworks.
Every contender gets one thread: on two threads a small matrix product measures the scheduler. The libraries read
these variables when they are loaded, so they are set here, before any file of this folder imports NumPy.
"""

import os

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NPROC": "1",  # the size of XLA's pool; with XLA_FLAGS alone a product of two matrices still ran on every core
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}

os.environ.update(ONE_THREAD)
