"""The whole system on what Terraform made: each part a process of its own, behind its own gate.

`local/`'s functions play Lambda, with everything that Terraform told Lambda and the instances:
handlers, environments, roles, user data. What AWS runs and the emulator lacks, the managed login
and the gateway, is `local/`'s too.
"""

import asyncio
import base64
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from aistratus_contracts.models import ModelCard
from aistratus_local.environment import WITHOUT_PROXY, clean_environment
from aistratus_local.gateway.function import Function
from aistratus_local.imds import ImdsServer
from aistratus_local.ports import PortNumbers, claim
from aistratus_local.provision import User, add_user
from aistratus_local.stack import LAST_WORDS
from support.emulator_process import KEY, aws_environment
from support.engine_process import running_engine
from support.iam.gate import Gate, open_gates
from support.iam.policies import Role
from support.iam.roles import role_of_function, role_of_instances
from support.imds_server import running_imds
from support.scarce_capacity import ScarceCapacity

ANN: Final = User("ann@example.org", "Her long password, the 1st", "ann@example.org")
BOB: Final = User("bob@example.org", "His long password, the 2nd", "bob@example.org")

# The variables of the instance's services, whose unit files read them (roles/worker).
_INSTANCE_VARIABLES: Final = re.compile(r"^\s*(AISTRATUS_\w+|AWS_\w+)=(\S+)$", re.MULTILINE)
_ENV_FILE: Final = "AISTRATUS_ENV_FILE"
_TESTS: Final = Path(__file__).parents[1]
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0


class DeploymentLike(Protocol):
    """What a running system has to know of its deployment."""

    @property
    def emulator_url(self) -> str: ...

    @property
    def model(self) -> ModelCard: ...

    def aws(self, service: str) -> Any:
        """A client with all rights."""

    def outputs(self) -> dict[str, Any]:
        """What the composition hands out."""


@dataclass
class DeployedSystem:
    """A running system. `state` is in the demo's form, so that the demo's tests can test it.

    `router`, `steward` and `worker` are the gates of these parts.
    """

    deployment: DeploymentLike
    outputs: dict[str, Any]
    state: dict[str, str]
    capacity: ScarceCapacity
    router: Gate
    steward: Gate
    worker: Gate
    folder: Path
    imds: ImdsServer
    engine_socket: Path
    _worker: subprocess.Popen[str] | None = None
    _logs: list[Path] = field(default_factory=list)

    @property
    def gates(self) -> tuple[Gate, Gate, Gate]:
        return self.router, self.steward, self.worker

    def refused(self) -> list[str]:
        """What the roles did not allow."""
        return [sentence for gate in self.gates for sentence in gate.refused()]

    def run_steward(self) -> dict[str, int]:
        """Run one round, as the schedule does every minute."""
        name = self.outputs["steward_function"]

        async def once() -> Any:
            steward = Function(name, *self._function(name, self.steward), timeout_seconds=60)
            try:
                await steward.start()
                return await steward.invoke({"source": "aws.events"})
            finally:
                await steward.stop()

        counts: dict[str, int] = asyncio.run(once())
        return counts

    def start_worker(self) -> None:
        """Start a new instance's worker."""
        assert self._worker is None
        self.imds.instance.replace()
        log_file = self.folder / f"worker-{len(self._logs)}.log"
        self._logs.append(log_file)
        environment = {
            **_environment(self.worker.url),
            **user_data_variables(self.deployment),
            **LAST_WORDS,
            "AISTRATUS_ENGINE_SOCKET": str(self.engine_socket),
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.imds.url,
        }
        with log_file.open("w") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "aistratus_daemon.worker"],
                env=environment,
                stderr=log,
                text=True,
            )

    def await_worker(self) -> int:
        """Wait until the worker has drained by itself; returns its exit code."""
        assert self._worker is not None
        code = self._worker.wait(STOP_SECONDS)
        self._worker = None
        return code

    def stop_worker(self) -> None:
        """End the worker as systemd does, so that it drains."""
        if self._worker is not None:
            self._worker.terminate()
            try:
                self._worker.wait(STOP_SECONDS)
            finally:
                self._worker.kill()
                self._worker.wait()
            self._worker = None

    def kill_worker(self) -> None:
        """Kill the worker without warning."""
        assert self._worker is not None
        self._worker.kill()
        self._worker.wait()
        self._worker = None

    def worker_log(self) -> str:
        """The logs of all workers so far."""
        return "".join(path.read_text() for path in self._logs)

    def router_command(self) -> tuple[str, Mapping[str, str]]:
        """The handler and the environment that Terraform gave the router."""
        return self._function(self.outputs["router_function"], self.router)

    def _function(self, name: str, gate: Gate) -> tuple[str, dict[str, str]]:
        found = self.deployment.aws("lambda").get_function_configuration(FunctionName=name)
        own = found["Environment"]["Variables"]
        return found["Handler"], {**_environment(gate.url), **own}


@contextmanager
def deployed_system(
    deployment: DeploymentLike,
    folder: Path,
    ports: PortNumbers | None = None,
    *,
    has_worker: bool = True,
) -> Iterator[DeployedSystem]:
    """The whole system for the length of a block, with one worker at first or without."""
    outputs, aws = deployment.outputs(), deployment.aws
    ports = ports or claim(PortNumbers(0, 0, 0, 0, 0))
    capacity = ScarceCapacity()

    def gate_of(role: Role) -> Gate:
        return Gate(
            role,
            deployment.emulator_url,
            lambda name: str(_group(aws, name)["AutoScalingGroupARN"]),
            capacity.answer,
            capacity.amend,
        )

    router = gate_of(role_of_function(aws, outputs["router_function"]))
    steward = gate_of(role_of_function(aws, outputs["steward_function"]))
    worker = gate_of(role_of_instances(aws, _launch_template(aws, outputs["group_name"])))
    login_url = f"http://127.0.0.1:{ports.login}"
    pool_id, client_id = outputs["user_pool_id"], outputs["client_id"]
    for user in (ANN, BOB):
        add_user(aws("cognito-idp"), pool_id, user)
    with ExitStack() as parts:
        parts.enter_context(open_gates(router, steward, worker))
        imds = parts.enter_context(running_imds())
        engine = parts.enter_context(running_engine(folder))
        system = DeployedSystem(
            deployment,
            outputs,
            {
                "api_url": f"http://127.0.0.1:{ports.gateway}",
                "app_url": f"http://127.0.0.1:{ports.app}",
                "login_url": login_url,
                "emulator_url": deployment.emulator_url,
                "access_key_id": KEY.access_key_id,
                "secret_access_key": KEY.secret_access_key,
                "client_id": client_id,
                "pool_id": pool_id,
                "model": deployment.model.id,
            },
            capacity,
            router,
            steward,
            worker,
            folder,
            imds,
            engine.socket_path,
        )
        handler, variables = system.router_command()
        gateway = [
            *("--issuer", f"{login_url}/{pool_id}", "--client-id", client_id),
            *("--function", handler),
            # The tests call the steward, at its own gate.
            *("--steward", "support.no_steward.handler"),
        ]
        public = folder / ".env_public"
        public.write_text(
            f"AISTRATUS_API_URL={system.state['api_url']}\nAISTRATUS_LOGIN_URL={login_url}\n"
            f"AISTRATUS_CLIENT_ID={client_id}\nAISTRATUS_REGION={outputs['region']}\n"
        )
        past_gates = _environment(deployment.emulator_url)
        for module, port, arguments, environment in (
            ("aistratus_local.login", ports.login, ["--pool-id", pool_id], past_gates),
            ("aistratus_local.gateway", ports.gateway, gateway, variables),
            ("aistratus_desktop.web", ports.app, [], past_gates | {_ENV_FILE: str(public)}),
        ):
            parts.enter_context(_running(module, port, arguments, environment, folder))
        parts.callback(system.stop_worker)
        if has_worker:
            system.start_worker()
        yield system


def user_data_variables(deployment: DeploymentLike) -> dict[str, str]:
    """What the launch template writes into the environment of an instance's services."""
    template = _launch_template(deployment.aws, deployment.outputs()["group_name"])
    found = deployment.aws("ec2").describe_launch_template_versions(
        LaunchTemplateId=template, Versions=["$Latest"]
    )
    data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]
    return dict(_INSTANCE_VARIABLES.findall(base64.b64decode(data).decode()))


def _group(aws: Any, name: str) -> dict[str, Any]:
    answer = aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    [group] = answer["AutoScalingGroups"]
    found: dict[str, Any] = group
    return found


def _launch_template(aws: Any, group: str) -> str:
    policy = _group(aws, group)["MixedInstancesPolicy"]
    return str(policy["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateId"])


def _environment(aws_url: str) -> dict[str, str]:
    kept = clean_environment(os.environ)
    return {**kept, **aws_environment(aws_url), **WITHOUT_PROXY}


@contextmanager
def _running(
    module: str, port: int, arguments: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[None]:
    """Run one of our servers; the block begins as soon as it listens."""
    log_file = folder / f"{module}.log"
    path = os.pathsep.join(filter(None, [str(_TESTS), environment.get("PYTHONPATH")]))
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port), *arguments],
            env={**environment, "PYTHONPATH": path},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _listens(port):
                assert process.poll() is None, log_file.read_text()
                assert time.monotonic() < deadline, log_file.read_text()
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
