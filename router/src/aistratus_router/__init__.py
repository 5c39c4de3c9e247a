"""The Lambda package behind the API, in rooms; each imports only from the rooms below it.

- `api`: one request: found, admitted, read, served, answered; `api.handler` is the Lambda's entry
- `steward`: what finishes jobs and fleet changes that others left undone; `steward.handler` is its
  Lambda's entry
- `jobs`: send a prompt, read its events, cancel, delete
- `fleet`: the instances, and the decisions about them
- `store`: the table and the queues
- `wire`: what callers may send and what they get
- `ports`, `registry`, `settings`, `user_limits`, `log`, `errors`: the outside world

A prompt's path: `api.handler` → `api.app` (finds the route) → `api.access` (admits its owner) →
`api.reading` (checks the request) → `api.routes` (acts on it) → `jobs.intake` (stores the job once)
→ `store.open_jobs` (sends it and keeps track of it) → `jobs.polling` (reads it back).
"""

from typing import Final

VERSION: Final = "0.1.0"
