"""Workers, engines, queue and table in one thread, on a clock that a test moves.

The worker's own code runs unchanged. What is simulated is what it stands on: the event loop and
its threads, the network, SQS, DynamoDB and the engine. All that chance decides comes from one
seed, so that what happened once happens again.
"""
