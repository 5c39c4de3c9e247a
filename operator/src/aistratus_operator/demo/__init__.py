"""The system on this machine: a question to it, and the end of its instance."""
