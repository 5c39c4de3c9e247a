"""The table and the queues: all that outlives a call is written and read here.

`jobs`, `conversations`, `open_jobs` and `fleet` are parts of the one `table`; `job_queue` and
`dead_letters` are the queues.
"""
