"""The suite: cells by shapes, layers, live sequences, starting, and the peers."""

import os

# Before NumPy is imported by any benchmark: the oracle's and the peers' BLAS must not fight over the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
