"""The Lambda package: the same bytes twice, small, whole, and nothing that Lambda cannot run."""

import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import build_zip
import pytest

from aistratus_router.services import SERVICES

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "router" / "build_zip.py"
MAX_BYTES = 12_000_000
ELF_MACHINES = {"aarch64": 183, "x86_64": 62}
SOURCES = sorted((ROOT / "router" / "src").rglob("*.py"))


@dataclass(frozen=True)
class Package:
    """A built zip, where it is unpacked, and a Python of the version that it is for."""

    path: Path
    folder: Path
    python: Path
    version: str

    def run(self, program: str, **environment: str) -> str:
        """Run a program with nothing but the package: no site-packages, no user's settings."""
        run = subprocess.run(
            [str(self.python), "-I", "-S", "-B", "-c", program],
            cwd=self.folder.parent,
            env={**AWS, **environment, "PACKAGE": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout


AWS = {
    "PATH": os.environ["PATH"],
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AISTRATUS_REGISTRY": "/aistratus/test",
}
HEALTH = """\
import json, os, sys
sys.path.insert(0, os.environ["PACKAGE"])
from aistratus_router.api.handler import handler

class Context:
    aws_request_id = "zip"

    def get_remaining_time_in_millis(self):
        return 1000

event = {
    "version": "2.0", "rawPath": "%s", "rawQueryString": "", "headers": {},
    "requestContext": {"stage": "$default", "http": {"method": "GET", "path": "%s"}},
    "isBase64Encoded": False,
}
answer = handler(event, Context())
import boto3, pydantic_core
print(json.dumps({"answer": answer, "from": [boto3.__file__, pydantic_core.__file__]}))
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Built for Lambda's Python, or, where there is none, for the one that runs the tests."""
    version, python = build_zip.LAMBDA_PYTHON, build_zip.find_python(build_zip.LAMBDA_PYTHON)
    if python is None:
        version, python = "{}.{}".format(*sys.version_info[:2]), Path(sys.executable)
    folder = tmp_path_factory.mktemp("package")
    build_zip.build(folder / "router.zip", version)
    with zipfile.ZipFile(folder / "router.zip") as zipped:
        zipped.extractall(folder / "unpacked")
    return Package(folder / "router.zip", folder / "unpacked", python, version)


def test_it_is_small_enough(package: Package) -> None:
    assert package.path.stat().st_size <= MAX_BYTES


def test_building_it_again_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    again = tmp_path / "another folder" / "router.zip"
    subprocess.run(
        [sys.executable, str(BUILD), str(again), "--python", package.version],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )

    assert again.read_bytes() == package.path.read_bytes()


def test_nothing_in_it_depends_on_when_or_where_it_was_built(package: Package) -> None:
    with zipfile.ZipFile(package.path) as zipped:
        entries = zipped.infolist()
        content = b"".join(zipped.read(entry) for entry in entries)

    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    for place in (str(ROOT), str(package.folder), "router-zip-"):
        assert place.encode() not in content


def test_what_nobody_needs_is_not_in_it(package: Package) -> None:
    names = zipfile.ZipFile(package.path).namelist()

    assert not [name for name in names if re.search(r"\.dist-info/|\.pth$|(^|/)tests?/", name)]
    data = {name.split("/")[2] for name in names if name.startswith("botocore/data/")}
    folders = {name for name in data if "." not in name}
    assert folders == set(SERVICES)


def test_licenses_go_along(package: Package) -> None:
    names = zipfile.ZipFile(package.path).namelist()
    licensed = {name.split("/")[1].rsplit("-", 1)[0] for name in names if "licenses/" in name}

    assert {"boto3", "botocore", "pydantic", "urllib3", "aws_lambda_powertools"} <= licensed


def test_both_architectures_are_in_it(package: Package) -> None:
    modules = {path.name: path for path in package.folder.rglob("*.so")}
    tag = package.version.replace(".", "")

    assert set(modules) == {
        f"_pydantic_core.cpython-{tag}-{architecture}-linux-gnu.so" for architecture in ELF_MACHINES
    }
    for name, path in modules.items():
        header = path.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        (machine,) = struct.unpack("<H", header[18:20])
        assert machine == next(number for key, number in ELF_MACHINES.items() if key in name)


def test_modules_are_compiled_for_lambda_which_could_not_keep_what_it_compiles(
    package: Package,
) -> None:
    tag = package.version.replace(".", "")
    for path in (package.folder / "aistratus_router").rglob("*.py"):
        compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-{tag}.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, "compiled, and trusted without a look at the source"


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
def test_it_answers_in_an_empty_interpreter(package: Package, path: str) -> None:
    last_line = package.run(HEALTH % (path, path)).splitlines()[-1]
    told: dict[str, Any] = json.loads(last_line)

    assert told["answer"]["statusCode"] == 200
    assert all(place.startswith(str(package.folder)) for place in told["from"])


def test_the_steward_starts_in_an_empty_interpreter(package: Package) -> None:
    package.run(
        "import os, sys; sys.path.insert(0, os.environ['PACKAGE']); "
        "from aistratus_router.steward.handler import handler; assert callable(handler)"
    )


def test_it_has_a_client_for_what_is_listed_and_nothing_else(package: Package) -> None:
    program = f"""\
import os, sys
sys.path.insert(0, os.environ["PACKAGE"])
import boto3
from botocore.exceptions import UnknownServiceError
session = boto3.session.Session(region_name="eu-central-1")
assert set(session.get_available_services()) == set({SERVICES!r})
for name in {SERVICES!r}:
    session.client(name)
try:
    session.client("s3")
except UnknownServiceError:
    pass
else:
    raise SystemExit("s3 is there")
"""
    package.run(program)


def test_every_client_that_the_router_makes_is_listed() -> None:
    made = {
        name
        for path in SOURCES
        for name in re.findall(r"\.client\(\s*[\"'](\w+)", path.read_text(encoding="utf-8"))
    }

    assert made == set(SERVICES)
    assert sum(path.read_text(encoding="utf-8").count(".client(") for path in SOURCES) == len(made)


def test_endpoints_are_the_same_as_with_all_of_botocore(package: Package) -> None:
    program = f"""\
import os, sys
sys.path[:0] = [os.environ["PACKAGE"]] if os.environ.get("PACKAGE") else []
import boto3
for region in ("eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1", "ap-southeast-3"):
    session = boto3.session.Session(region_name=region)
    print([session.client(name).meta.endpoint_url for name in {SERVICES!r}])
"""
    whole = subprocess.run(
        [sys.executable, "-c", program], env=AWS, capture_output=True, text=True, check=True
    )

    assert package.run(program) == whole.stdout
