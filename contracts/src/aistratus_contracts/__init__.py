"""What the parts of Aistratus agree on. Standard library only; imports nothing of ours.

The modules are the public face: `job`, `event`, `states`, `errors`, `limits`, `models`,
`known_models`, `problem`, `registry`, `lanes`, `repetitions` and `table`; `codec` is how they
become JSON.
"""
