"""What is measured. A contender opens a session: a process that answers jobs.

Every measurement has a fresh session, so that none profits or suffers from the one before it, and
CPU time and peak memory are those of the very work that was timed.
"""
