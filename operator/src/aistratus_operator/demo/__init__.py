"""The system on this machine: a question to it, a token of it, and the end of its instance.

`ask`, `token` and `interrupt` are commands; `running` finds the demo for `redrive`.
"""
