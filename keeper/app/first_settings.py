"""The first settings for a vault, from what the chain says of it: a commented strategy file and a ``.env``."""

from __future__ import annotations

from pathlib import Path

from keeper.address_book.book import book
from keeper.domain.errors import BadInput
from keeper.domain.units import BPS, WAD
from keeper.domain.vault_state import ListedAsset, VaultState
from keeper.settings.endpoints import REFERENCES
from keeper.settings.schema import Settings
from keeper.settings.strategy import AssetTable, SizeTable
from keeper.settings.strategy_file import PREAMBLE, strategy_file

OPTION_MARKETS = ("BTC", "ETH")
DIGITS = 4
"""Of a budget."""
STRATEGY_FILE, ENV_FILE = "keeper.toml", ".env"


def write_first_settings(
    state: VaultState, *, rpc_url: str, quoter: str | None, directory: Path
) -> tuple[Path, Path]:
    """Writes both files and returns their paths. Raises BadInput where one exists, or where the vault lists no risk
    asset."""
    strategy, environment = directory / STRATEGY_FILE, directory / ENV_FILE
    there = [str(path) for path in (strategy, environment) if path.exists()]
    if there or not directory.is_dir():
        raise BadInput(
            f"{', '.join(there)} exists" if there else f"there is no directory {directory}",
            remedy="Nothing was written. Move it away, or name another --directory that exists.",
        )
    strategy.write_text(first_strategy(state), encoding="utf-8")
    environment.touch(mode=0o600)
    content = first_environment(state, rpc_url=rpc_url, quoter=quoter, directory=directory.absolute())
    environment.write_text(content, encoding="utf-8")
    return strategy, environment


def first_strategy(state: VaultState) -> str:
    """Every risk asset of the vault with the same budget, and no limit looser than the vault's."""
    listed = [asset for asset in state.assets[1:] if asset.enabled]
    if not listed:
        raise BadInput(
            f"the vault {state.address} lists no asset but {state.assets[0].symbol}",
            remedy="Its admin must list the assets first.",
        )
    size, policy = SizeTable(), state.policy
    settings = Settings.model_construct(
        assets=tuple(
            _asset(asset, budget) for asset, budget in zip(listed, _budgets(len(listed)), strict=True)
        ),
        size=size.model_copy(
            update={
                "max_leverage": min(size.max_leverage, policy.max_leverage / WAD),
                "min_health_factor": max(size.min_health_factor, policy.min_health / WAD),
            }
        ),
    )
    return strategy_file(settings, _preamble(state))


def _preamble(state: VaultState) -> str:
    about = f"# For the vault {state.address} ({state.name}),\n"
    at = f"# chain {state.block.chain_id}, block {state.block.number}.\n"
    written = PREAMBLE.replace(
        "Written by `make settings` from keeper/settings.", "Written by `keeper init`."
    )
    return f"{about}{at}{written}".replace(
        "Every value is the default and may be left out.",
        "Other values than the assets' are defaults, or the vault's own.",
    )


def first_environment(state: VaultState, *, rpc_url: str, quoter: str | None, directory: Path) -> str:
    """With whole paths, so that every shell and the service mean the same files."""
    known = book(state.block.chain_id, None)
    keeper = next((role.account for role in state.roles if role.role == "keeper"), None)
    quoter_line = f"KEEPER_QUOTER={quoter}" if quoter is not None else "#KEEPER_QUOTER="
    if quoter is None and known is None:
        quoter_line = "# NEEDED: Uniswap's QuoterV2, because this chain has no address book.\n#KEEPER_QUOTER="
    native_line = "#KEEPER_NATIVE_FEED="
    if known is None:
        native_line = (
            "# NEEDED: the feed of the native coin in USD, which prices gas, because this chain has no address book.\n"
            + native_line
        )
    return f"""\
# Written by `keeper init` for the vault {state.address} ({state.name}). Every variable: docs/settings.md.
# Name this file in KEEPER_ENV_FILE, and every shell and the service act on the same keeper.

# One node. Three of different operators, separated by commas, cannot be fooled by one of them.
KEEPER_RPC_URL={rpc_url}
KEEPER_CHAIN_ID={state.block.chain_id}
KEEPER_VAULT={state.address}
{quoter_line}
{native_line}

# The vault's keeper. Simulations act as this account; to send, its key is needed as well.
{f"KEEPER_SENDER={keeper}" if keeper is not None else "# The vault has no keeper: its admin must set one."}
#KEEPER_KEYSTORE={directory / "keystore.json"}
#KEEPER_KEYSTORE_PASSWORD_FILE={directory / "password"}

KEEPER_CONFIG={directory / STRATEGY_FILE}
KEEPER_JOURNAL_URL=sqlite:///{directory / "keeper.db"}
KEEPER_PAUSE_FILE={directory / "keeper.pause"}
KEEPER_LOCK_DIRECTORY={directory / "locks"}
# A directory on another disk, for emergencies while the journal cannot be written.
#KEEPER_FALLBACK_JOURNAL=
"""


def _asset(asset: ListedAsset, budget: float) -> AssetTable:
    reference = REFERENCES.get(asset.symbol)
    table = AssetTable(symbol=asset.symbol, budget=budget)
    changes: dict[str, object] = {"max_weight": min(table.max_weight, asset.max_weight_bps / BPS)}
    if reference in OPTION_MARKETS:
        changes["implied_underlying"] = reference
    return AssetTable(symbol=asset.symbol, budget=budget, **changes)  # type: ignore[arg-type]


def _budgets(count: int) -> list[float]:
    """Equal but for the last digit, with sum 1."""
    each = round(1 / count, DIGITS)
    return [*([each] * (count - 1)), round(1 - each * (count - 1), DIGITS)]
