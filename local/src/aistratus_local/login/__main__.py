"""`python -m aistratus_local.login --port 8552 --pool-id …`: the managed login until SIGTERM.

`AISTRATUS_DEMO_USER` and `AISTRATUS_DEMO_PASSWORD` prefill the sign-in page, which says so.
"""

import argparse
import logging
import os
import signal
import sys
import threading

# OAuth may go without TLS on loopback only; Authlib requires this variable for it.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import boto3
from werkzeug.serving import WSGIRequestHandler, make_server

from aistratus_local.login.app import LoginSettings, create_app
from aistratus_local.login.pool import UserPool


class _Quiet(WSGIRequestHandler):
    """Logs no requests: their URLs contain authorization codes."""

    def log_request(self, *_: object, **__: object) -> None:
        return


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="aistratus_local.login")
    parser.add_argument("--port", type=int, default=8552)
    parser.add_argument("--pool-id", required=True)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    settings = LoginSettings(
        url=f"http://127.0.0.1:{chosen.port}",
        pool_id=chosen.pool_id,
        demo_user=os.environ.get("AISTRATUS_DEMO_USER", ""),
        demo_password=os.environ.get("AISTRATUS_DEMO_PASSWORD", ""),
    )
    app = create_app(settings, UserPool(boto3.client("cognito-idp"), chosen.pool_id))
    server = make_server("127.0.0.1", chosen.port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop, which runs in this thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"ready {settings.url}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
