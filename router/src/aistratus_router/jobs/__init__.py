"""What callers do with jobs: send a prompt, read its events, cancel and delete."""
