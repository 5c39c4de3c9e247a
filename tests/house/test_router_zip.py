"""The zip runs on its own: no path to this tree, nothing but Python beside it."""

import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from housekeeping import ROOT, router_zip

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python{HERE}"

SCRIPT = """
import sys, types
sys.path.insert(0, sys.argv[1])
import aistratus_router, boto3, pydantic
from aistratus_router.handler import handler
from aistratus_router.steward import handler as steward
for module in (aistratus_router, boto3, pydantic):
    assert module.__file__.startswith(sys.argv[1]), module
reply = handler(
    {
        "version": "2.0", "routeKey": "GET /health", "rawPath": "/health", "rawQueryString": "",
        "headers": {}, "isBase64Encoded": False,
        "requestContext": {
            "stage": "$default", "requestId": "1", "routeKey": "GET /health",
            "http": {"method": "GET", "path": "/health", "sourceIp": "127.0.0.1"},
        },
    },
    types.SimpleNamespace(aws_request_id="1"),
)
print(reply["statusCode"], reply["body"])
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for this machine's own processor and Python, so that it can be run here."""
    target = tmp_path_factory.mktemp("zip") / "router.zip"
    return router_zip.pack(target=target, architecture=platform.machine(), python_version=HERE)


def test_it_answers_in_an_empty_interpreter(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [BASE_PYTHON, "-I", "-S", "-c", SCRIPT, tmp_path],
        env={
            "AISTRATUS_REGISTRY": "/aistratus/test",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("200 ")


def test_it_has_no_path_of_this_machine(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.endswith((".pth", "direct_url.json", ".pyc"))]
        own = [name for name in names if name.startswith("aistratus_")]
        held = b"".join(archive.read(name) for name in own)
    assert str(ROOT).encode() not in held
    assert {name.split("/")[0] for name in own if ".dist-info" not in name} == {
        "aistratus_contracts",
        "aistratus_router",
    }


def test_the_same_tree_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    again = router_zip.pack(
        target=tmp_path / "again.zip", architecture=platform.machine(), python_version=HERE
    )
    assert again.read_bytes() == packed.read_bytes()
