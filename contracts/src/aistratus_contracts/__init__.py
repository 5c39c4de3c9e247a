"""The contracts between the parts of Aistratus. Standard library only; imports none of our code.

The modules are the public face: `job`, `event`, `states`, `errors`, `limits`, `models`,
`known_models`, `problem`, `registry`, `lanes`, `repetitions` and `table`; `codec` turns
them into JSON.
"""
