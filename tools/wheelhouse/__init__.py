"""The wheelhouse: a folder with everything that the role `worker` installs, with hashes."""
