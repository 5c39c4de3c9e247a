"""The system on this machine: a question to it, and the end of its instance.

`ask` and `interrupt` are commands; `running` finds the demo for `redrive`.
"""
