"""The CUDA backend: persistent kernels for NVIDIA GPUs, one launch for a whole sequence."""

from numba_rnn.kernels.cuda.machine import CUDA

__all__ = ["CUDA"]
