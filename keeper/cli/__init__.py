"""The ``keeper`` command: one file per command, imported when it runs, so that ``keeper --help`` is fast."""
