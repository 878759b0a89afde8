"""The CUDA backend: persistent kernels for NVIDIA GPUs, one launch for a whole sequence."""
