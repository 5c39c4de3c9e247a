"""systemd-python, where it is installed: on the image.

It is compiled against libsystemd, which macOS and most containers lack; there both names are None,
and the services do without (see `notify` and `logs`).
"""

try:
    from systemd import daemon, journal
except ImportError:
    daemon = journal = None

__all__ = ["daemon", "journal"]
