"""The whole local system under attack: started, peopled, and started anew where it is spoilt."""

import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aistratus_local.provision import User, add_user, client
from support.system import Demo, access_key, sign_in, started_demo
from system.hostile.quiet import QuietUser, Round, quiet_user

# The limits by user, out of the way: for what they would hide, and for very many jobs.
RAISED: Final[Mapping[str, str]] = {
    "AISTRATUS_OPEN_JOBS_PER_USER": "1000",
    "AISTRATUS_PROMPTS_PER_MINUTE": "60000",
    "AISTRATUS_PROMPT_BURST": "60000",
    "AISTRATUS_READERS_PER_USER": "10000",
}
# The quiet user stays within the limits: 60 prompts at once, then one a second.
PACE_SECONDS: Final = 1.05
# A token of the login lives for an hour.
FRESH_SECONDS: Final = 40 * 60.0
QUIET_NAME: Final = "quiet"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody with an account."""

    name: str
    password: str
    token: str = field(repr=False)
    id_token: str = field(default="", repr=False)


@dataclass
class Rig:
    """One running system, with the quiet user's own measure of it when it was idle."""

    demo: Demo
    slots: int
    pools: Any
    crowd: list[SignedIn]
    quiet: QuietUser
    began: float = field(default_factory=time.monotonic)
    idle: list[Round] = field(default_factory=list)
    alone_job_seconds: float | None = None
    full_job_seconds: float | None = None
    is_spoilt: bool = False

    def newcomer(self, name: str) -> SignedIn:
        """Another user, who signs in as everybody does."""
        return newcomer(self.demo, self.pools, name)

    @property
    def is_fresh(self) -> bool:
        """Whether the next scenario can have it."""
        is_young = time.monotonic() - self.began < FRESH_SECONDS
        return is_young and not self.is_spoilt and self.demo.process.poll() is None


def newcomer(demo: Demo, pools: Any, name: str) -> SignedIn:
    """Somebody new in the pool, signed in through the page."""
    password = secrets.token_urlsafe(15)
    state = demo.state
    add_user(pools, state["pool_id"], User(name, password, f"{name}@example.org"))
    tokens = sign_in(state, name, password)
    return SignedIn(name, password, tokens["access_token"], tokens.get("id_token", ""))


@contextmanager
def running_rig(settings: Mapping[str, str]) -> Iterator[Rig]:
    """A system that is up, with its people, and nothing done yet."""
    with tempfile.TemporaryDirectory(prefix="aistratus-attack-") as folder, ExitStack() as stack:
        demo = stack.enter_context(started_demo(Path(folder), **settings))
        demo.until("Ready")
        slots = slots_of(demo)
        pools = client("cognito-idp", demo.state["emulator_url"], access_key(demo.state))
        crowd = [newcomer(demo, pools, f"crowd-{number}") for number in range(slots)]
        quiet = newcomer(demo, pools, QUIET_NAME)
        user = stack.enter_context(quiet_user(demo.state["api_url"], quiet.token, PACE_SECONDS))
        yield Rig(demo, slots, pools, crowd, user)


def slots_of(demo: Demo) -> int:
    """How many jobs the engine runs at once, as its log says."""
    log = (demo.state_dir / "logs" / "engine.log").read_text()
    found = re.findall(r"(\d+) slots of \d+ tokens", log)
    assert found, log
    return int(found[-1])


class Stand:
    """Where scenarios get their system: the same one, as long as it is fit for the next."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._rig: Rig | None = None
        self._is_raised = False

    def rig(self, *, is_raised: bool) -> Rig:
        """A system with the limits as they are, or raised."""
        if self._rig is None or not self._rig.is_fresh or self._is_raised is not is_raised:
            self.close()
            settings = RAISED if is_raised else {}
            self._rig = self._stack.enter_context(running_rig(settings))
            self._is_raised = is_raised
        return self._rig

    def close(self) -> None:
        """Stop it."""
        self._stack.close()
        self._rig = None
