"""What is measured. A contender opens a session: a process that answers jobs.

Sessions are fresh for every measurement, so that none profits or suffers from the one before, and
processor time and peak memory are those of the very work that was timed.
"""
