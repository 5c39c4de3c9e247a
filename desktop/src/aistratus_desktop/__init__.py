"""The Aistratus chat, and the one gateway client that it shares with the command line.

From the wire inwards: `gateway` calls the API, `signin` and `tokens` get and keep the tokens for
it, `state` holds what the person sees and can do, `components` draw it. `web`, `main` and `ask`
are the three front ends: a browser, a native window, a terminal.
"""

__version__ = "0.1.0"
