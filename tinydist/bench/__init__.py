"""How fast the kernels and whole epochs are, beside NumPy's and, where installed, PyTorch's."""
