"""Prints an access token of the running demo, for curl and scripts.

A deployment's tokens come from its managed login, in a browser.
"""

import asyncio
import os
import sys

from aistratus_local.environment import WITHOUT_PROXY
from aistratus_local.signin import sign_in
from aistratus_local.state import find_running, state_folder
from aistratus_operator.errors import OperatorError


def print_token(gateway_port: int) -> int:
    """Print the token alone on standard output; returns the exit code.

    Raises `OperatorError` if no demo runs with that port, and `LocalError` if it does not answer.
    """
    demo = find_running(state_folder(gateway_port))
    if demo is None:
        raise OperatorError("No demo runs here with these ports. Start one first: make demo")
    os.environ.update(WITHOUT_PROXY)
    tokens = asyncio.run(sign_in(demo.login_url, demo.client_id, demo.user, demo.password))
    sys.stdout.write(f"{tokens.access_token}\n")
    return 0
