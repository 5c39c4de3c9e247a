"""DynamoDB and SQS in memory, as strict as AWS: for the router's tests, its bench, the simulation.

`tests/doubles` holds them equal to the emulator, which is moto's work and so another opinion.
"""
