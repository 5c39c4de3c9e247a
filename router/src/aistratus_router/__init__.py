"""The Lambda package behind the API.

One prompt's way through it: `handler` → `app` (routes) → `access` (who asks) → `reading` (what
they say, checked) → `intake` (stored, once) → `open_jobs` (sent, and not forgotten) → `polling`
(read back). `steward` is the package's second handler; `sweep` is what it does.
"""

from typing import Final

VERSION: Final = "0.1.0"
