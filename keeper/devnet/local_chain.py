"""Builds the local chain: Aave, Uniswap, feeds with their history, and a vault that holds only USDC."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.chain.admin.deployment import deploy_vault
from keeper.chain.admin.vault_blueprint import (
    SHIPPED_POLICY,
    AssetListing,
    TimelockTerms,
    VaultBlueprint,
    VaultRoles,
)
from keeper.devnet import aave, all_weather, deployment, feeds, history, tokens, uniswap
from keeper.devnet.anvil import MNEMONIC, AnvilNode, anvil, rpc
from keeper.devnet.compile import compile_all, deployable, fingerprint
from keeper.devnet.deployment import DevnetDeployment, TokenEntry
from keeper.devnet.feeds import Feeds
from keeper.devnet.history import MarketHistory
from keeper.devnet.market_hours import longest_silence_s
from keeper.devnet.paths import cache_dir, single_build
from keeper.devnet.transactions import contract_at, send
from keeper.devnet.uniswap import PriceMarket, Uniswap
from keeper.domain.market import Token
from keeper.domain.units import UINT256_MAX
from keeper.recorded.stable import STABLE

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract

Progress = Callable[[str], None]

DEPOSIT_USDC = 250_000
BASE_FEE_WEI = 20 * 10**9
HEARTBEAT_GRACE_S = 300
SEQUENCER_GRACE_S = 3_600
POOL_AGE_S = 5 * 3_600
"""The vault lists only pools that remember four hours."""
TIMELOCK_S = 86_400
POLICY = replace(SHIPPED_POLICY, max_loss_bps=150, daily_loss_bps=150, daily_turnover_bps=30_000)
"""As wide as the registry lets it be, so that a vault of cash can reach its target in one call."""
MAX_DUST_USD = 1
LAG_BPS, CASH_LAG_BPS = 20, 10
"""Less than on a live chain: here the feeds publish every move at once."""
ROLES = ("market", "admin", "keeper", "guardian", "depositor", "stranger", "operations")
"""Anvil's accounts in order; "market" owns feeds, tokens and liquidity, "admin" proposes to the vault's timelock. The
last account lends and borrows on Aave."""
KEEPER_INDEX = ROLES.index("keeper")
DEVELOPMENT_ACCOUNTS = 10


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A node with every contract of ``deployment``. Its development accounts are unlocked for ``w3``."""

    w3: Web3
    deployment: DevnetDeployment

    @property
    def owner(self) -> ChecksumAddress:
        return self.w3.to_checksum_address(self.deployment.accounts["market"])

    @property
    def accounts(self) -> tuple[ChecksumAddress, ...]:
        """Anvil's own. It appends what is impersonated to its answer."""
        return tuple(self.w3.eth.accounts[:DEVELOPMENT_ACCOUNTS])

    @property
    def tokens(self) -> Mapping[str, Token]:
        return {
            symbol: Token(symbol, entry.address, entry.decimals)
            for symbol, entry in self.deployment.tokens.items()
        }

    @property
    def feeds(self) -> Feeds:
        checksummed = self.w3.to_checksum_address
        return Feeds(
            addresses={symbol: checksummed(entry.feed) for symbol, entry in self.deployment.tokens.items()},
            sequencer=checksummed(self.deployment.contracts["sequencer_feed"]),
            shares={
                symbol: checksummed(entry.address)
                for symbol, entry in self.deployment.tokens.items()
                if symbol in tokens.SAVINGS
            },
        )

    @property
    def uniswap(self) -> Uniswap:
        contracts, checksummed = self.deployment.contracts, self.w3.to_checksum_address
        return Uniswap(
            factory=checksummed(contracts["uniswap_factory"]),
            position_manager=checksummed(contracts["uniswap_position_manager"]),
            quoter=checksummed(contracts["uniswap_quoter"]),
            router=checksummed(contracts["uniswap_router"]),
            pools=self.deployment.pools,
        )

    @property
    def market(self) -> PriceMarket:
        return PriceMarket(self.feeds, self.uniswap, self.tokens)

    @property
    def pool(self) -> Contract:
        """Aave's pool."""
        return contract_at(self.w3, "PoolInstance", self.deployment.contracts["aave_pool"])

    @property
    def shares(self) -> Contract:
        return contract_at(self.w3, "VaultShares", self.deployment.vault)

    @property
    def registry(self) -> Contract:
        return self._of_vault("PolicyRegistry", "registry")

    @property
    def portfolio(self) -> Contract:
        return self._of_vault("Portfolio", "portfolio")

    @property
    def rebalancer(self) -> Contract:
        return self._of_vault("Rebalancer", "rebalancer")

    @property
    def account(self) -> Contract:
        """The account that the keeper manages."""
        return self._of_vault("AaveV3Account", "account")

    def _of_vault(self, name: str, place: str) -> Contract:
        return contract_at(self.w3, name, self.deployment.contracts[place])

    def fund(self, symbol: str, account: str, amount: int) -> None:
        """Mints a raw amount of a token for ``account``."""
        tokens.fund(self.w3, self.owner, self.tokens[symbol], account, amount)

    def set_price(self, symbol: str, usd_price: float) -> None:
        """Publishes a new round, and arbitrages every pool with the symbol."""
        uniswap.set_price(self.w3, self.owner, self.market, symbol, usd_price)

    def trade_to(self, symbol: str, usd_price: float) -> None:
        """Moves every pool with the symbol to a price. Its feed does not move."""
        uniswap.trade_to(self.w3, self.owner, self.market, symbol, usd_price)

    def pass_time(self, seconds: int) -> None:
        """Moves the chain's clock, and every feed repeats its price in a new round."""
        provider = self.w3.provider
        provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
        self.mine()
        self.refresh_feeds()

    def mine(self) -> None:
        """An empty block."""
        self.w3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]

    def set_base_fee(self, wei: int) -> None:
        """Of the next block. Blocks that are not full lower it from there."""
        self.w3.provider.make_request("anvil_setNextBlockBaseFeePerGas", [hex(wei)])  # type: ignore[arg-type]
        self.mine()

    def refresh_feeds(self) -> None:
        feeds.refresh(self.w3, self.owner, self.feeds)

    def spot(self, symbol: str) -> float:
        """The feed's last price in USD."""
        return feeds.latest_round(self.w3, self.feeds.addresses[symbol])[0]

    def now(self) -> int:
        """The latest block's time."""
        return self._time_of("latest")

    def clock(self) -> int:
        """The time of a block that is mined now. It advances while no block is mined."""
        return self._time_of("pending")

    def _time_of(self, block: str) -> int:
        # The stand-in markets ask for each of their answers. Web3 takes milliseconds to format a block.
        header: Any = rpc(self.deployment.rpc_url, "eth_getBlockByNumber", block, False)
        return int(header["timestamp"], 16)


def load_history(at: datetime | None, data_dir: Path | None) -> MarketHistory:
    return history.load(at, data_dir)


@contextmanager
def running(
    market: MarketHistory, progress: Progress, port: int = 0, *, put_back: bool = False
) -> Iterator[tuple[AnvilNode, LocalChain]]:
    """Starts a node with the local chain, from the cache if it was built before. ``put_back``: as of ``anvil``."""
    compile_all(progress)
    state, description = _cache_files(market)
    if not (state.exists() and description.exists()):
        with single_build(state):
            if not (state.exists() and description.exists()):
                _build(market, state, description, progress=progress)
    kept = deployment.read(description)
    with anvil(port=port, load_state=state, put_back=put_back) as node:
        built = LocalChain(_web3(node.url), replace(kept, rpc_url=node.url))
        # A loaded state keeps its blocks but not its clock. Without this the next block would have the present time.
        node.request("evm_setTime", built.now())
        yield node, built


@contextmanager
def forked(world: LocalChain, *, put_back: bool = False) -> Iterator[tuple[AnvilNode, LocalChain]]:
    """An Anvil fork of the node. Changes there do not touch the original. ``put_back``: as of ``anvil``."""
    with anvil(fork_url=world.deployment.rpc_url, put_back=put_back) as node:
        yield node, LocalChain(_web3(node.url), replace(world.deployment, rpc_url=node.url))


def _build(market: MarketHistory, state: Path, description: Path, progress: Progress) -> None:
    with anvil(timestamp=market.at - POOL_AGE_S) as node:
        made = _deploy_everything(_web3(node.url), node, market, progress=progress)
        node.request("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        node.request("evm_mine")
        progress("saving the chain for the next start")
        dumped = bytes.fromhex(str(node.request("anvil_dumpState"))[2:])
    unfinished = state.with_suffix(".part")
    unfinished.write_bytes(gzip.decompress(dumped))
    unfinished.replace(state)
    made.write(description)


def _deploy_everything(
    w3: Web3, node: AnvilNode, market: MarketHistory, progress: Progress
) -> DevnetDeployment:
    accounts = dict(zip(ROLES, w3.eth.accounts, strict=False))
    owner, others = w3.eth.accounts[0], w3.eth.accounts[-1]
    progress("tokens and Multicall3")
    multicall = tokens.deploy_multicall(w3, owner)
    made_tokens = tokens.deploy_tokens(w3, owner, market.symbols, all_weather.savings(market))
    exchange = uniswap.deploy_uniswap(w3, owner, w3.to_checksum_address(made_tokens["WETH"].address))
    pools = uniswap.seed_pools(w3, owner, exchange, market, made_tokens, progress)
    node.request("evm_setNextBlockTimestamp", market.at)
    made_feeds = feeds.deploy_feeds(w3, owner, market, progress)
    lending = aave.deploy_aave(w3, owner, made_tokens, made_feeds, progress)
    aave.lend_and_borrow(w3, others, owner, lending["aave_pool"], made_tokens)
    progress("the vault")
    vault = deploy_vault(
        w3,
        owner,
        VaultBlueprint(
            lending_pool=lending["aave_pool"],
            swap_factory=exchange.factory,
            roles=VaultRoles(
                keeper=accounts["keeper"], guardian=accounts["guardian"], operations=accounts["operations"]
            ),
            timelock=TimelockTerms(TIMELOCK_S, (accounts["admin"],), (accounts["admin"],)),
            assets=_asset_listings(market, made_tokens, made_feeds),
            pools=tuple(pool.address for pool in pools if not {*pool.symbols} & {*market.unheld}),
            policy=POLICY,
            sequencer_feed=made_feeds.sequencer,
            sequencer_grace_s=SEQUENCER_GRACE_S,
            accounts=aave.categories(made_tokens),
        ),
    ).contracts
    registry = contract_at(w3, "PolicyRegistry", vault.registry)
    _deposit(w3, owner, accounts["depositor"], stable=made_tokens[STABLE], shares=vault.shares)
    return DevnetDeployment(
        rpc_url=node.url,
        chain_id=w3.eth.chain_id,
        vault=vault.shares,
        quoter=exchange.quoter,
        multicall=multicall,
        deribit_url=None,
        private_key=_development_key(KEEPER_INDEX),
        at=market.at,
        prices=market.source.value,
        implied_volatility=market.source.value if market.implied else "none",
        left_out={left.name: left.reason for left in market.left_out},
        notes=market.notes,
        contracts={
            **lending,
            "uniswap_factory": exchange.factory,
            "uniswap_quoter": exchange.quoter,
            "uniswap_router": exchange.router,
            "uniswap_position_manager": exchange.position_manager,
            "multicall3": multicall,
            "sequencer_feed": made_feeds.sequencer,
            "vault": vault.shares,
            "timelock": vault.admin,
            "registry": vault.registry,
            "book": vault.book,
            "portfolio": vault.portfolio,
            "rebalancer": vault.rebalancer,
            "pricer": vault.pricer,
            "lens": vault.lens,
            "account": registry.functions.accounts().call()[0],
        },
        tokens={
            symbol: TokenEntry(token.address, token.decimals, made_feeds.addresses[symbol])
            for symbol, token in made_tokens.items()
        },
        pools=pools,
        accounts=dict(accounts),
        native_feed=made_feeds.addresses["WETH"],
    )


def _asset_listings(
    market: MarketHistory, made_tokens: Mapping[str, Token], made_feeds: Feeds
) -> tuple[AssetListing, ...]:
    return tuple(
        AssetListing(
            token=made_tokens[symbol].address,
            decimals=made_tokens[symbol].decimals,
            feed=made_feeds.addresses[symbol],
            max_age_s=longest_silence_s(symbol) + HEARTBEAT_GRACE_S,
            dust_exponent=dust_exponent(made_tokens[symbol].decimals, market.last_price(symbol)),
            lag_bps=CASH_LAG_BPS if symbol == STABLE else LAG_BPS,
            borrowable=symbol == STABLE,
        )
        for symbol in (STABLE, *market.risk_symbols)
    )


def dust_exponent(decimals: int, price_usd: float) -> int:
    """So that less than 10^exponent raw is worth less than MAX_DUST_USD."""
    return max(0, math.floor(math.log10(MAX_DUST_USD * 10**decimals / price_usd)))


def _deposit(w3: Web3, owner: ChecksumAddress, depositor: str, stable: Token, shares: str) -> None:
    """A vault of nothing is settled at once: there is no price to wait for."""
    account, amount = w3.to_checksum_address(depositor), DEPOSIT_USDC * 10**stable.decimals
    tokens.fund(w3, owner, stable, account, 4 * amount)
    send(w3, contract_at(w3, "ERC20", stable.address).functions.approve(shares, UINT256_MAX), account)
    vault = contract_at(w3, "VaultShares", shares).functions
    send(w3, vault.requestDeposit(amount, account, account), account)
    send(w3, vault.close(), account)
    send(w3, vault.settleDeposits([]), account)
    send(w3, vault.deposit(amount, account), account)


def _cache_files(market: MarketHistory) -> tuple[Path, Path]:
    digest = hashlib.sha256(fingerprint().encode())
    for folder in (Path(__file__).parent, Path(__file__).parents[1] / "chain" / "admin"):
        for source in sorted(folder.glob("*.py")):
            digest.update(source.read_bytes())
    for path in deployable().values():
        digest.update(path.read_bytes())
    digest.update(json.dumps([market.at, market.source, market.symbols, market.unheld]).encode())
    for series in market.prices:
        digest.update(series.times.tobytes() + series.prices.tobytes())
    folder = cache_dir() / "devnet" / digest.hexdigest()[:16]
    return folder / "state.json", folder / "deployment.json"


def _development_key(index: int) -> str:
    """Key number ``index`` of Anvil's public development mnemonic."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    key: str = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}").key.to_0x_hex()
    return key


def _web3(url: str) -> Web3:
    from requests import Session
    from web3 import Web3

    session = Session()
    session.trust_env = False  # else it looks for a proxy before each request
    w3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": 120}, session=session))
    # Both ask the node for its chain id or newest block before each transaction. Anvil fills in what is missing.
    w3.middleware_onion.remove("validation")
    w3.middleware_onion.remove("gas_price_strategy")
    return w3
