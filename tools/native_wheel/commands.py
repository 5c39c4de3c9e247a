"""`make native-wheel` and `make pin-wheels`. They need nothing but Python and a network."""

import os
import platform

from housekeeping import ROOT, released, setup
from housekeeping.console import say
from housekeeping.store import sha256
from native_wheel import pin, recipe
from native_wheel.asked import processor_of, version_of


def build() -> None:
    """Compiles the wheel for PROCESSOR into dist; raises `HouseError`."""
    processor = processor_of(os.environ)
    tools = setup.apart("wheels")
    log = ROOT / "build" / "native-wheel.log"
    log.write_text("", encoding="utf-8")
    lock = ROOT / "requirements" / "daemon.txt"
    wheel = recipe.build(processor, tools, lock, ROOT / "dist", log=log)
    say(f"{sha256(wheel)}  {wheel.relative_to(ROOT)}")
    machine, flags = released.PROCESSORS[processor]
    if machine == platform.machine() and flags <= released.processor_flags():
        say(f"It loads here: {recipe.system_info(wheel)}")


def pin_release() -> None:
    """Writes requirements/native.toml for the release VERSION; raises `HouseError`."""
    version = version_of(os.environ)
    folder = os.environ.get(released.URL_VARIABLE, "").rstrip("/")
    folder = folder or released.release_folder(version, ROOT, os.environ)
    for wheel in pin.pin(version, folder, ROOT / "requirements" / released.MANIFEST):
        say(f"{wheel.sha256}  {wheel.file}")
