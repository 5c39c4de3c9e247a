"""The API: `handler` is the Lambda's entry; `app` serves what `routes` declares."""
