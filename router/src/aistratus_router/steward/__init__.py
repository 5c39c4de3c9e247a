"""The steward: it finishes what others left undone.

`handler` is its Lambda's entry, `sweep` one run; `redelivery` is also for the operator.
"""
