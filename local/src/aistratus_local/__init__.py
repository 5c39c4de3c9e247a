"""The same system on one machine: AWS emulator, managed login, gateway, instance as processes.

Everything the router and the daemon do goes over boto3 to the emulator; nothing in them knows
that it is local. `demo` and `ask` are what a person runs; `stack` is what both start.
"""
