"""The worker: from a message in the queue to an event log that readers can trust.

Read `consumer` (which job is next), `fair_share` (which user is next), `job_run` (one job from its
first event to its last) and `job_log` (what of it is committed), `conversation` (what the model
reads), `store` (the fenced event log), `jobs_queue` (SQS) and `engine_client` (the other end of
the engine's socket). Beside them, `heartbeat` tells the fleet that this worker lives, and
`metrics` tells CloudWatch what the engine counts.
"""
