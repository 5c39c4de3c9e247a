"""AWS on loopback: moto behind real HTTP, made strict where tests of fencing would pass falsely.

`queues` and `tables` replace the two central backends; `server` is the HTTP server in front of
moto. The rest (SSM, Cognito's user pool) is moto's own.
"""

from aistratus_local.emulator.server import EmulatorServer, serve

__all__ = ["EmulatorServer", "serve"]
