"""The worker's settings, from its environment and from the registry."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aistratus_contracts.registry import REGISTRY_VARIABLE, Parameter
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError
from aistratus_daemon.worker.imds import Imds
from aistratus_daemon.worker.interruption import TerminationHook

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_REQUIRED: Final = (Parameter.QUEUE_URL, Parameter.DEAD_LETTER_QUEUE_URL, Parameter.TABLE_NAME)
_OPTIONAL: Final = (Parameter.FLEET_GROUP, Parameter.TERMINATION_HOOK)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Where the engine listens, and which ids the registry holds.

    `environment` is the deployment's name: `dev`, if the registry is `/aistratus/dev`.
    `last_job` is the file for the dead man's switch, None where there is no such switch.
    `engine_refusal` is the file in which an engine says why it would not start, if it does.
    `imds` is None where there is no metadata service, `termination_hook` where there is no fleet.
    """

    engine_socket: Path
    environment: str
    worker_id: str
    queue_url: str
    dead_letter_queue_url: str
    table_name: str
    last_job: Path | None
    engine_refusal: Path | None
    imds: Imds | None
    termination_hook: TerminationHook | None


def read_settings(environment: Environment, ssm: "SSMClient") -> WorkerSettings:
    """The settings, or a `SettingsError` that names what is missing."""
    prefix = environment.text(REGISTRY_VARIABLE)
    answer = ssm.get_parameters(
        Names=[parameter.under(prefix) for parameter in _REQUIRED + _OPTIONAL]
    )
    found = {item["Name"]: item["Value"] for item in answer["Parameters"]}
    missing = sorted(name for each in _REQUIRED if (name := each.under(prefix)) not in found)
    if missing:
        raise SettingsError(
            f"The registry lacks {', '.join(missing)}; deploy this environment first."
        )
    group, hook = (found.get(parameter.under(prefix), "") for parameter in _OPTIONAL)
    refusal = environment.variables.get("AISTRATUS_ENGINE_REFUSAL_FILE", "")
    last_job = environment.variables.get("AISTRATUS_LAST_JOB", "")
    return WorkerSettings(
        engine_socket=environment.path("AISTRATUS_ENGINE_SOCKET"),
        environment=prefix.rstrip("/").rpartition("/")[2],
        worker_id=environment.variables.get("AISTRATUS_WORKER_ID")
        or f"{socket.gethostname()}-{os.getpid()}",
        queue_url=found[Parameter.QUEUE_URL.under(prefix)],
        dead_letter_queue_url=found[Parameter.DEAD_LETTER_QUEUE_URL.under(prefix)],
        table_name=found[Parameter.TABLE_NAME.under(prefix)],
        last_job=Path(last_job) if last_job else None,
        engine_refusal=Path(refusal) if refusal else None,
        imds=Imds.from_environment(environment),
        termination_hook=TerminationHook(group, hook) if group and hook else None,
    )
