"""Budgets of assets, of their classes and of factors: each set sums to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.settings.strategy import AssetTable, ClassTable, SizeTable

ROUNDED_BUDGETS = 0.002
"""Budgets whose sum is nearer to 1 are rounded, such as three of 0.333. They are scaled."""


def require_budgets(assets: Sequence[AssetTable], size: SizeTable) -> None:
    """Raises ValueError naming the budgets that do not sum to 1, and what is wrong with a class."""
    budgets = {asset.symbol: asset.budget for asset in assets}
    classed = _classed(size.classes, budgets)
    alone = {symbol: budget for symbol, budget in budgets.items() if symbol not in classed}
    of_classes = {f"class {each.name}": each.budget for each in size.classes}
    _require_sum("assets", alone | of_classes)
    if size.factors:
        _require_sum("size.factors", {factor.name: factor.budget for factor in size.factors})


def _classed(classes: Sequence[ClassTable], budgets: Mapping[str, float]) -> frozenset[str]:
    """The assets that are in a class. Raises ValueError for one that is unknown or in two."""
    listed = [symbol for each in classes for symbol in each.symbols]
    unknown = sorted(set(listed) - set(budgets))
    if unknown:
        raise ValueError(
            f"size.classes: {', '.join(unknown)} is not one of the assets ({', '.join(budgets)})"
        )
    twice = sorted({symbol for symbol in listed if listed.count(symbol) > 1})
    if twice:
        raise ValueError(f"size.classes: {', '.join(twice)} is listed twice, so its risk budget is unknown")
    return frozenset(listed)


def _require_sum(what: str, budgets: Mapping[str, float]) -> None:
    total = sum(budgets.values())
    if abs(total - 1) <= ROUNDED_BUDGETS:
        return
    given = ", ".join(f"{name} {budget:.10g}" for name, budget in budgets.items())
    scaled = ", ".join(f"{name} {budget / total:.4g}" for name, budget in budgets.items())
    raise ValueError(
        f"{what}: the budgets sum to {total:.10g}, not 1: {given}. In the same proportions they are {scaled}"
    )
