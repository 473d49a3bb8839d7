"""Compiled code that shows at which bars the live functions need not be asked."""

import keeper.risk.compiled  # noqa: F401  # its cache, before anything here is compiled
