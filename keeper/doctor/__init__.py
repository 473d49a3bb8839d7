"""``keeper doctor``: checks of everything that can be wrong before the keeper runs. One file per group of checks."""
