"""One colour for each strategy, asset and kind, everywhere; told apart by colour-blind eyes (Okabe and Ito 2008)."""

from __future__ import annotations

STRATEGY = "#0072B2"
BENCHMARKS = ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C8C8C", "#A07A1F", "#7A5CC4")
ASSETS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#A07A1F", "#8C8C8C")
KINDS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#8C8C8C", "#D55E00")
TRADES = ("#D55E00", "#CC79A7", "#E6B800", "#009E73", "#56B4E9")
QUIET = "#8C8C8C"
ALARM = "#D55E00"


def cycled(colours: tuple[str, ...], place: int) -> str:
    return colours[place % len(colours)]
