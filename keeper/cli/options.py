"""Options that several commands share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from keeper.devnet.universe import UniverseName
from keeper.domain.errors import BadInput

DAY = ["%Y-%m-%d"]
DATA_DIR = Path("../shared/data")
MINUTE = [*DAY, "%Y-%m-%dT%H:%M"]

UniverseOption = Annotated[
    UniverseName,
    typer.Option(
        "--universe",
        help="Assets of the chain: four crypto tokens, or gold and staked ETH beside bitcoin.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        help="Also show every bound on leverage, opinions on prices, and how volatility was estimated.",
    ),
]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="Show what would be done. Signs nothing and changes nothing.")
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save", help="Write the cycle with all its inputs to this file, for `keeper replay FILE`."
    ),
]
RecordId = Annotated[str, typer.Argument(help="Id of the record, or its first characters.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        help="First day of decisions, UTC. Earlier history warms up the estimator. Default: all there is.",
        formats=DAY,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option("--to", help="Last day of prices, UTC. Default: all there are.", formats=DAY),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder of recorded market history. Default: KEEPER_DATA_DIR.")
]
StrategyFile = Annotated[
    Path | None,
    typer.Option("--strategy", help="Strategy file. Default: ./keeper.toml. The environment is not read."),
]
DEFAULT_NAV_USD = 250_000.0
MIN_NAV_USD = 1_000.0
VenueFile = Annotated[
    Path | None,
    typer.Option("--venue", help="TOML file with lending terms and pools of your own (docs/data.md)."),
]
MAX_NAV_USD = 1e12


def _nav(value: float) -> float:
    if not MIN_NAV_USD <= value <= MAX_NAV_USD:
        raise BadInput(
            f"--nav {value:g} is not the value of a vault",
            remedy=f"Choose from {MIN_NAV_USD:,.0f} to {MAX_NAV_USD:,.0f} USD.",
        )
    return value


Nav = Annotated[float, typer.Option("--nav", callback=_nav, help="Value of the vault at the start, USD.")]
ChainEnd = Annotated[
    datetime | None,
    typer.Option("--at", help="Date on which the history of the chain ends, UTC.", formats=MINUTE),
]
HistoryFolder = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="KEEPER_DATA_DIR",
        help="Folder of recorded history. Without it prices are generated.",
    ),
]
