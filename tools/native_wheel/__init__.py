"""Builds the wheels of llama-cpp-python that a release offers, and pins those of a release."""
