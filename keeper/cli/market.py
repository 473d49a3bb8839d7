"""The strategy and the market that backtest, evaluate and sweep run on: recorded prices, or else generated ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from keeper.backtest.longer_bars import with_longer_bars
from keeper.cli.options import DATA_DIR
from keeper.cli.output import console
from keeper.devnet.generated_path import generated_path
from keeper.devnet.generator import SEED
from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.domain.policy import EstimatePolicy, Policy
from keeper.recorded.derived import DerivedPrice, bases, with_derived
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import CLOSES, GAS_COIN, price_file
from keeper.settings.load import load_variant
from keeper.settings.policy import policy as policy_of

NO_CHANGES: Mapping[str, float] = MappingProxyType({})


def policy_and_market(
    strategy: Path | None,
    data: Path | None,
    *,
    since: datetime | None,
    until: datetime | None,
    derived: Sequence[DerivedPrice] = (),
    changes: Mapping[str, float] = NO_CHANGES,
) -> tuple[Policy, MarketPath]:
    """The policy of a strategy file, with ``changes`` of settings by dotted name, and the market of its assets.
    Raises BadInput, InvalidSetting."""
    policy = policy_of(load_variant(strategy, changes))
    symbols = tuple(asset.symbol for asset in policy.assets)
    path = market_path(data, symbols, since=since, until=until, estimate=policy.estimate, derived=derived)
    return policy, path


def market_path(
    data: Path | None,
    symbols: Sequence[str],
    *,
    since: datetime | None,
    until: datetime | None,
    estimate: EstimatePolicy,
    derived: Sequence[DerivedPrice] = (),
) -> MarketPath:
    """Bars of the estimate's length from the day ``since`` to the end of the day ``until``, and the estimate's history
    before; None means all there are. The screen says where they come from and what was repaired.

    Prices of ``derived`` follow from others. ``data`` None: the folder in KEEPER_DATA_DIR, else ``DATA_DIR``. Raises
    BadInput if ``data`` is given and has no recorded prices, and for a range or an asset that the market does not have.
    """
    folder = data or Path(os.environ.get("KEEPER_DATA_DIR") or DATA_DIR)
    end = None if until is None else until + timedelta(days=1)
    screen = console(to_stderr=True)
    if price_file(folder) is not None:
        screen.print(f"Market: recorded prices in {folder}")
        path = recorded_path(
            folder,
            bases(derived, symbols) or (GAS_COIN,),
            since,
            until=end,
            max_gap_s=estimate.max_gap_s,
            warm_up_s=estimate.history_s,
        )
        path = with_derived(path, derived, symbols, data_dir=folder) if derived else path
        path = with_longer_bars(path, estimate.bar_seconds)
        for note in path.notes:
            screen.print(f"  {note}", markup=False)
        return path
    if data is not None:
        raise BadInput(
            f"--data {folder}: there is no {CLOSES}.csv in it",
            remedy="Name a folder of recorded history (docs/data.md has its format), or leave --data out to run on "
            "generated prices.",
        )
    screen.print(
        f"Market: GENERATED, seed {SEED}, because {folder} has no {CLOSES}.csv. "
        "It shows how the keeper works, not what it would have earned."
    )
    path = generated_path(bases(derived, symbols) or (GAS_COIN,), since, end, seed=SEED)
    path = with_derived(path, derived, symbols, data_dir=folder) if derived else path
    return with_longer_bars(path, estimate.bar_seconds)
