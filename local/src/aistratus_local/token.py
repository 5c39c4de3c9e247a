"""`python -m aistratus_local token`: an access token of the running demo, for curl and scripts.

The token is valid for an hour. A deployment's tokens come from its managed login, in a browser.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from aistratus_local.console import Console
from aistratus_local.errors import LocalError, Usage
from aistratus_local.options import read_options
from aistratus_local.signin import sign_in
from aistratus_local.stack import WITHOUT_PROXY
from aistratus_local.state import find_running, state_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the token alone on standard output; returns the exit code."""
    console = Console(sys.stderr)
    try:
        options = read_options("token", sys.argv[1:] if arguments is None else arguments)
        demo = find_running(state_folder(options.ports.gateway))
        if demo is None:
            console.say("No demo runs here with these ports. Start one first: make demo")
            return 1
        os.environ.update(WITHOUT_PROXY)
        tokens = asyncio.run(sign_in(demo.login_url, demo.client_id, demo.user, demo.password))
    except LocalError as error:
        console.say(str(error))
        return 2 if isinstance(error, Usage) else 1
    sys.stdout.write(f"{tokens.access_token}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
