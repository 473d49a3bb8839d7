"""The cycle: the loop, its pure pipeline, the ports that it needs, and the replay of a record."""
