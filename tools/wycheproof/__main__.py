"""`python -m wycheproof`: fetch Wycheproof's vectors into the cache, verified.

They are Apache-2.0 and not in this repository. The tests fetch nothing and run what they find.
"""

import hashlib
import sys
import urllib.error
import urllib.request
from typing import Final

from wycheproof import CACHE

COMMIT: Final = "dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166"
SOURCE: Final = f"https://raw.githubusercontent.com/C2SP/wycheproof/{COMMIT}/testvectors_v1"
FILES: Final = {
    "json_web_signature_test.json": (
        "8e687a06fe8359f4ec51480f1a9f73c8faebd6f4c01b818b843b44eee54fd5d9"
    ),
}
TIMEOUT_SECONDS: Final = 30.0


def main() -> int:
    """Fetch what is missing; returns the exit code."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, digest in FILES.items():
        path = CACHE / name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            continue
        try:
            with urllib.request.urlopen(  # noqa: S310 (an https address, above)
                f"{SOURCE}/{name}", timeout=TIMEOUT_SECONDS
            ) as answer:
                content: bytes = answer.read()
        except urllib.error.URLError as error:
            sys.stderr.write(f"{name} cannot be fetched ({error.reason}); try again later.\n")
            return 1
        if hashlib.sha256(content).hexdigest() != digest:
            sys.stderr.write(f"{name} is not what it was when its digest was taken; look at it.\n")
            return 1
        path.write_bytes(content)
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
