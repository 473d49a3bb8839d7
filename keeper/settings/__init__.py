"""The only reader of environment, ``.env`` and TOML. Out come a frozen ``Policy`` and frozen ``Endpoints``.

Strategy (what to hold, when to trade, at what cost) is in ``keeper.toml``; endpoints and secrets are
in the environment.
"""
