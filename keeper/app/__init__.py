"""Use cases behind the commands: the composition root, the daemon, operator actions and read-only queries."""
