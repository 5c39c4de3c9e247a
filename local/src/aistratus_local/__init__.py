"""The same system on one machine: AWS emulator, managed login, gateway, instance as processes.

The router and the daemon call the emulator through boto3 and do not know that it is local.
`demo` starts `stack` and waits for its end. The operator's commands use both, with `options`,
`choices`, `models`, `ports`, `state`, `signin`, `endings`, `provision`, `console` and `errors`.
"""
