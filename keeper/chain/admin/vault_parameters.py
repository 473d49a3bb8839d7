"""Parameters of a new vault: addresses, the admin's limits, the allowlist."""

from __future__ import annotations

from dataclasses import dataclass, fields

from keeper.domain.errors import InvalidSetting
from keeper.domain.units import BPS, WAD

NO_ADDRESS = "0x" + "00" * 20
DEFAULT_FEE_TIERS = (500, 3_000)
DEFAULT_MAX_WEIGHT_BPS = 15_000


@dataclass(frozen=True, slots=True)
class PolicyParameters:
    """IRiskParityVault.Policy, field for field and in its order.

    Ratios have 18 decimals, intervals are seconds, bps are of the net asset value (NAV). The defaults fit
    four liquid assets against USDC. The minimum health factor survives a fall by a quarter. Six times NAV may be sold
    in a day. A stolen key costs at once at most 1.5 % of NAV in rebalances and 9 % in deleveragings.
    """

    min_health_factor: int = 135 * WAD // 100
    max_leverage: int = 25 * WAD // 10
    ripcord_health_factor: int = 115 * WAD // 100
    ripcord_target_health_factor: int = 15 * WAD // 10
    min_interval: int = 600
    ripcord_interval: int = 900
    max_loss_bps: int = 75
    max_emergency_loss_bps: int = 300
    max_daily_loss_bps: int = 150
    max_daily_emergency_loss_bps: int = 900
    max_daily_turnover_bps: int = 6 * BPS
    max_oracle_gap_bps: int = 200


@dataclass(frozen=True, slots=True)
class AssetParameters:
    """IRiskParityVault.AssetConfig: addresses, seconds, bps of NAV."""

    token: str
    feed: str
    max_age_s: int
    max_weight_bps: int = DEFAULT_MAX_WEIGHT_BPS
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class VaultParameters:
    """All parameters of a new vault. ``assets`` starts with the accounting (and debt) asset."""

    asset: str
    lending_pool: str
    swap_router: str
    swap_factory: str
    admin: str
    keeper: str
    guardian: str
    assets: tuple[AssetParameters, ...]
    fee_tiers: tuple[int, ...] = DEFAULT_FEE_TIERS
    policy: PolicyParameters = PolicyParameters()
    sequencer_feed: str = NO_ADDRESS
    sequencer_grace_s: int = 0
    name: str = "Risk Parity Vault"
    symbol: str = "RPV"


def check(parameters: VaultParameters) -> None:
    """Raises InvalidSetting for values that are wrong on every chain. It names the field."""
    required = ("asset", "lending_pool", "swap_router", "swap_factory", "admin", "keeper", "guardian")
    for address_field in required:
        _require_address(address_field, getattr(parameters, address_field))
    if parameters.keeper.lower() == parameters.admin.lower():
        raise InvalidSetting(
            f"keeper = {parameters.keeper} is the admin as well",
            remedy="Use another account as admin: a stolen keeper key must not be able to loosen the limits.",
        )
    if not parameters.assets or parameters.assets[0].token.lower() != parameters.asset.lower():
        raise InvalidSetting(
            f"assets does not start with the accounting asset {parameters.asset}",
            remedy="List the accounting asset with its feed first.",
        )
    for number, entry in enumerate(parameters.assets):
        _require_address(f"assets[{number}].token", entry.token)
        _require_address(f"assets[{number}].feed", entry.feed)
        if type(entry.max_age_s) is not int or entry.max_age_s <= 0:
            raise InvalidSetting(
                f"assets[{number}].max_age_s = {entry.max_age_s!r}",
                remedy="Use the feed's heartbeat and a margin.",
            )
    for field in fields(PolicyParameters):
        limit = getattr(parameters.policy, field.name)
        if type(limit) is not int or limit < 0:
            raise InvalidSetting(
                f"policy.{field.name} = {limit!r} is not a whole number",
                remedy="Use 18 decimals, seconds or bps.",
            )
    tokens = [entry.token.lower() for entry in parameters.assets]
    if len(set(tokens)) != len(tokens):
        raise InvalidSetting("assets names a token twice", remedy="Give each token one entry.")
    if not parameters.fee_tiers:
        raise InvalidSetting("fee_tiers is empty", remedy="Allow at least one Uniswap fee tier, such as 500.")


def _require_address(field: str, value: str) -> None:
    from eth_utils.address import is_address

    if not is_address(value) or int(value, 16) == 0:
        raise InvalidSetting(
            f"{field} = {value!r} is not the address of a contract or an account",
            remedy="Use 0x and 40 hexadecimal digits.",
        )
