"""The lock of a machine that compiles llama.cpp itself: `lock_built.py FOLDER before|after`.

The lock has the source's hash; the wheel's hash is known only after the build. `before` writes
`source.txt`, with the source's line alone. `after` writes `built.txt`: the whole lock, with the
hash of the wheel that was built in that folder.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Final

# A requirement continues over lines that end in a backslash.
_LINE: Final = re.compile(r"^(llama-cpp-python==\S+)(?:[^\\\n]|\\\n)*\n", re.MULTILINE)


def main() -> int:
    """Write one of the two files; prints errors as sentences."""
    folder, when = Path(sys.argv[1]), sys.argv[2]
    lock = (folder / "requirements.txt").read_text(encoding="utf-8")
    found = _LINE.search(lock)
    if found is None:
        sys.stderr.write("The wheelhouse has no llama-cpp-python in its lock; fill it again.\n")
        return 1
    if when == "before":
        (folder / "source.txt").write_text(found[0], encoding="utf-8")
        return 0
    (wheel,) = folder.glob("llama_cpp_python-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    built = f"{found[1]} --hash=sha256:{digest}\n"
    text = lock[: found.start()] + built + lock[found.end() :]
    (folder / "built.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
