"""The engine's benchmark: `PYTHONPATH=bench python -m engine_bench`.

It measures the engine beside its alternatives, on the same machine, in the same minutes:
`contenders` are what is measured, each in a process of its own; `scenarios` are what they are
asked; `figures`, `report` and `picture` present the results.
"""
