"""The lock of a machine that compiles for itself: `lock_built.py FOLDER before|after`.

llama-cpp-python and systemd-python come as sources. The lock has the hash of each source; a
wheel's hash is known only after the build. `before` writes `source.txt`, with the sources' lines
alone. `after` writes `built.txt`: the whole lock, with the hashes of the wheels that were built in
that folder.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Final

SOURCES: Final = ("llama-cpp-python", "systemd-python")


def main() -> int:
    """Write one of the two files; prints errors as sentences."""
    folder, when = Path(sys.argv[1]), sys.argv[2]
    lock = (folder / "requirements.txt").read_text(encoding="utf-8")
    lines = {name: _line(name, lock) for name in SOURCES}
    missing = [name for name, line in lines.items() if not line]
    if missing:
        sys.stderr.write(
            f"The wheelhouse's lock lacks {' and '.join(missing)}; fill the wheelhouse again.\n"
        )
        return 1
    if when == "before":
        (folder / "source.txt").write_text("".join(lines.values()), encoding="utf-8")
        return 0
    for name, line in lines.items():
        (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lock = lock.replace(line, f"{line.split()[0]} --hash=sha256:{digest}\n")
    (folder / "built.txt").write_text(lock, encoding="utf-8")
    return 0


def _line(name: str, lock: str) -> str:
    """The requirement of that name, over all its lines; empty if there is none."""
    # It continues over lines that end in a backslash.
    found = re.search(rf"^{re.escape(name)}==\S+(?:[^\\\n]|\\\n)*\n", lock, re.MULTILINE)
    return found[0] if found else ""


if __name__ == "__main__":
    sys.exit(main())
