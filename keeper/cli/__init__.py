"""The ``keeper`` command. Every command imports late what it needs: ``keeper --help`` answers at once."""
