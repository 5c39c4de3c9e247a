"""What callers may send and what they get.

`requests` with `formats`, `sampling_fields` and the rules of `strict`; `responses`; `problems`.
"""
