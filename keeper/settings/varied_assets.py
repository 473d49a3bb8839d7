"""The ``[[assets]]`` of a strategy with one of them changed, or with some of them alone, for sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keeper.domain.errors import InvalidSetting
from keeper.settings.strategy import AssetTable

ASSETS = "assets"
BETWEEN_ENTRIES = "+"
"""Of a list in one word, because a comma separates values."""
Tables = Sequence[Mapping[str, Any]]


def changes_assets(name: str) -> bool:
    """Whether the dotted name is ``assets``, or ``assets.SYMBOL.field``."""
    return name.split(".")[0] == ASSETS


def varied(tables: Tables, changes: Mapping[str, Any]) -> Tables:
    """``tables`` with ``assets`` = "WBTC+WETH" (these alone) and ``assets.WBTC.max_weight`` = 0.5 (that field). The
    budgets that are not set share what is left in their proportions. Raises InvalidSetting that names the change."""
    left = {str(table["symbol"]): dict(table) for table in tables if "symbol" in table}
    if ASSETS in changes:
        symbols = str(changes[ASSETS]).split(BETWEEN_ENTRIES)
        if len(symbols) > len(set(symbols)):
            raise InvalidSetting(
                f"--set {ASSETS}={changes[ASSETS]}: an asset comes twice", remedy="Name each asset once."
            )
        left = {symbol: _known(left, symbol, ASSETS) for symbol in symbols}
    fixed = set()
    for name, value in changes.items():
        if name == ASSETS:
            continue
        _, symbol, field = _parts(name)
        _known(left, symbol, name)[field] = value
        if field == "budget":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidSetting(
                    f"--set {name}={value}: a budget is a number", remedy="Write a share above 0 and up to 1."
                )
            fixed.add(symbol)
    if fixed or ASSETS in changes:
        _share_rest(left, fixed)
    return list(left.values())


def _parts(name: str) -> list[str]:
    parts = name.split(".")
    if len(parts) != 3 or parts[2] not in AssetTable.model_fields:
        raise InvalidSetting(
            f"--set {name}: not a setting of an asset",
            remedy=f"Write assets.SYMBOL and one of {', '.join(AssetTable.model_fields)}; or assets=WBTC+WETH,WBTC.",
        )
    return parts


def _known(tables: Mapping[str, dict[str, Any]], symbol: str, name: str) -> dict[str, Any]:
    if symbol not in tables:
        raise InvalidSetting(
            f"--set {name}: the strategy has no asset {symbol!r}",
            remedy=f"It has {', '.join(tables)}. Add its [[assets]] table to the strategy file.",
        )
    return tables[symbol]


def _share_rest(tables: Mapping[str, dict[str, Any]], fixed: set[str]) -> None:
    rest = {symbol: table for symbol, table in tables.items() if symbol not in fixed}
    due = 1.0 - sum(float(tables[symbol]["budget"]) for symbol in fixed)
    total = sum(float(table["budget"]) for table in rest.values())
    for table in rest.values():
        table["budget"] = float(table["budget"]) * due / total
