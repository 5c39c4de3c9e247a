"""Compiles llama.cpp's kernels for one kind of NVIDIA card, on a machine that needs no card."""
