"""The two services on the instance.

`worker` has the network and no devices: it takes jobs from the queue and writes their event log.
`engine` has the model and no network: it turns prompts into tokens. Between them lies one unix
socket and the frames of `frames`.
"""
