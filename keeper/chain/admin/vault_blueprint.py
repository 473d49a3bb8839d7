"""What a new vault is told: roles, numbers, lists, terms of the shares."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeVar

from keeper.domain.addresses import checksummed
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import VaultPolicy
from keeper.domain.units import WAD

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
V = TypeVar("V", dict[str, Any], list[Any], tuple[Any, ...])
NOBODY = "0x" + "00" * 20
MIN_TIMELOCK_S = 86_400
"""PolicyRegistry.MIN_TIMELOCK."""
UINT128_MAX = 2**128 - 1
LARGEST = (
    ("decimals", 2**8 - 1),
    ("dust_exponent", 2**8 - 1),
    ("daily_turnover_bps", 2**32 - 1),
    ("_bps", 2**16 - 1),
    ("_s", 2**32 - 1),
    ("_interval", 2**32 - 1),
    ("_health", 2**64 - 1),
    ("max_leverage", 2**64 - 1),
    ("cap", UINT128_MAX),
)
"""Endings of names, and the largest number that the contracts' fields hold. The first that fits counts."""
SHIPPED_POLICY = VaultPolicy(
    min_health=135 * WAD // 100,
    emergency_health=125 * WAD // 100,
    target_health=135 * WAD // 100,
    ripcord_health=115 * WAD // 100,
    max_leverage=21 * WAD // 10,
    min_interval=600,
    ripcord_interval=900,
    max_loss_bps=130,
    daily_loss_bps=130,
    daily_turnover_bps=14_000,
    max_gap_bps=100,
    guardian_loss_bps=10,
    emergency_loss_bps=150,
    ripcord_loss_bps=150,
)
"""The tightest that the backtest and the crash windows of docs/vault.md do not hit."""


@dataclass(frozen=True, slots=True)
class VaultRoles:
    """Accounts with power. ``admin`` is a timelock that exists, or None where one is deployed with the vault."""

    keeper: str
    guardian: str
    operations: str
    admin: str | None = None


@dataclass(frozen=True, slots=True)
class TimelockTerms:
    """OpenZeppelin's TimelockController. ``proposers`` may cancel as well; nobody is above the timelock."""

    delay_s: int
    proposers: tuple[str, ...]
    executors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssetListing:
    """IPolicyRegistry's Asset and FeedListing. Less than 10^``dust_exponent`` raw units counts for nothing."""

    token: str
    decimals: int
    feed: str
    max_age_s: int
    dust_exponent: int
    max_weight_bps: int = 11_000
    slippage_bps: int = 100
    lag_bps: int = 50
    enabled: bool = True
    borrowable: bool = False


@dataclass(frozen=True, slots=True)
class ShareTerms:
    """Fees.Terms, field for field and in its order. ``cap`` is raw units of the accounting asset."""

    cap: int = UINT128_MAX
    allowed_only: bool = False
    management_bps: int = 0
    performance_bps: int = 0
    spread_bps: int = 5
    fee_receiver: str = NOBODY


@dataclass(frozen=True, slots=True)
class VaultBlueprint:
    """Everything that a new vault is told.

    ``assets`` starts with the accounting asset. ``accounts`` has one Aave eMode category per account, 0 for none.
    ``silence_s`` without a sign of keeper and admin let anybody wind the vault down. ``batch_interval_s`` are between
    two closings of batches.
    """

    lending_pool: str
    swap_factory: str
    roles: VaultRoles
    assets: tuple[AssetListing, ...]
    pools: tuple[str, ...]
    timelock: TimelockTerms | None = None
    policy: VaultPolicy = SHIPPED_POLICY
    terms: ShareTerms = field(default_factory=ShareTerms)
    accounts: tuple[int, ...] = (0,)
    sequencer_feed: str = NOBODY
    sequencer_grace_s: int = 0
    silence_s: int = 30 * 86_400
    batch_interval_s: int = 3_600
    name: str = "Risk Parity Vault"
    symbol: str = "RPV"


def blueprint_from_toml(text: str, timelock_s: int | None = None) -> VaultBlueprint:
    """Reads a VaultBlueprint: its fields at the top level, tables [roles], [policy], [terms], one [[assets]] a token.

    ``timelock_s`` deploys a timelock with this delay, for the proposers and executors of [timelock]. Raises
    InvalidSetting.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidSetting(
            f"the blueprint of the vault is not TOML: {error}", remedy="Correct that line."
        ) from None
    timelock, listings = content.pop("timelock", {}), content.pop("assets", [])
    values = {
        "roles": _built(VaultRoles, "roles", content.pop("roles", {})),
        "policy": _built(
            VaultPolicy,
            "policy",
            {**asdict(SHIPPED_POLICY), **_of_type(dict, "policy", content.pop("policy", {}))},
        ),
        "terms": _built(ShareTerms, "terms", content.pop("terms", {})),
        "timelock": None if timelock_s is None else _timelock(timelock_s, timelock),
        "assets": tuple(
            _built(AssetListing, f"assets[{number}]", entry)
            for number, entry in enumerate(_of_type(list, "assets", listings))
        ),
        **content,
    }
    blueprint = _built(VaultBlueprint, "the vault", values)
    check(blueprint)
    return blueprint


def check(blueprint: VaultBlueprint) -> None:
    """Raises InvalidSetting for values that are wrong on every chain. It names the field."""
    _check_roles(blueprint)
    if not blueprint.assets:
        raise InvalidSetting("assets is empty", remedy="List the accounting asset first, then the others.")
    for place, address in _addresses(blueprint):
        _require_address(place, address)
    _require_once("assets", [listing.token for listing in blueprint.assets])
    _require_once("pools", list(blueprint.pools))
    _check_accounts(blueprint.accounts)
    for place in ("name", "symbol"):
        if not isinstance(getattr(blueprint, place), str):
            raise InvalidSetting(
                f"{place} = {getattr(blueprint, place)!r} is no text", remedy="Put it in quotation marks."
            )
    for part, values in (("policy", blueprint.policy), ("terms", blueprint.terms), ("the vault", blueprint)):
        _require_whole_numbers(part, values)
    for number, listing in enumerate(blueprint.assets):
        _require_whole_numbers(f"assets[{number}]", listing)


def _addresses(blueprint: VaultBlueprint) -> Iterator[tuple[str, object]]:
    """Of contracts, and of who gets the fees."""
    for place in ("lending_pool", "swap_factory"):
        yield place, getattr(blueprint, place)
    for number, listing in enumerate(blueprint.assets):
        yield f"assets[{number}].token", listing.token
        yield f"assets[{number}].feed", listing.feed
    for number, pool in enumerate(_of_type(tuple, "pools", blueprint.pools)):
        yield f"pools[{number}]", pool
    if blueprint.sequencer_feed != NOBODY:
        yield "sequencer_feed", blueprint.sequencer_feed
    if blueprint.terms.fee_receiver != NOBODY:
        yield "terms.fee_receiver", blueprint.terms.fee_receiver


def _check_accounts(accounts: tuple[int, ...]) -> None:
    if not accounts:
        raise InvalidSetting("accounts is empty", remedy="Open at least one account: accounts = [0].")
    for number, category in enumerate(_of_type(tuple, "accounts", accounts)):
        if type(category) is not int or not 0 <= category < 2**8:
            raise InvalidSetting(
                f"accounts[{number}] = {category!r} is no eMode category of Aave",
                remedy="Give a category from 1 to 255, or 0 for none.",
            )


def _check_roles(blueprint: VaultBlueprint) -> None:
    """Whoever has two roles has the power of both, and a stolen key as well."""
    roles, timelock = blueprint.roles, blueprint.timelock
    holders = {name: getattr(roles, name) for name in ("keeper", "guardian", "operations")}
    if (roles.admin is None) == (timelock is None):
        raise InvalidSetting(
            "roles.admin and a new timelock are both given or both missing",
            remedy="Name a timelock that exists as roles.admin, or deploy one with --timelock SECONDS.",
        )
    if roles.admin is not None:
        holders["admin"] = roles.admin
    for name, holder in holders.items():
        _require_address(f"roles.{name}", holder)
    if timelock is not None:
        _check_timelock(timelock)
        holders |= {f"timelock.proposers[{n}]": at for n, at in enumerate(timelock.proposers)}
    for (role, first), (other, second) in combinations(holders.items(), 2):
        if first.lower() == second.lower() and not role.startswith("timelock."):
            raise InvalidSetting(
                f"{role} and {other} are both {first}",
                remedy="Give each role an account of its own: a stolen key must not have two powers.",
            )


def _check_timelock(timelock: TimelockTerms) -> None:
    _require_whole_numbers("timelock", timelock)
    if timelock.delay_s < MIN_TIMELOCK_S:
        raise InvalidSetting(
            f"the timelock's delay of {timelock.delay_s} s is under {MIN_TIMELOCK_S} s",
            remedy="The registry takes no admin with a shorter delay. Give a day or more.",
        )
    for name in ("proposers", "executors"):
        if not _of_type(tuple, f"timelock.{name}", getattr(timelock, name)):
            raise InvalidSetting(
                f"timelock.{name} names nobody", remedy="Without them nobody could change the vault's limits."
            )
        for number, account in enumerate(getattr(timelock, name)):
            _require_address(f"timelock.{name}[{number}]", account)


def _timelock(delay_s: int, table: Any) -> TimelockTerms:
    people = dict(_of_type(dict, "timelock", table))
    proposers = people.pop("proposers", [])
    executors = people.pop("executors", proposers)
    return _built(
        TimelockTerms,
        "timelock",
        {**people, "delay_s": delay_s, "proposers": proposers, "executors": executors},
    )


def _of_type(kind: type[V], place: str, value: Any) -> V:
    if not isinstance(value, kind):
        written = "a table" if kind is dict else "a list"
        raise InvalidSetting(f"{place} = {value!r} is not {written}", remedy="Write it as in the example.")
    return value


def _require_once(place: str, addresses: list[str]) -> None:
    seen = [address.lower() for address in addresses]
    for address in seen:
        if seen.count(address) > 1:
            raise InvalidSetting(f"{place} names {address} twice", remedy="Name it once.")


def _require_address(place: str, value: object) -> None:
    remedy = "Copy the address of the contract or the account again."
    try:
        if int(checksummed(value), 16) == 0:
            raise InvalidSetting(f"{place} is the zero address", remedy=remedy)
    except ValueError as error:
        raise InvalidSetting(f"{place} = {value!r} is {error}", remedy=remedy) from None


def _require_whole_numbers(part: str, values: DataclassInstance) -> None:
    for entry in fields(values):
        number = getattr(values, entry.name)
        if entry.type == "int" and (type(number) is not int or number < 0):
            raise InvalidSetting(
                f"{part}: {entry.name} = {number!r} is not a whole number",
                remedy="Ratios have 18 decimals, times are seconds, costs bps, amounts raw units.",
            )
        largest = next((most for ending, most in LARGEST if entry.name.endswith(ending)), UINT128_MAX)
        if entry.type == "int" and number > largest:
            raise InvalidSetting(
                f"{part}: {entry.name} = {number} is more than its contract holds, {largest}",
                remedy="Ratios have 18 decimals, times are seconds, costs bps, amounts raw units.",
            )
        if entry.type == "bool" and type(number) is not bool:
            raise InvalidSetting(f"{part}: {entry.name} = {number!r}", remedy="Write true or false.")


def _built(kind: type[T], place: str, table: Any) -> T:
    values = _of_type(dict, place, table)
    known = {entry.name: entry.type for entry in fields(kind)}
    foreign = sorted(set(values) - set(known))
    if foreign:
        raise InvalidSetting(
            f"{place}: unknown {', '.join(foreign)}", remedy=f"Known are {', '.join(sorted(known))}."
        )
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return kind(**listed)
    except TypeError as error:
        raise InvalidSetting(f"{place}: {error}", remedy="Give every value that has no default.") from None
