"""The steward: `handler` is its Lambda's entry; `sweep` is one run."""
