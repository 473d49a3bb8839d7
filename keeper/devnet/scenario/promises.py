"""What a scenario must show of the keeper, whatever the market does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from keeper.devnet.scenario.hours import ScenarioResult


@dataclass(frozen=True, slots=True)
class Promise:
    """``broken`` has a sentence for each time that it was not kept."""

    name: str
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return not self.broken


def promises(result: ScenarioResult) -> tuple[Promise, ...]:
    """In the order in which they are shown."""
    liquidations = tuple(
        f"{moment_of(hour.at)}: the vault was liquidated"
        for hour in result.hours
        if result.vault in hour.liquidated
    )
    lever_ups = tuple(
        f"{moment_of(hour.at)}: leverage from {hour.leverage:.3f} to {hour.leverage_after:.3f} while "
        + "; ".join(
            [
                *(f"the feed of {each} is wrong" for each in hour.wrong_feeds),
                *(f"{each} is missing" for each in hour.missing),
            ]
        )
        for hour in result.hours
        if hour.levered_up and hour.on_bad_data
    )
    low = tuple(
        f"{moment_of(hour.at)}: health factor {hour.health_after:.3f} after the keeper's own transaction, "
        f"emergency level {result.act_health_factor:.2f}"
        for hour in result.sent
        if hour.health_after < result.act_health_factor
    )
    return (
        Promise("the vault is never liquidated", liquidations),
        Promise("leverage is never raised on bad data", lever_ups),
        Promise("no transaction of the keeper leaves the health factor below the emergency level", low),
    )


def moment_of(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
