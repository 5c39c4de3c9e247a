"""Auto Scaling's side of a termination hook: moto has no CompleteLifecycleAction.

It is as strict as AWS: the instance must be waiting in that hook of that group.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

GROUP, HOOK = "aistratus-test-workers", "drain"
_NAMESPACE = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
_DONE = (
    f'<CompleteLifecycleActionResponse xmlns="{_NAMESPACE}"><CompleteLifecycleActionResult/>'
    "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    "</CompleteLifecycleActionResponse>"
)


@dataclass
class AutoScalingStub:
    """`waiting` are the instances that the hook holds back; `look` is called at each request."""

    waiting: set[str] = field(default_factory=set)
    look: Callable[[], object] = lambda: None
    is_forbidden: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)
    url: str = ""

    def answer(self, form: dict[str, str]) -> tuple[int, str]:
        self.asked.append(form)
        self.seen.append(self.look())
        if self.is_forbidden:
            return 403, _error("AccessDenied", "The role may not do this.")
        wanted = {"Action", "Version", "LifecycleHookName", "AutoScalingGroupName"}
        if form.keys() != wanted | {"LifecycleActionResult", "InstanceId"}:
            return 400, _error("ValidationError", f"Wrong parameters: {sorted(form)}")
        if (form["Action"], form["Version"]) != ("CompleteLifecycleAction", "2011-01-01"):
            return 400, _error("InvalidAction", form["Action"])
        if form["LifecycleActionResult"] not in ("CONTINUE", "ABANDON"):
            return 400, _error("ValidationError", "The result is CONTINUE or ABANDON.")
        instance = form["InstanceId"]
        is_here = (form["AutoScalingGroupName"], form["LifecycleHookName"]) == (GROUP, HOOK)
        if not is_here or instance not in self.waiting:
            sentence = f"No active Lifecycle Action found with instance ID {instance}"
            return 400, _error("ValidationError", sentence)
        self.waiting.remove(instance)
        return 200, _DONE


def _error(code: str, message: str) -> str:
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )


@contextmanager
def running_auto_scaling() -> Iterator[AutoScalingStub]:
    """Serve the stub on a free port, for the length of a block."""
    stub = AutoScalingStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, text = stub.answer(dict(parse_qsl(self.rfile.read(length).decode())))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
