"""The ``keeper`` command: one file per command. Each command imports late, so that ``keeper --help`` is fast."""
