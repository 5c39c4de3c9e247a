"""The Lambda package behind the API.

One prompt's way through it: `handler` → `app` (which route) → `access` (who asks) → `reading`
(what they say, checked) → `routes` (what is done) → `intake` (stored, once) → `open_jobs` (sent,
and not forgotten) → `polling` (read back). `steward` is the package's second handler; `sweep` is
what it does.
"""

from typing import Final

VERSION: Final = "0.1.0"
