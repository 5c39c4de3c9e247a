"""The ids come from the registry: in one call, kept for a minute, and an outage is survived."""

import io
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from aistratus_contracts.models import Catalogue, encode_catalogue
from aistratus_contracts.registry import Parameter
from aistratus_contracts.schedule import NO_SCHEDULE, Hours, Schedule, encode_schedule
from aistratus_router.errors import Misconfigured, RouterError, Unavailable
from aistratus_router.log import logger
from aistratus_router.registry import (
    PAGE_SIZE,
    PAUSE_AFTER_FAILURE_SECONDS,
    SsmRegistry,
    read_addresses,
)
from aistratus_router.settings import Settings
from support.gateway_events import CLIENT_ID
from support.router_api import CARDS, Emulator

URL = "https://sqs.test/jobs.fifo"
DEAD_URL = "https://sqs.test/jobs-dlq.fifo"
VALUES: dict[str, object] = {
    "jobs/table_name": "jobs",
    "jobs/queue_url": URL,
    "jobs/dead_letter_queue_url": DEAD_URL,
    "identity/client_id": CLIENT_ID,
    "models": encode_catalogue(Catalogue(CARDS)),
}

HOURS = Hours("Asia/Tokyo", "09:00", "17:30", ("sat",))
SCHEDULE = Schedule((HOURS,))

FULL: dict[str, object] = {
    **{parameter: f"the {parameter}" for parameter in Parameter},
    **VALUES,
    Parameter.FLEET_GROUP: "workers",
    Parameter.IDLE_TIMEOUT: "900",
    Parameter.SCHEDULE: encode_schedule(SCHEDULE),
}


def test_what_is_registered_is_read(emulator: Emulator) -> None:
    emulator.register("/aistratus/read", "jobs-7", (URL, DEAD_URL))
    addresses = SsmRegistry(emulator.client("ssm"), "/aistratus/read").read()

    assert addresses.table_name == "jobs-7"
    assert addresses.queue_url == URL
    assert addresses.dead_letter_queue_url == DEAD_URL
    assert addresses.client_id == CLIENT_ID
    assert addresses.catalogue == Catalogue(CARDS)


def test_another_environments_ids_are_not_ours(emulator: Emulator) -> None:
    emulator.register("/aistratus/production", "jobs-p", (URL, DEAD_URL))

    with pytest.raises(Misconfigured):
        SsmRegistry(emulator.client("ssm"), "/aistratus/prod").read()


def test_it_is_one_call_and_kept() -> None:
    registry, stub, _ = stubbed()
    with stub:
        add_page(stub)
        first = registry.read()
        assert registry.read() is first
        assert registry.read() is first


def test_an_outage_is_survived_with_what_was_known() -> None:
    registry, stub, now = stubbed()
    with stub:
        add_page(stub)
        first = registry.read()
        expire(registry)
        stub.add_client_error("get_parameters_by_path", "InternalServerError")
        assert registry.read() is first
        assert registry.read() is first  # and it is not asked at once again

        now[0] += PAUSE_AFTER_FAILURE_SECONDS + 1
        add_page(stub, "jobs-new")
        assert registry.read().table_name == "jobs-new"


def test_an_outage_at_the_start_passes() -> None:
    registry, stub, _ = stubbed()
    with stub:
        stub.add_client_error("get_parameters_by_path", "ThrottlingException")
        with pytest.raises(Unavailable):
            registry.read()
        add_page(stub)
        assert registry.read().table_name == "jobs"


def test_a_registry_of_two_pages_is_read_whole(emulator: Emulator) -> None:
    """With a fleet there are more parameters than one answer of SSM holds."""
    prefix = "/aistratus/pages"
    emulator.register(prefix, "jobs-7", (URL, DEAD_URL), group="workers")
    for parameter in Parameter:
        emulator.client("ssm").put_parameter(
            Name=parameter.under(prefix), Value=str(FULL[parameter]), Type="String", Overwrite=True
        )
    assert len(Parameter) > PAGE_SIZE
    addresses = SsmRegistry(emulator.client("ssm"), prefix).read()

    assert addresses == read_addresses(prefix, FULL)
    assert (addresses.group_name, addresses.idle_timeout_seconds) == ("workers", 900)
    assert addresses.schedule == SCHEDULE


def test_without_a_fleet_there_is_no_group() -> None:
    addresses = read_addresses("/aistratus/dev", VALUES)

    assert (addresses.group_name, addresses.idle_timeout_seconds) == ("", 600)


@pytest.mark.parametrize("text", ["", "soon", "59", "86401", "-60", "6e2", "٦٠٠", "9" * 5000])
def test_an_idle_timeout_that_cannot_be_does_not_keep_the_gpu_on(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    values = {**VALUES, "fleet/idle_timeout_seconds": text}

    assert read_addresses("/aistratus/dev", values).idle_timeout_seconds == 600
    assert "/aistratus/dev/fleet/idle_timeout_seconds" in log.getvalue()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON object"),
        ('{"v":9,"hours":[]}', "version 9"),
        (encode_schedule(Schedule((replace(HOURS, timezone="Mars/Base"),))), "time zone"),
        (encode_schedule(Schedule((replace(HOURS, sleep="08:00"),))), "sleep"),
    ],
)
def test_a_schedule_that_cannot_be_does_not_keep_the_gpu_on(
    text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)

    assert (
        read_addresses("/aistratus/dev", {**FULL, "fleet/schedule": text}).schedule == NO_SCHEDULE
    )
    assert "/aistratus/dev/fleet/schedule" in log.getvalue()
    assert why in log.getvalue()


@pytest.mark.parametrize("missing", list(VALUES))
def test_a_missing_id_is_named(missing: str) -> None:
    values = {name: value for name, value in VALUES.items() if name != missing}

    with pytest.raises(Misconfigured, match=f"/aistratus/dev/{missing}"):
        read_addresses("/aistratus/dev", values)


@pytest.mark.parametrize("models", ["", "no JSON", '{"v":1,"models":[]}', '{"v":9,"models":[]}'])
def test_a_catalogue_that_names_no_model_is_refused(models: str) -> None:
    with pytest.raises(Misconfigured, match="/models"):
        read_addresses("/aistratus/dev", {**VALUES, "models": models})


@pytest.mark.parametrize("environ", [{}, {"AISTRATUS_REGISTRY": ""}, {"AISTRATUS_REGISTRY": "dev"}])
def test_without_a_registry_it_does_not_start(environ: dict[str, str]) -> None:
    with pytest.raises(RouterError, match=r"AISTRATUS_REGISTRY .*\."):
        Settings.from_environment(environ)


def test_only_what_is_registered_is_wanted() -> None:
    assert set(VALUES) <= {parameter.value for parameter in Parameter}


def stubbed() -> tuple[SsmRegistry, Stubber, list[float]]:
    session = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("ssm")
    now = [1000.0]
    return SsmRegistry(client, "/aistratus/dev", lambda: now[0]), Stubber(client), now


def add_page(stub: Stubber, table_name: str = "jobs") -> None:
    values = {**VALUES, "jobs/table_name": table_name}
    parameters = [
        {"Name": f"/aistratus/dev/{name}", "Value": value} for name, value in values.items()
    ]
    wanted: dict[str, Any] = {
        "Path": "/aistratus/dev",
        "Recursive": True,
        "WithDecryption": False,
        "MaxResults": 10,
    }
    stub.add_response("get_parameters_by_path", {"Parameters": parameters}, wanted)


def expire(registry: SsmRegistry) -> None:
    registry._provider.store.clear()
