"""Names of the sets of assets that a local chain can have."""

from __future__ import annotations

from enum import StrEnum


class UniverseName(StrEnum):
    """Which assets a local chain has."""

    FOUR_TOKENS = "four-tokens"
    ALL_WEATHER = "all-weather"
