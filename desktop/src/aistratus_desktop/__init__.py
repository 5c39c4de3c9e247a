"""The Aistratus chat, and the one gateway client that it shares with the command line.

Read it from the wire inwards: `gateway` talks to the API, `signin` and `tokens` get and keep
what it needs for that, `state` holds what the person sees and can do, `components` draw it.
`web`, `main` and `ask` are the three ways in: a browser, a native window, a terminal.
"""

__version__ = "0.1.0"
