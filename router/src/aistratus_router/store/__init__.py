"""The table and the queues: all that outlives a call is written and read here."""
