"""An account to deploy to: the emulator, where AWS's own variables say that AWS is."""

from collections.abc import Iterator

import pytest

from aistratus_operator.cloud.aws import Account, sign_in
from support.cloud_account import Quotas, make_image, quotas_server
from support.emulator_process import aws_environment, running_emulator_process


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    with running_emulator_process() as url:
        yield url


@pytest.fixture(scope="session")
def _quotas() -> Iterator[Quotas]:
    with quotas_server() as quotas:
        yield quotas


@pytest.fixture
def quotas(_quotas: Quotas) -> Quotas:
    """Both are large enough, until a test says otherwise."""
    _quotas.vcpus = {"L-DB2E81BA": 8.0, "L-3819A6DF": 8.0}
    return _quotas


@pytest.fixture
def aws(emulator: str, quotas: Quotas, monkeypatch: pytest.MonkeyPatch) -> str:
    """AWS is the emulator, for this process and those that it starts."""
    for name, value in aws_environment(emulator).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", quotas.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return emulator


@pytest.fixture
def account(aws: str) -> Account:
    return sign_in("eu-central-1")


@pytest.fixture
def image_id(account: Account) -> str:
    """An image that is there."""
    return make_image(account)
