"""The same system on one machine: AWS emulator, managed login, gateway, instance as processes.

The router and the daemon call the emulator through boto3 and do not know that it is local.
`demo` and `ask` are the commands; both start `stack`. Others use these, with `options`, `choices`,
`models`, `ports`, `console` and `errors`.
"""
