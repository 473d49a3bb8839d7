"""The market that backtest, evaluate and sweep run on: recorded where its files are, else generated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keeper.domain.path import MarketPath

DATA_DIR = Path("../shared/data")


def market_path(
    data: Path | None,
    symbols: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    max_gap_s: int,
) -> MarketPath:
    """Hourly bars from the day ``since`` to the end of the day ``until`` (None: all there is); says which on screen.

    ``data`` None: the folder in KEEPER_DATA_DIR, else ``DATA_DIR``. Raises BadInput when ``data`` is given and holds
    no recorded prices, and for a range or asset that the market does not have.
    """
    from keeper.cli.output import console
    from keeper.devnet.generated_path import generated_path
    from keeper.devnet.generator import SEED
    from keeper.domain.errors import BadInput
    from keeper.recorded.path import recorded_path
    from keeper.recorded.prices import PRICE_FILE

    folder = data or Path(os.environ.get("KEEPER_DATA_DIR") or DATA_DIR)
    end = None if until is None else until + timedelta(days=1)
    screen = console(to_stderr=True)
    if (folder / PRICE_FILE).is_file():
        screen.print(f"Market: recorded prices in {folder}")
        return recorded_path(folder, symbols, since, end, max_gap_s)
    if data is not None:
        raise BadInput(
            f"data: {folder} holds no {PRICE_FILE}",
            remedy="Name a folder of recorded history, or leave --data out to run on generated prices.",
        )
    screen.print(
        f"Market: GENERATED, seed {SEED} ({folder} holds no {PRICE_FILE}): "
        "it shows how the keeper works, not what it would have earned"
    )
    return generated_path(symbols, since, end, SEED)
