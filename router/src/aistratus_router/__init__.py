"""The Lambda package behind the API.

A prompt's path through it: `handler` → `app` (finds the route) → `access` (admits the caller) →
`reading` (checks the request) → `routes` (acts on it) → `intake` (stores the job once) →
`open_jobs` (sends it and keeps track of it) → `polling` (reads it back). `steward` is the package's
second handler; `sweep` is what it does.
"""

from typing import Final

VERSION: Final = "0.1.0"
