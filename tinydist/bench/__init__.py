"""Benchmarks of the kernels and of whole epochs, beside NumPy and, where it is installed, PyTorch."""
