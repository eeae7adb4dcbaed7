"""Kernels that we write ourselves: their sources, which need no GPU, and how CuPy compiles and runs them. Floor 0."""
