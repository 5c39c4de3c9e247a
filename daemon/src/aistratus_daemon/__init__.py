"""The two services on the instance.

`worker` has the network and no devices: it takes jobs from the queue and writes their event log.
`engine` has the model and no network: it turns prompts into tokens. Between them lies one unix
socket and the frames of `frames`.

Others start `python -m aistratus_daemon.worker` and `python -m aistratus_daemon.engine`, and speak
`frames` to the engine; all else may change.
"""
