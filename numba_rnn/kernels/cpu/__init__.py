"""The CPU machine: SIMD kernels that Numba compiles, one for each cell, activations and dtype."""

from numba_rnn.kernels.cpu.machine import CPU

__all__ = ["CPU"]
