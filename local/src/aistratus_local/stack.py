"""The whole system on this machine, part by part, as `make demo` and `make ask` start it."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from aistratus_contracts.models import Catalogue
from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_local import state
from aistratus_local.access_key import KEYS_VARIABLE, new_access_key
from aistratus_local.endings import next_instance
from aistratus_local.environment import WITHOUT_PROXY, clean_environment
from aistratus_local.errors import LocalError
from aistratus_local.models import LocalModel
from aistratus_local.ports import HOST, PortNumbers, claim
from aistratus_local.processes import Address, Child, Part, ProcessFailed, nothing
from aistratus_local.provision import (
    REGION,
    REGISTRY_PREFIX,
    Addresses,
    Provisioned,
    User,
    aws_environment,
    loopback_origins,
    provision,
)
from aistratus_local.state import StackState
from aistratus_router.user_limits import VARIABLES

DEMO_USER: Final = "demo"
# Time for a drain: the worker commits, gives its messages back and exits.
WORKER_STOP_SECONDS: Final = 10.0
# Real weights are verified and read before the engine listens.
ENGINE_READY_SECONDS: Final = 180.0
# Silence this long means a hang. The engine notifies once per step: on a slow processor a step may
# be 64 prompt tokens and one token of each answer, after 10 s of waiting for a worker that reads
# nothing. The worker notifies once a second, and nothing may block its loop.
ENGINE_WATCHDOG_SECONDS: Final = 30.0
WORKER_WATCHDOG_SECONDS: Final = 15.0
# A hung service dumps its stack before it is killed.
LAST_WORDS: Final = {"PYTHONFAULTHANDLER": "1"}

# For measurements, where one user sends the load of many.
WIDE_LIMITS: Final = {
    variable: str(most) for name, (variable, most) in VARIABLES.items() if name != "readers"
}

T = TypeVar("T")

# Called when a step is done, with its name and its duration in seconds.
Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What to start, and where.

    `limits` maps the router's per-user limit variables to values; missing ones keep their
    defaults.
    """

    ports: PortNumbers
    model: LocalModel
    state_dir: Path
    with_app: bool = True
    limits: Mapping[str, str] = field(default_factory=lambda: chosen_limits(os.environ))


class Stack:
    """Every process of the system. Use `running`."""

    def __init__(self, settings: StackSettings, report: Report, socket_dir: Path) -> None:
        self.settings = settings
        self.failed: asyncio.Future[ProcessFailed] = asyncio.get_running_loop().create_future()
        self.children: dict[str, Child] = {}
        self._report = report
        self._socket = socket_dir / "engine.sock"
        self._logs = settings.state_dir / "logs"
        self._key = new_access_key()
        self._imds_url = f"http://{HOST}:{settings.ports.imds}"
        self._urls = Addresses(
            *(
                f"http://{HOST}:{port}"
                for port in (
                    settings.ports.emulator,
                    settings.ports.gateway,
                    settings.ports.login,
                    settings.ports.app,
                )
            )
        )

    async def start(self) -> StackState:
        """Start all parts, each as soon as its dependencies are up; raises `LocalError`."""
        try:
            return await self._start()
        except BaseExceptionGroup as group:
            raise _first_cause(group) from None

    async def _start(self) -> StackState:
        user = User(DEMO_USER, secrets.token_urlsafe(9), "demo@example.org")
        async with asyncio.TaskGroup() as group:
            engine = group.create_task(self._up(self._engine()))
            imds = group.create_task(self._up(self._imds()))
            made = await self._cloud(user)
            state = StackState(
                pid=os.getpid(),
                model=self.settings.model.card.id,
                app_url=self._urls.app_url if self.settings.with_app else "",
                api_url=self._urls.api_url,
                login_url=self._urls.login_url,
                emulator_url=self._urls.emulator_url,
                imds_url=self._imds_url,
                client_id=made.client_id,
                pool_id=made.pool_id,
                region=REGION,
                user=user.name,
                password=user.password,
                access_key_id=self._key.access_key_id,
                secret_access_key=self._key.secret_access_key,
            )
            self._write(state)
            group.create_task(self._up(self._login(made, user)))
            group.create_task(self._up(self._gateway(made)))
            await imds
            group.create_task(self._up(self._worker(), self._next_instance))
            if self.settings.with_app:
                group.create_task(self._up(self._app()))
            await engine
        return state

    async def stop(self) -> None:
        """Stop all parts: those that work on jobs first, those that store them last."""
        for names in (("worker", "app"), ("engine", "gateway"), ("login", "emulator", "imds")):
            found = [self.children[name] for name in names if name in self.children]
            await asyncio.gather(*(child.stop() for child in found))

    async def or_failure(self, work: Awaitable[T]) -> T:
        """The result of `work`; raises the `ProcessFailed` of a part that dies meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            both: set[asyncio.Future[Any]] = {task, self.failed}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self.failed.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def kill(self) -> None:
        """Kill all parts immediately."""
        for child in self.children.values():
            child.kill()

    async def _cloud(self, user: User) -> Provisioned:
        await self._up(self._emulator())
        began = time.monotonic()
        catalogue = Catalogue((self.settings.model.card,))
        made = await asyncio.to_thread(provision, self._urls, self._key, catalogue, [user])
        self._report("table, queues, user pool, registry", time.monotonic() - began)
        return made

    def _write(self, found: StackState) -> None:
        state.write(self.settings.state_dir, found)

    async def _up(self, part: Part, between_lives: Callable[[], Awaitable[None]] = nothing) -> None:
        """Start a part and wait until it answers."""
        began = time.monotonic()
        child = Child(part, self._mourn, self._restarted, between_lives)
        self.children[part.name] = child
        await child.start()
        await child.until_ready()
        self._report(part.name, time.monotonic() - began)

    def _mourn(self, failure: ProcessFailed) -> None:
        if not self.failed.done():
            self.failed.set_result(failure)

    def _restarted(self, what: str) -> None:
        self._report(what, 0.0)

    async def _next_instance(self) -> None:
        """Replace the instance before its worker is restarted."""
        try:
            await asyncio.to_thread(next_instance, self._imds_url)
        except LocalError as error:
            self._report(str(error), 0.0)

    # --- the parts ------------------------------------------------------------------------

    def _emulator(self) -> Part:
        port = self.settings.ports.emulator
        part = self._part("emulator", "aistratus_local.emulator", port, "--port", str(port))
        keys = {KEYS_VARIABLE: self._key.access_key_id}
        return replace(part, environment={**part.environment, **keys})

    def _imds(self) -> Part:
        port = self.settings.ports.imds
        part = self._part("imds", "aistratus_local.imds", port, "--port", str(port))
        return replace(part, restarts=True)

    def _login(self, made: Provisioned, user: User) -> Part:
        port = self.settings.ports.login
        arguments = ("--port", str(port), "--pool-id", made.pool_id)
        part = self._aws_part("login", "aistratus_local.login", port, *arguments)
        shown = {"AISTRATUS_DEMO_USER": user.name, "AISTRATUS_DEMO_PASSWORD": user.password}
        return replace(part, environment={**part.environment, **shown})

    def _gateway(self, made: Provisioned) -> Part:
        port = self.settings.ports.gateway
        arguments = ["--port", str(port), "--issuer", made.issuer, "--client-id", made.client_id]
        for origin in loopback_origins(self._urls.app_url):
            arguments += ["--allow-origin", origin]
        part = self._aws_part("gateway", "aistratus_local.gateway", port, *arguments)
        return replace(part, environment={**part.environment, **self.settings.limits})

    def _engine(self) -> Part:
        model = self.settings.model
        environment = {
            "AISTRATUS_ENGINE_SOCKET": str(self._socket),
            "AISTRATUS_MODEL_FILE": str(model.path),
            "AISTRATUS_MODEL_SHA256": model.sha256,
        }
        part = self._part("engine", "aistratus_daemon.engine", self._socket)
        return replace(
            part,
            environment={**part.environment, **environment, **LAST_WORDS},
            restarts=True,
            ready_seconds=ENGINE_READY_SECONDS,
            watchdog_seconds=ENGINE_WATCHDOG_SECONDS,
        )

    def _worker(self) -> Part:
        part = self._aws_part("worker", "aistratus_daemon.worker", None)
        environment = {
            "AISTRATUS_ENGINE_SOCKET": str(self._socket),
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._imds_url,
        }
        return replace(
            part,
            environment={**part.environment, **environment, **LAST_WORDS},
            restarts=True,
            stop_seconds=WORKER_STOP_SECONDS,
            watchdog_seconds=WORKER_WATCHDOG_SECONDS,
        )

    def _app(self) -> Part:
        port = self.settings.ports.app
        part = self._part("app", "aistratus_desktop.web", port, "--port", str(port))
        public = {"AISTRATUS_ENV_FILE": str(self.settings.state_dir / state.PUBLIC_FILE)}
        return replace(part, environment={**part.environment, **public})

    def _aws_part(self, name: str, module: str, address: int | None, *more: str) -> Part:
        """A part that calls AWS; only such parts get the address and the credentials."""
        part = self._part(name, module, address, *more)
        aws = aws_environment(self._urls.emulator_url, self._key)
        return replace(
            part, environment={**part.environment, **aws, REGISTRY_VARIABLE: REGISTRY_PREFIX}
        )

    def _part(self, name: str, module: str, address: Address | int | None, *more: str) -> Part:
        return Part(
            name,
            (sys.executable, "-P", "-m", module, *more),
            clean_environment(os.environ),
            self._logs / f"{name}.log",
            (HOST, address) if isinstance(address, int) else address,
        )


def _first_cause(error: BaseException) -> BaseException:
    """The first error of a group, however deeply nested."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def chosen_limits(environment: Mapping[str, str]) -> dict[str, str]:
    """The per-user limits that are set in the environment."""
    names = [variable for variable, _ in VARIABLES.values()]
    return {name: environment[name] for name in names if name in environment}


@asynccontextmanager
async def running(settings: StackSettings, report: Report) -> AsyncIterator[Stack]:
    """A system ready to be started; by the end of the block it is certainly gone."""
    os.environ.update(WITHOUT_PROXY)
    with state.held(settings.state_dir):
        claimed = replace(settings, ports=claim(settings.ports))
        # A socket's path is limited to 107 characters; a state folder's is easily longer.
        socket_dir = Path(tempfile.mkdtemp(prefix="aistratus-"))
        stack = Stack(claimed, report, socket_dir)
        try:
            yield stack
            await stack.stop()
        finally:
            stack.kill()
            await stack.stop()
            shutil.rmtree(socket_dir, ignore_errors=True)
