"""What AWS does by itself and the emulator does not: it runs what a deployment consists of.

As soon as somebody has deployed, login and gateway run at the addresses that were named before;
and for each instance that the group has, a worker runs, which drains when the instance goes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aistratus_contracts.models import ModelCard
from aistratus_contracts.registry import OF_FUNCTIONS, Parameter
from aistratus_local.endings import Ending
from aistratus_local.ports import PortNumbers, claim
from support.deployed_system import DeployedSystem, deployed_system
from support.emulator_process import client

_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Found:
    """A deployment that somebody else has made, as its registry describes it."""

    emulator_url: str
    env: str
    model: ModelCard

    def aws(self, service: str) -> Any:
        return client(service, self.emulator_url)

    def registry(self) -> dict[str, str]:
        pages = self.aws("ssm").get_paginator("get_parameters_by_path")
        prefix = f"/aistratus/{self.env}"
        return {
            each["Name"].removeprefix(f"{prefix}/"): each["Value"]
            for page in pages.paginate(Path=prefix, Recursive=True)
            for each in page["Parameters"]
        }

    def outputs(self) -> dict[str, Any]:
        registry, name = self.registry(), f"aistratus-{self.env}"
        return {
            "client_id": registry[Parameter.CLIENT_ID],
            "group_name": registry[Parameter.FLEET_GROUP],
            "queue_url": registry[Parameter.QUEUE_URL],
            "region": self.aws("ssm").meta.region_name,
            "registry_prefix": f"/aistratus/{self.env}",
            "router_function": f"{name}-router",
            "steward_function": f"{name}-steward",
            "table_name": registry[Parameter.TABLE_NAME],
            "user_pool_id": registry[Parameter.USER_POOL_ID],
        }

    def is_whole(self) -> bool:
        if self.registry().keys() < {each.value for each in set(Parameter) - OF_FUNCTIONS}:
            return False
        name = f"aistratus-{self.env}-router"
        found = self.aws("lambda").list_functions()["Functions"]
        return name in {each["FunctionName"] for each in found}

    def instances(self) -> list[str]:
        group = f"aistratus-{self.env}-workers"
        found = self.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        return [
            each["InstanceId"] for one in found["AutoScalingGroups"] for each in one["Instances"]
        ]


@dataclass
class LivingCloud:
    """`hosted` are the instances that have had a worker, `drained` those that it left cleanly."""

    deployment: Found
    folder: Path
    ports: PortNumbers
    hosted: list[str] = field(default_factory=list)
    drained: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def addresses(self) -> dict[str, str]:
        """The variables that say where API and login will be."""
        return {
            "AISTRATUS_API_URL": f"http://127.0.0.1:{self.ports.gateway}",
            "AISTRATUS_LOGIN_URL": f"http://127.0.0.1:{self.ports.login}",
        }

    def live(self, is_over: threading.Event) -> None:
        """Wait for a deployment, then run it until it is over."""
        try:
            while not self.deployment.is_whole():
                if is_over.wait(_LOOK_SECONDS):
                    return
            with deployed_system(
                self.deployment, self.folder, self.ports, has_worker=False
            ) as system:
                self._host(system, is_over)
                self.refused = system.refused()
        except BaseException as error:  # noqa: BLE001  the test's own thread raises it
            self.errors.append(error)

    def _host(self, system: DeployedSystem, is_over: threading.Event) -> None:
        current = ""
        while not is_over.wait(_LOOK_SECONDS):
            there = self.deployment.instances()
            if current and current not in there:
                system.imds.instance.end(Ending.TERMINATION)
                assert system.await_worker() == 0, system.worker_log()
                self.drained.append(current)
                current = ""
            if there and not current:
                current = there[0]
                self.hosted.append(current)
                system.start_worker()


@contextmanager
def living_cloud(
    emulator_url: str, env: str, model: ModelCard, folder: Path
) -> Iterator[LivingCloud]:
    """A cloud that comes to life when somebody deploys, for the length of a block."""
    ports = claim(PortNumbers(0, 0, 0, 0, 0))
    cloud = LivingCloud(Found(emulator_url, env, model), folder, ports)
    is_over = threading.Event()
    thread = threading.Thread(target=cloud.live, args=(is_over,))
    thread.start()
    try:
        yield cloud
    finally:
        is_over.set()
        thread.join()
    if cloud.errors:
        raise cloud.errors[0]
