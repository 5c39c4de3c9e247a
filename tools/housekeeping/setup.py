"""Set-up: makes `.venv` with everything in it, and a stamp so that a second run costs nothing."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from housekeeping import COMPONENTS, ROOT, debian, native, released, store
from housekeeping.console import StepProgress, say
from housekeeping.errors import HouseError
from housekeeping.process import quietly
from housekeeping.requirements import Pin, read_pins

SETS = ("operator", "demo", "dev")
"""What can be installed; each holds the one before it."""

NO_VENV = (
    "Python's venv module is not complete on this machine: install it (on Debian or Ubuntu:"
    " sudo apt install python3-venv) and run the same command again."
)


class Setup:
    """One run of set-up in one clone."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.log = root / "build" / "setup.log"
        self.store = store.store_path()
        self.locks = root / "requirements"

    def ready(self, name: str) -> bool:
        """Whether the set `name`, or one that includes it, is installed and up to date."""
        wider = SETS[SETS.index(name) :]
        return any(self._stamp(each) == self._wanted(each) for each in wider)

    def make(self, name: str) -> None:
        """Brings `.venv` up to the set `name`, or to the wider set that it already had.

        Raises:
            HouseError: something is missing that only a person can provide.
        """
        if any((self.venv / f".ready-{wider}").exists() for wider in SETS[SETS.index(name) :]):
            name = next(each for each in reversed(SETS) if (self.venv / f".ready-{each}").exists())
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("", encoding="utf-8")
        pins = read_pins(self.locks / f"{name}.txt")
        if source := self._source(pins):
            self._check_native(source)
        self._make_venv()
        installer = read_pins(self.locks / "setup.txt")
        uv = self._uv(installer)
        both = {pin.name + pin.marker: pin for pin in [*installer, *pins]}
        self._install(uv, list(both.values()), compiled=name == "dev")
        self._install_own(uv)
        for each in SETS:
            (self.venv / f".ready-{each}").unlink(missing_ok=True)
        (self.venv / f".ready-{name}").write_text(self._wanted(name), encoding="ascii")

    def _install(self, uv: Path, pins: list[Pin], *, compiled: bool) -> None:
        """Installs from the store; fetches or builds first what is missing there."""
        source = self._source(pins)
        others = [pin for pin in pins if pin is not source]
        title = f"Installing {len(pins)} Python packages into .venv"
        at_hand = native.at_hand(self.store, source, self.root) if source else None
        if source and at_hand is None:
            self._ensure_pip()
            at_hand = self._fetch_native(source)
        if at_hand or not source:
            progress = StepProgress(title)
            if self._installed(uv, others, at_hand, compiled=compiled):
                progress.finish()
                return
            progress.abandon()
        self._ensure_pip()
        pip = [str(self.python), "-m", "pip"]
        store.fetch(pip, others, self.store, log=self.log, title="Fetching Python packages")
        if source:
            at_hand = at_hand or self._build(uv, source)
        progress = StepProgress(title)
        if not self._installed(uv, others, at_hand, compiled=compiled):
            progress.abandon()
            raise HouseError(f"The packages could not be installed; {self.log} says why.")
        progress.finish()

    def _installed(
        self, uv: Path, others: list[Pin], wheel: native.AtHand | None, *, compiled: bool
    ) -> bool:
        pins, folders = list(others), [self.store]
        if wheel:
            pins.append(wheel.pin)
            folders.append(wheel.folder)
        return store.install(uv, self.python, pins, folders, log=self.log, compiled=compiled)

    def _source(self, pins: list[Pin]) -> Pin | None:
        """The package of the set that is built here, if it has it."""
        return next((pin for pin in pins if pin.name == native.BUILT_HERE), None)

    def _offer(self, source: Pin) -> tuple[released.Wheel, str]:
        """The release's wheel for this machine, and its address; raises `released.NoWheel`."""
        manifest = released.read_manifest(self.locks / released.MANIFEST)
        wheel = released.choose(manifest, source, released.this_machine())
        return wheel, released.address(manifest, wheel, self.root, os.environ)

    def _check_native(self, source: Pin) -> None:
        """Fails now, and not after the longest wait, if llama.cpp can only be compiled and cannot.

        Raises:
            HouseError: no wheel is here or offered, and there is no compiler.
        """
        if native.at_hand(self.store, source, self.root) is None:
            try:
                self._offer(source)
            except released.NoWheel:
                native.compiler()

    def _fetch_native(self, source: Pin) -> native.AtHand | None:
        """The release's wheel; None, after saying why, if llama.cpp must be compiled."""
        try:
            wheel, url = self._offer(source)
            place = released.folder(self.store, wheel)
            pip = [str(self.python), "-m", "pip"]
            released.fetch(pip, wheel, url, place, log=self.log)
        except released.NoWheel as why:
            say(f"{why} So llama.cpp is compiled here.")
            native.compiler()
            return None
        return native.AtHand(place, wheel.pin(source))

    def _build(self, uv: Path, source: Pin) -> native.AtHand:
        """Builds the one source package, in an environment with the build tools of the lock."""
        place = native.folder(self.store, source, str(sys.implementation.cache_tag))
        tools = self.root / "build" / "native"
        python = self._tools_at(tools, uv, read_pins(self.locks / "build.txt"), "the build tools")
        native.build([str(python), "-m", "pip"], tools / "bin", source, place, log=self.log)
        shutil.rmtree(tools, ignore_errors=True)
        wheel = native.built(place, source)
        if wheel is None:
            raise HouseError(f"The build of {source.name} left no wheel; {self.log} says why.")
        return native.AtHand(place, wheel)

    def _tools_at(self, place: Path, uv: Path, pins: list[Pin], what: str) -> Path:
        """Makes a new environment with `pins`, apart from `.venv`; returns its Python."""
        python = place / "bin" / "python"
        shutil.rmtree(place, ignore_errors=True)
        self._venv_at(place)
        if not store.install(uv, python, pins, [self.store], log=self.log):
            self._ensure_pip()
            pip = [str(self.python), "-m", "pip"]
            store.fetch(pip, pins, self.store, log=self.log, title=f"Fetching {what}")
            if not store.install(uv, python, pins, [self.store], log=self.log):
                raise HouseError(
                    f"{what.capitalize()} could not be installed; {self.log} says why."
                )
        return python

    def apart(self, name: str) -> Path:
        """Brings `build/NAME` up to date, for packages that conflict with `.venv`; returns it.

        Raises:
            HouseError: something is missing that only a person can provide.
        """
        place = self.root / "build" / name
        stamp = place / ".ready"
        files = [self.locks / "setup.txt", self.locks / f"{name}.txt"]
        digest = hashlib.sha256(f"{self.root}\n{native.processor()}".encode())
        for path in files:
            digest.update(path.read_bytes())
        if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest.hexdigest():
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._make_venv()
            uv = self._uv(read_pins(files[0]))
            self._tools_at(place, uv, read_pins(files[1]), f"the {name}")
            stamp.write_text(digest.hexdigest(), encoding="ascii")
        return place

    def _install_own(self, uv: Path) -> None:
        """Installs our own packages, editable."""
        projects = [self.root / each for each in COMPONENTS]
        store.install_editable(
            uv,
            self.python,
            [project for project in projects if (project / "pyproject.toml").is_file()],
            log=self.log,
            failure="A package of this repository could not be installed.",
        )

    def _uv(self, installer: list[Pin]) -> Path:
        """The uv program from the store; pip fetches it the first time."""
        pin = next(pin for pin in installer if pin.name == "uv")
        program = store.unpack_uv(self.store, pin)
        if program is None:
            self._ensure_pip()
            pip = [str(self.python), "-m", "pip"]
            store.fetch(pip, installer, self.store, log=self.log, title="Fetching the installer")
            program = store.unpack_uv(self.store, pin)
        if program is None:
            raise HouseError(f"uv {pin.version} has no wheel for this machine.")
        return program

    def _make_venv(self) -> None:
        """Makes `.venv`, unless there is one that works."""
        home = self.venv / "pyvenv.cfg"
        if home.is_file() and quietly([self.python, "-c", ""], log=self.log, env={}):
            return
        if self.venv.exists():
            if not home.is_file() and any(self.venv.iterdir()):
                raise HouseError(
                    f"{self.venv} is there and is no virtual environment: move it away first."
                )
            shutil.rmtree(self.venv)
        self._venv_at(self.venv)

    def _venv_at(self, place: Path) -> None:
        base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
        python = str(base) if base.is_file() else sys.executable
        self._with_venv_package([python, "-m", "venv", "--without-pip", str(place)])

    def _ensure_pip(self) -> None:
        """Installs pip in `.venv` from Python's bundled copy: the first download needs it."""
        if not quietly([self.python, "-m", "pip", "--version"], log=self.log, env={}):
            self._with_venv_package([str(self.python), "-m", "ensurepip"])

    def _with_venv_package(self, command: list[str]) -> None:
        """Runs a command that needs Debian's separate venv package; installs that if missing."""
        packages = [f"python3.{sys.version_info.minor}-venv", "python3-venv"]
        if quietly(command, log=self.log, env={}):
            return
        say("Python's venv module is not complete; trying to install it with apt …")
        if not (debian.install(packages) and quietly(command, log=self.log, env={})):
            raise HouseError(NO_VENV)

    def _stamp(self, name: str) -> str:
        try:
            return (self.venv / f".ready-{name}").read_text(encoding="ascii")
        except OSError:
            return ""

    def _wanted(self, name: str) -> str:
        """A hash of all that determines the content of `.venv`, including the clone's path."""
        files = [self.locks / "setup.txt", self.locks / f"{name}.txt"]
        files += [self.root / each / "pyproject.toml" for each in COMPONENTS]
        files += sorted((self.root / "tools" / "housekeeping").glob("*.py"))
        digest = hashlib.sha256(f"{self.root}\n{native.processor()}".encode())
        for path in files:
            if path.is_file():
                digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
        return digest.hexdigest()


def apart(name: str) -> Path:
    """The folder of an environment beside `.venv`, brought up to date first.

    Raises:
        HouseError: see `Setup.apart`.
    """
    job = Setup()
    with store.locked(job.store):
        return job.apart(name)


def setup(name: str, *, quiet: bool = False) -> None:
    """Sets up `name` if the tree has changed since the last time.

    Raises:
        HouseError: see `Setup.make`.
    """
    job = Setup()
    if not job.ready(name) or not os.access(job.python, os.X_OK):
        with store.locked(job.store):
            if not job.ready(name) or not os.access(job.python, os.X_OK):
                job.make(name)
    elif not quiet:
        say("Set-up is up to date.")
