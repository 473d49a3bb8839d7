"""A blueprint with the names that tokens and pools have on the chain, so that a person can read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hexbytes import HexBytes

from keeper.chain.abi import DecodeError, Function, load
from keeper.chain.admin.deployment import timelock_delay
from keeper.chain.admin.vault_blueprint import VaultBlueprint
from keeper.domain.errors import WrongContract

if TYPE_CHECKING:
    from web3 import Web3

_TOKEN = load("ERC20")
_POOL = load("UniswapV3Pool")


@dataclass(frozen=True, slots=True)
class NamedPool:
    """``symbols`` of token0 and token1; ``fee`` in hundredths of a bp."""

    symbols: tuple[str, str]
    fee: int


@dataclass(frozen=True, slots=True)
class NamedBlueprint:
    """``symbols`` and ``pools`` follow the blueprint's assets and pools. ``admin_delay_s`` is 0 where the timelock is
    new."""

    blueprint: VaultBlueprint
    symbols: tuple[str, ...]
    pools: tuple[NamedPool, ...]
    admin_delay_s: int


def named(w3: Web3, blueprint: VaultBlueprint) -> NamedBlueprint:
    """Raises WrongContract for an asset that is no token, and for a pool that is none or trades another token."""
    admin = blueprint.roles.admin
    symbols = {
        listing.token.lower(): str(_answer(w3, listing.token, _TOKEN["symbol"], what="asset"))
        for listing in blueprint.assets
    }
    return NamedBlueprint(
        blueprint=blueprint,
        symbols=tuple(symbols.values()),
        pools=tuple(_pool(w3, address, symbols) for address in blueprint.pools),
        admin_delay_s=0 if admin is None else timelock_delay(w3, admin),
    )


def _pool(w3: Web3, address: str, symbols: dict[str, str]) -> NamedPool:
    tokens = [str(_answer(w3, address, _POOL[side], what="pool")) for side in ("token0", "token1")]
    for token in tokens:
        if token not in symbols:
            raise WrongContract(
                f"the pool {address} trades {token}, which is none of the blueprint's assets",
                remedy="List that token as an asset, or take the pool out of pools.",
            )
    first, second = (symbols[token] for token in tokens)
    return NamedPool((first, second), int(_answer(w3, address, _POOL["fee"], what="pool")))


def _answer(w3: Web3, address: str, function: Function, what: str) -> Any:
    from web3.exceptions import ContractLogicError

    try:
        data = w3.eth.call({"to": w3.to_checksum_address(address), "data": HexBytes(function.encode())})
        return function.decode(data)[0]
    except (ContractLogicError, DecodeError) as error:
        raise WrongContract(
            f"{address} does not answer {function.signature}: it is no {what}",
            remedy="Correct this address in the blueprint, or the chain of the node.",
        ) from error
