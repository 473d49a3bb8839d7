"""``keeper doctor``: what can be wrong before it runs, one file per group of lines."""
