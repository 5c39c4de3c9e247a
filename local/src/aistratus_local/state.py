"""The state folder of a running system, and how other processes find it."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from aistratus_local.access_key import AccessKey
from aistratus_local.errors import LocalError

STATE_VARIABLE: Final = "AISTRATUS_STATE_DIR"
_STATE_FILE: Final = "stack.json"
_LOCK_FILE: Final = "lock"
PUBLIC_FILE: Final = ".env_public"


@dataclass(frozen=True, slots=True)
class StackState:
    """A running system: its addresses and its credentials."""

    pid: int
    model: str
    app_url: str
    api_url: str
    login_url: str
    emulator_url: str
    imds_url: str
    client_id: str
    pool_id: str
    region: str
    user: str
    password: str = field(repr=False)
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    @property
    def access_key(self) -> AccessKey:
        """The access key that the emulator accepts."""
        return AccessKey(self.access_key_id, self.secret_access_key)


class RunsAlready(LocalError):
    """Another system holds this state folder."""


def state_folder(gateway_port: int, environment: Mapping[str, str] | None = None) -> Path:
    """The folder of the system whose API has that port."""
    environment = os.environ if environment is None else environment
    if environment.get(STATE_VARIABLE):
        return Path(environment[STATE_VARIABLE]).absolute()
    home = environment.get("HOME") or str(Path.home())
    base = environment.get("XDG_STATE_HOME") or f"{home}/.local/state"
    return Path(base) / "aistratus" / f"local-{gateway_port}"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock the folder for one system; the kernel unlocks it when the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / _LOCK_FILE).open("a")
    except OSError as error:
        raise LocalError(
            f"{folder} cannot be used ({error.strerror}). Set {STATE_VARIABLE} to a folder that "
            "can be written to."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunsAlready(_who_runs(folder)) from None
        try:
            yield
        finally:
            for name in (_STATE_FILE, PUBLIC_FILE):
                (folder / name).unlink(missing_ok=True)


def write(folder: Path, state: StackState) -> None:
    """Publish the state: all of it in a file for this user only, addresses for the client."""
    _write_private(folder / _STATE_FILE, json.dumps(asdict(state), indent=1))
    public = {
        "AISTRATUS_API_URL": state.api_url,
        "AISTRATUS_LOGIN_URL": state.login_url,
        "AISTRATUS_CLIENT_ID": state.client_id,
        "AISTRATUS_REGION": state.region,
    }
    (folder / PUBLIC_FILE).write_text("".join(f"{n}={v}\n" for n, v in public.items()))


def find_running(folder: Path) -> StackState | None:
    """The system that runs in this folder; None if there is none."""
    try:
        with (folder / _LOCK_FILE).open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return StackState(**json.loads((folder / _STATE_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return None


def _who_runs(folder: Path) -> str:
    state = find_running(folder)
    if state is None:
        return "Another demo with these ports is just starting or stopping. Try again in a moment."
    return (
        f"A demo runs here already, at {state.app_url} (process {state.pid}). Stop it with Ctrl-C "
        "where it runs, or start a second one with other ports: APP_PORT=8650 GATEWAY_PORT=8651 "
        "ISSUER_PORT=8652 EMULATOR_PORT=8653."
    )


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
