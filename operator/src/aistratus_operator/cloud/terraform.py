"""Runs Terraform: finds it and a local mirror of its providers, and passes its output on.

    terraform = Terraform(folder)
    terraform.init("-backend=false")
    terraform.run("test", watch=print)

The folder is a root module, or a module to test.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from aistratus_operator import ROOT
from aistratus_operator.errors import OperatorError

OLDEST: Final = (1, 10)
"""The first Terraform that locks a state in S3 without a table."""

_GOES_ON: Final = b"\nWhat is under way is brought to its end first. Ctrl-C again breaks it off.\n"

WORK: Final = ROOT / "build" / "terraform"

LOCK_FILE: Final = ".terraform.lock.hcl"

REGISTRY: Final = "registry.terraform.io"
# Terraform's own plugin folders, where machines without network access keep a mirror.
_PLUGIN_FOLDERS: Final = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
)
_ADD_ON_SOFTWARE: Final = ("/opt", "/usr/local/share", "/srv")


class TerraformFailed(OperatorError):
    """Terraform exited with an error; `output` is all its output."""

    def __init__(self, sentence: str, output: str) -> None:
        super().__init__(sentence)
        self.output = output


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished command: its exit code, and its stdout and stderr, interleaved."""

    code: int
    output: str


@dataclass(frozen=True)
class Terraform:
    """Terraform in one configuration folder.

    `init` downloads to `data` (Terraform's TF_DATA_DIR), or to `.terraform` in the folder if that
    is None. `environment` is Terraform's environment, by default this process's.
    """

    folder: Path
    data: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(
        self,
        *arguments: str,
        watch: Callable[[str], None] | None = None,
        accept: tuple[int, ...] = (0,),
    ) -> Finished:
        """Run one command to its end; `watch` gets each line of its output.

        Raises `TerraformFailed` for an exit code that is not in `accept`.

        When interrupted, Terraform aborts what it is creating and may lose track of it. So it runs
        in its own process group, which Ctrl-C does not reach. A command that changes things is
        interrupted only at the second Ctrl-C, others at the first, and all at SIGTERM or SIGHUP.
        This method always waits for the end of the process.
        """
        changes_things = arguments[0] in {"apply", "destroy"}
        output: list[str] = []
        with (
            _Interrupts(patience=1 if changes_things else 0) as interrupts,
            subprocess.Popen(
                [find(), f"-chdir={self.folder}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                text=True,
                encoding="utf-8",
                errors="replace",
                process_group=0,
            ) as process,
        ):
            interrupts.reach(process)
            for line in process.stdout or ():
                output.append(line)
                if watch is not None:
                    watch(line.rstrip("\n"))
        if interrupts.came:
            raise KeyboardInterrupt
        finished = Finished(process.returncode, "".join(output))
        if finished.code not in accept:
            raise TerraformFailed(
                f"`terraform {arguments[0]}` failed: {first_error(finished.output)}",
                finished.output,
            )
        return finished

    def init(self, *options: str, watch: Callable[[str], None] | None = None) -> Finished:
        """`terraform init` with the providers that the folder's lock file names, and no others.

        The file stays as it is. It has the hashes of every platform's packages, so whoever changes
        a provider's version writes it (terraform/README.md).
        """
        locked = ["-lockfile=readonly"] if (self.folder / LOCK_FILE).is_file() else []
        return self.run("init", *locked, *options, watch=watch)

    def json(self, *arguments: str) -> Any:
        """The parsed stdout of a command with `-json`; its stderr is left out."""
        done = subprocess.run(
            [find(), f"-chdir={self.folder}", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment(),
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise TerraformFailed(
                f"`terraform {arguments[0]}` failed: {first_error(done.stderr)}", done.stderr
            )
        return json.loads(done.stdout)

    def _environment(self) -> dict[str, str]:
        """No prompts, no colours, no update check, and no other project's settings."""
        kept = {
            name: value
            for name, value in self.environment.items()
            if name not in {"TF_WORKSPACE", "TF_DATA_DIR"}
        }
        kept |= {
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_ARGS": f"{kept.get('TF_CLI_ARGS', '')} -no-color".strip(),
        }
        if self.data is not None:
            kept["TF_DATA_DIR"] = str(self.data)
        return kept | provider_settings(kept)


class _Interrupts:
    """Handles Ctrl-C, SIGTERM and a closed terminal; ignores the first `patience` Ctrl-Cs.

    It uses signal handlers, not KeyboardInterrupt: that can occur anywhere, and two in a row would
    leave Terraform running, with its lock.
    """

    def __init__(self, patience: int) -> None:
        self.came = 0
        self._patience = patience
        self._is_over = False
        self._process: subprocess.Popen[str] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Only the main thread receives signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def reach(self, process: subprocess.Popen[str]) -> None:
        """Set the process to interrupt."""
        self._process = process
        if self._is_over:
            process.send_signal(signal.SIGINT)

    def _handle(self, number: int, _frame: object) -> None:
        self.came += 1
        if number == signal.SIGINT and self.came <= self._patience:
            # Not through sys.stderr, which may be in the middle of a line.
            with suppress(OSError):  # the terminal is gone
                os.write(2, _GOES_ON)
            return
        self._is_over = True
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)


def find() -> str:
    """Terraform's path; raises an `OperatorError` if it is missing or too old."""
    path = shutil.which("terraform")
    if path is None:
        raise OperatorError(
            "Terraform is not installed. Install 1.10 or newer "
            "(https://developer.hashicorp.com/terraform/install), and put it on the PATH."
        )
    if path not in _checked:
        version = version_of(path)
        if version[:2] < OLDEST:
            raise OperatorError(
                f"Terraform {'.'.join(map(str, version))} is too old: this needs 1.10 or newer "
                "(https://developer.hashicorp.com/terraform/install)."
            )
        _checked.add(path)
    return path


_checked: set[str] = set()


def version_of(path: str) -> tuple[int, ...]:
    """The version of the Terraform at that path; raises an `OperatorError` if it is none."""
    done = subprocess.run(
        [path, "version", "-json"],
        # A missing configuration file would put a warning into the JSON output.
        env={**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        text = str(json.loads(done.stdout)["terraform_version"])
        return tuple(int(part) for part in text.partition("-")[0].split("."))
    except (ValueError, KeyError):
        raise OperatorError(
            f"{path} does not say which Terraform it is. Install it anew, 1.10 or newer."
        ) from None


def provider_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell Terraform where to get providers.

    The person's own configuration takes precedence. Otherwise a mirror on this machine is used if
    there is one, and the registry for everything that it lacks.
    """
    own = environment.get("TF_CLI_CONFIG_FILE")
    if own and Path(own).is_file():
        return {}
    home = Path(environment.get("HOME") or Path.home())
    if not own and (home / ".terraformrc").is_file():
        return {}
    mirror = find_mirror(home)
    if mirror is None:
        # No cache beside a mirror, from which providers are linked: a cache is not safe to share.
        cache = home / ".cache" / "aistratus" / "terraform"
        cache.mkdir(parents=True, exist_ok=True)
        return {"TF_CLI_CONFIG_FILE": os.devnull, "TF_PLUGIN_CACHE_DIR": str(cache)}
    return {"TF_CLI_CONFIG_FILE": str(_write_configuration(mirror))}


def find_mirror(home: Path, add_on_software: tuple[str, ...] = _ADD_ON_SOFTWARE) -> Path | None:
    """A folder with providers in the registry's layout."""
    for folder in _candidates(home, add_on_software):
        if _providers(folder):
            return folder
    return None


def _candidates(home: Path, add_on_software: tuple[str, ...]) -> Iterator[Path]:
    for name in _PLUGIN_FOLDERS:
        yield home / name.removeprefix("~/") if name.startswith("~/") else Path(name)
    for name in add_on_software:
        yield from sorted(path.parent for path in Path(name).glob(f"*/{REGISTRY}"))


def _providers(mirror: Path) -> list[str]:
    """The providers in a mirror, as `registry.terraform.io/hashicorp/aws`."""
    found = mirror.glob(f"{REGISTRY}/*/*")
    return sorted(str(path.relative_to(mirror)) for path in found if path.is_dir())


def _write_configuration(mirror: Path) -> Path:
    """Write Terraform's CLI configuration for that mirror; safe to do concurrently."""
    listed = json.dumps(_providers(mirror))
    text = (
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(mirror))}\n"
        f"    include = {listed}\n  }}\n"
        # Terraform queries every source that may have a provider, even an unreachable one.
        f"  direct {{\n    exclude = {listed}\n  }}\n"
        "}\n"
    )
    WORK.mkdir(parents=True, exist_ok=True)
    # Named by a hash of its content: a file that is being read is never changed.
    path = WORK / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.tfrc"
    if not path.is_file():
        handle, made = tempfile.mkstemp(dir=WORK, prefix="tfrc-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).replace(path)
    return path


def first_error(output: str) -> str:
    """The first error in Terraform's output: its headline and its explanation."""
    # Terraform may draw a frame around it: a bar and a space before each line.
    lines = [re.sub(r"^[│╷╵] ?", "", line).rstrip() for line in output.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), None)
    if start is None:
        return next((line for line in reversed(lines) if line), "it said nothing")
    said = [lines[start].removeprefix("Error: ")]
    for line in lines[start + 1 :]:
        if line.startswith(("Error: ", "Warning: ")):
            break
        if line and not line.startswith("  "):  # indented: the place in the configuration
            said.append(line)
    headline, *rest = said
    return ": ".join([headline, " ".join(rest)] if rest else [headline])
