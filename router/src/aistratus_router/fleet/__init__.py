"""The instances: whether they are wanted, what they do, and the decisions about them.

`control` is for the API, `round` for the steward, and `group` is the Auto Scaling group that both
act on. `shortage` says why AWS gave no instance.
"""
