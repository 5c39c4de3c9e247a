"""The engine's benchmark: `PYTHONPATH=bench python -m engine_bench`.

The engine beside what else there is, on the same machine, in the same minutes: `contenders` are
what is measured, each in a process of its own; `scenarios` are what is asked of them; `figures`,
`report` and `picture` are what comes of it.
"""
