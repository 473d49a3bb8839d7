"""The only reader of environment, ``.env`` and TOML. It returns a frozen ``Policy`` and frozen ``Endpoints``.

The strategy (what to hold, when to trade, at what cost) is in ``keeper.toml``. Endpoints and secrets are in the
environment.
"""
