"""Published rounds of every feed."""

from __future__ import annotations

import math

from keeper.domain.market import Round
from tests.factories import NOW, PRICES, RISK_SYMBOLS

HOUR = 3_600


def some_rounds() -> dict[str, tuple[Round, ...]]:
    """120 days of hourly prices that swing with incommensurable periods, so that no two assets move alike."""
    return {
        symbol: tuple(
            Round(
                (1 << 64) | (n + 1),
                round(
                    1e8
                    * PRICES[symbol]
                    * math.exp(0.05 * math.sin(n / (5.3 + 2.9 * k)) + 0.01 * math.sin(n * n))
                ),
                NOW - (2_879 - n) * HOUR,
            )
            for n in range(2_880)
        )
        for k, symbol in enumerate(RISK_SYMBOLS)
    }
