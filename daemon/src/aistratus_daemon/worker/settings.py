"""What the worker is told by its environment, and by the registry."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aistratus_contracts.registry import REGISTRY_VARIABLE, Parameter
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Where the engine listens, and which ids the registry holds.

    `environment` is what the deployment is called: `dev`, where the registry is `/aistratus/dev`.
    """

    engine_socket: Path
    environment: str
    worker_id: str
    queue_url: str
    dead_letter_queue_url: str
    table_name: str


def read_settings(environment: Environment, ssm: "SSMClient") -> WorkerSettings:
    """The settings, or a `SettingsError` that names what is missing."""
    prefix = environment.text(REGISTRY_VARIABLE)
    wanted = [Parameter.QUEUE_URL, Parameter.DEAD_LETTER_QUEUE_URL, Parameter.TABLE_NAME]
    answer = ssm.get_parameters(Names=[parameter.under(prefix) for parameter in wanted])
    if answer["InvalidParameters"]:
        missing = ", ".join(sorted(answer["InvalidParameters"]))
        raise SettingsError(f"The registry lacks {missing}; deploy this environment first.")
    found = {item["Name"]: item["Value"] for item in answer["Parameters"]}
    return WorkerSettings(
        engine_socket=environment.path("AISTRATUS_ENGINE_SOCKET"),
        environment=prefix.rstrip("/").rpartition("/")[2],
        worker_id=environment.variables.get("AISTRATUS_WORKER_ID")
        or f"{socket.gethostname()}-{os.getpid()}",
        queue_url=found[Parameter.QUEUE_URL.under(prefix)],
        dead_letter_queue_url=found[Parameter.DEAD_LETTER_QUEUE_URL.under(prefix)],
        table_name=found[Parameter.TABLE_NAME.under(prefix)],
    )
