"""API Gateway's HTTP API and Lambda, on loopback.

`authorizer` checks tokens, `events` turns requests into payload format 2.0 and results into
answers, `function` keeps the function's execution environments, `api` is the HTTP in front.
"""
