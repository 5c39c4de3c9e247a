"""Writes `built.txt` in a wheelhouse: its lock, with the hash of the llama.cpp made here."""

import hashlib
import re
import sys
from pathlib import Path

_LINE = re.compile(r"^(llama-cpp-python==\S+).*?(?<!\\)$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Read `requirements.txt` and the one wheel of llama-cpp-python beside it."""
    folder = Path(sys.argv[1])
    (wheel,) = folder.glob("llama_cpp_python-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = (folder / "requirements.txt").read_text(encoding="utf-8")
    text, count = _LINE.subn(rf"\1 --hash=sha256:{digest}", lock, count=1)
    if count != 1:
        sys.exit("requirements.txt has no line for llama-cpp-python; fill the wheelhouse again.")
    (folder / "built.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
