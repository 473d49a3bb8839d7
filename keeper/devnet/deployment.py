"""The deployment file of a local chain. The keeper's settings are at its top level."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from keeper.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class TokenEntry:
    address: str
    decimals: int
    feed: str


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """``symbols`` are token0 and token1; ``fee`` in hundredths of a bp, as Uniswap counts."""

    address: str
    symbols: tuple[str, str]
    fee: int


@dataclass(frozen=True, slots=True)
class DevnetDeployment:
    """``vault`` is the address of its shares. ``private_key`` is the keeper's: Anvil's public development key, worth
    nothing anywhere else.

    ``prices`` and ``implied_volatility`` are "recorded", "generated" or "none"; ``left_out`` says per name
    what is missing and why. ``at`` is the chain's first second, Unix time. ``exchange_url`` answers for all three
    exchanges. ``native_feed`` prices gas. ``roles_modifier`` and ``role`` are those of a key that acts as a Safe.
    """

    rpc_url: str
    chain_id: int
    vault: str
    quoter: str
    multicall: str
    deribit_url: str | None
    private_key: str
    at: int
    prices: str
    implied_volatility: str
    left_out: dict[str, str]
    notes: tuple[str, ...]
    contracts: dict[str, str]
    tokens: dict[str, TokenEntry]
    pools: tuple[PoolEntry, ...]
    accounts: dict[str, str]
    exchange_url: str | None = None
    native_feed: str | None = None
    roles_modifier: str | None = None
    role: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Writes the file in one step, so that a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        unfinished.write_text(self.to_json())
        unfinished.replace(path)


def read(path: Path) -> DevnetDeployment:
    """Reads a deployment file. Raises BadInput if it is missing or is not one."""
    try:
        return TypeAdapter(DevnetDeployment).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInput(
            f"{path} is not a deployment file: {error}",
            remedy="Point to the file that `keeper devnet` wrote.",
        ) from error
