"""Workers, engines, queue and table in one thread, on a clock that a test moves.

The worker's own code runs unchanged. What is simulated is what it runs on: the event loop and its
threads, the network, SQS, DynamoDB and the engine. All randomness comes from one seed, so that a
run can be repeated exactly.
"""
