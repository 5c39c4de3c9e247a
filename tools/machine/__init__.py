"""Throw-away Debian machines with a real systemd, for tests of what runs on the instance.

A root is made once and kept in the person's cache. A machine is a free copy of it (an overlay),
booted by systemd-nspawn with its own network, with sshd inside. It starts in about two seconds and
leaves nothing behind.

    sudo env PYTHONPATH=tools python3 -m machine start demo
    sudo env PYTHONPATH=tools python3 -m machine ssh demo systemctl status
    sudo env PYTHONPATH=tools python3 -m machine stop demo
"""
