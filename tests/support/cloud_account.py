"""An AWS account as the deploy tool meets it: what the emulator lacks, and an image in it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aistratus_operator.cloud.aws import Account
from aistratus_operator.errors import OperatorError

# From a request's body (of a GET: its path) to the answer's status, type and text.
Answer = Callable[[bytes], tuple[int, str, str]]


@contextmanager
def scripted(answer: Answer) -> Iterator[str]:
    """The address of a service that answers each request with a function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(self.path.encode())

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, asked: bytes) -> None:
            status, kind, text = answer(asked)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Quotas:
    """Service Quotas with EC2's quotas, which the emulator lacks: vCPUs by code."""

    url: str = ""
    vcpus: dict[str, float] = field(default_factory=dict)

    def answer(self, body: bytes) -> tuple[int, str, str]:
        code = json.loads(body)["QuotaCode"]
        document: dict[str, Any] = {"__type": "AccessDeniedException", "Message": "Not for you."}
        if code in self.vcpus:
            document = {"Quota": {"QuotaCode": code, "Value": self.vcpus[code]}}
        return (
            200 if code in self.vcpus else 400,
            "application/x-amz-json-1.1",
            json.dumps(document),
        )


@contextmanager
def quotas_server() -> Iterator[Quotas]:
    """Quotas that a test can set."""
    quotas = Quotas()
    with scripted(quotas.answer) as quotas.url:
        yield quotas


@dataclass
class Concurrency:
    """Lambda's limits of an account, which the emulator lacks, and what functions reserve.

    Source: Lambda API Reference, GetAccountSettings and GetFunctionConcurrency.
    """

    limit: int
    reserved: dict[str, int] = field(default_factory=dict)
    may_look: bool = True

    def answer(self, path: bytes) -> tuple[int, str, str]:
        asked = path.decode()
        document: dict[str, Any] = {}
        if not self.may_look:
            return 403, "application/json", '{"Type": "User", "Message": "Not for you."}'
        if asked.endswith("/account-settings"):
            unreserved = self.limit - sum(self.reserved.values())
            document["AccountLimit"] = {
                "ConcurrentExecutions": self.limit,
                "UnreservedConcurrentExecutions": unreserved,
            }
        else:
            name = asked.split("/")[-2]
            if name in self.reserved:
                document["ReservedConcurrentExecutions"] = self.reserved[name]
        return 200, "application/json", json.dumps(document)


def refusing(code: str) -> Answer:
    """STS, saying no in its own way."""
    return lambda _: (
        403,
        "text/xml",
        f"<ErrorResponse><Error><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>",
    )


def refusal(call: Callable[[], object]) -> str:
    """What is said; it is made of sentences, and has a next step."""
    with pytest.raises(OperatorError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 500
    return text


def make_image(account: Account, architecture: str = "x86_64", **tags: str) -> str:
    """A new image in the account's region; the tags are those of our template."""
    ec2 = account.client("ec2")
    base = ec2.describe_images(
        Owners=["amazon"], Filters=[{"Name": "architecture", "Values": [architecture]}]
    )["Images"][0]["ImageId"]
    started = ec2.run_instances(ImageId=base, MinCount=1, MaxCount=1)["Instances"][0]
    said = [{"Key": f"aistratus:{name}", "Value": value} for name, value in tags.items()]
    made = ec2.create_image(
        InstanceId=started["InstanceId"],
        Name="worker",
        TagSpecifications=[{"ResourceType": "image", "Tags": said}] if said else [],
    )
    ec2.terminate_instances(InstanceIds=[started["InstanceId"]])
    return str(made["ImageId"])
