"""Joins the parts: settings in, a ``Keeper`` out. The only place that knows which class stands behind which port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keeper import __version__
from keeper.chain.deployment import Addresses
from keeper.chain.node import Node
from keeper.chain.rpc import Rpc
from keeper.cycle import Keeper
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.record import DecisionRecord, Mode
from keeper.feeds.deribit import Deribit
from keeper.settings.load import deployed_symbols
from keeper.settings.schema import Settings
from keeper.settings.to_domain import Endpoints, endpoints, held, key_source, policy, settings_hash

if TYPE_CHECKING:
    from keeper.tx.signer import Allowed, LocalSigner

AskPassword = Callable[[], str]
Progress = Callable[[str], None]


class SystemClock:
    """ports.Clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class NoRecords:
    """ports.Records of a simulation: it changes nothing, so it keeps nothing."""

    def append(self, record: DecisionRecord) -> None:
        del record


def strategy(settings: Settings, progress: Progress) -> Policy:
    """The policy of the assets that are there: a deployment file may say that some had too little history."""
    whole, deployed = policy(settings), deployed_symbols(settings)
    if deployed is None:
        return whole
    kept, left_out = held(whole, deployed)
    if left_out:
        progress(f"{', '.join(left_out)} not in this deployment: left out, the other budgets scaled to sum to 1")
    return kept


def node_at(rpc: Rpc, where: Endpoints, wanted: Policy, keeper: str, progress: Progress) -> Node:
    """The node behind ``rpc``, looking at the settings' vault and assets with the keeper's account."""
    addresses = Addresses(vault=where.vault, multicall=where.multicall, quoter=where.quoter)
    symbols = [asset.symbol for asset in wanted.assets]
    return Node(rpc, addresses, where.chain_id, symbols, keeper, progress)


def acting_account(settings: Settings) -> str:
    """Whose calls are simulated, without opening any key: the key's account, or KEEPER_SENDER. Raises InvalidSetting."""
    from keeper.tx.signer import from_development_key

    source = key_source(settings)
    if source.private_key is not None:
        return from_development_key(source.private_key, _allowed(endpoints(settings))).address
    if source.keystore is not None:
        named = _keystore_address(source.keystore)
        if named is not None:
            return named
    if settings.sender is not None:
        return settings.sender
    raise InvalidSetting(
        "no key is set, so the keeper's account is not known",
        remedy="Set KEEPER_KEYSTORE, or KEEPER_SENDER to the keeper's address where nothing will be signed.",
    )


def signer(settings: Settings, ask_password: AskPassword) -> LocalSigner:
    """The key, opened. Raises InvalidSetting when there is none, or its password is wrong."""
    from keeper.tx.signer import from_development_key, from_keystore

    source, allowed = key_source(settings), _allowed(endpoints(settings))
    if source.keystore is not None:
        file = source.password_file
        return from_keystore(source.keystore, ask_password if file is None else lambda: _first_line(file), allowed)
    if source.private_key is not None:
        return from_development_key(source.private_key, allowed)
    raise InvalidSetting(
        "no key is set, so nothing can be signed",
        remedy="Set KEEPER_KEYSTORE to an encrypted keystore (V3) file and KEEPER_KEYSTORE_PASSWORD_FILE.",
    )


def _allowed(where: Endpoints) -> Allowed:
    from keeper.tx.signer import Allowed

    return Allowed(chain_id=where.chain_id, vault=where.vault)


def _keystore_address(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {path}: cannot be read", remedy="Point it to an encrypted keystore (V3) file."
        ) from None
    address = content.get("address") if isinstance(content, dict) else None
    return f"0x{address.removeprefix('0x')}" if isinstance(address, str) else None


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise InvalidSetting(
            f"KEEPER_KEYSTORE_PASSWORD_FILE = {path}: cannot be read",
            remedy="Point it to a readable file whose first line is the password.",
        ) from None


@contextmanager
def build(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress = lambda _: None
) -> Iterator[Keeper]:
    """A keeper that can do what ``mode`` says and no more; everything it opened is closed on leaving.

    SIMULATE keeps rounds in memory and records nowhere. Only EXECUTE and LIVE can sign. Raises InvalidSetting,
    AlreadyRunning, JournalCorrupt, JournalUnwritable.
    """
    where, wanted = endpoints(settings), strategy(settings, progress)
    with ExitStack() as stack:
        rpc = stack.enter_context(Rpc(where.rpc_url))
        implied = Deribit(where.deribit_url)
        stack.callback(implied.close)
        if mode is Mode.SIMULATE:
            address = known_address(settings)
        yield Keeper(
            policy=wanted,
            chain=node_at(rpc, where, wanted, address, progress),
            rounds=rounds,
            implied=implied,
            sender=sender,
            records=records,
            clock=SystemClock(),
            code_version=__version__,
            settings_hash=settings_hash(settings),
        )
