"""What callers may send and what they get: requests, responses and problems."""
