"""The wheelhouse: a folder with all that the role `worker` installs, each file by its hash."""
