"""What owners do with jobs.

`intake` takes a prompt, `places` and `readers` limit how much one user may have, `polling` reads a
job's events, `cancelling` ends a job, `deleting` a conversation.
"""
