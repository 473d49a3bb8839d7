"""Market and vault at one block hash: the calls of one multicall, and the snapshot made of their answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keeper.chain import native_feed, other_accounts, rollup
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import emode, erc20, feed, lending, pools, safe, vault
from keeper.chain.deployed import Deployment, Listing, SafeHop
from keeper.chain.listed_pools import ZERO_ADDRESS, ListedPool
from keeper.chain.other_accounts import BlockRead, lending_account, require_managed
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.vault_count import count_calls, held_tokens, vault_figures
from keeper.domain.market import (
    Block,
    FeedReading,
    Holding,
    LendingAccount,
    MarketSnapshot,
    Reserve,
    Sequencer,
    SwapPool,
    Vault,
    VaultAsset,
    lowest_trust,
)
from keeper.domain.native_coin import COIN
from keeper.domain.pool_state import PoolHistory, PoolLiquidity
from keeper.domain.redemptions import Redemptions
from keeper.oracle import rules

_OTHER_BOUNDS = "another aggregator answers than before, and the limits of its answers are not read yet"
PART_OF_NAV = 10**9
"""Unit of the rebalancer's windows: parts of NAV."""


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """The calls that a snapshot needs of one deployment, and how their answers become it."""

    deployment: Deployment
    multicall: Multicall
    keeper: str
    twap_window_s: int

    def calls(self) -> list[Call[Any]]:
        at = self.deployment
        calls: list[Call[Any]] = [
            self.multicall.block_timestamp(),
            self.multicall.chain_id(),
            self.multicall.native_balance(self.keeper),
            vault.rebalancer(at.registry),
            vault.book(at.registry),
            vault.keeper(at.registry),
            vault.paused(at.registry),
            vault.policy(at.registry),
            vault.assets(at.registry),
            vault.accounts(at.registry),
            vault.sequencer(at.book),
            vault.state(at.rebalancer),
            vault.net_assets(at.pricer),
            vault.total_shares(at.vault),
            vault.line(at.vault),
            *(vault.position(account, at.listed) for account in at.accounts),
            *count_calls(at),
            lending.price_oracle(at.provider),
            lending.account(at.pool, at.account),
            emode.chosen(at.pool, at.account),
            lending.flash_loan_premium(at.pool),
            lending.prices(at.oracle, self._tokens()),
            *other_accounts.state_calls(at.others, at.pool),
        ]
        if at.category:
            calls += emode.calls(at.pool, at.category)
        if at.sequencer_feed is not None:
            calls.append(feed.sequencer_status(at.sequencer_feed, 0))
        if at.native is not None:
            calls += [feed.latest_round(at.native.feed), feed.aggregator(at.native.feed)]
        elif at.sought is not None:
            calls += [feed.decimals(at.sought.feed), feed.description(at.sought.feed)]
        for listing in at.listings:
            calls += self._listing_calls(listing)
        for pool in at.pools:
            calls += [
                vault.is_listed(at.registry, pool.address),
                pools.observations(pool.address),
                pools.means(pool.address, self.twap_window_s),
                pools.liquidity(pool.address),
            ]
        if at.hop is not None:
            calls += [*safe.identity(at.hop.modifier.address), *safe.links(at.hop, self.keeper)]
        return [*calls, *rollup.calls(at.rollup)]

    def still_valid(self, answers: Answers) -> bool:
        """False when the vault or the market has been re-configured since the deployment was discovered."""
        at = self.deployment
        sequencer_feed, _ = answers.of(vault.sequencer(at.book))
        assets = answers.of(vault.assets(at.registry))
        read = {token.lower() for token in self._tokens()}
        return (
            tuple(entry.token for entry in assets) == at.listed
            and read.issuperset(held_tokens(assets, answers.of(vault.holdings(at.portfolio))))
            and answers.of(vault.rebalancer(at.registry)) == at.rebalancer.lower()
            and (at.hop is None or self._same_safe(at.hop, answers))
            and answers.of(vault.book(at.registry)) == at.book.lower()
            and answers.of(vault.accounts(at.registry)) == tuple(account.lower() for account in at.accounts)
            and answers.of(lending.price_oracle(at.provider)) == at.oracle.lower()
            and answers.of(emode.chosen(at.pool, at.account)) == at.category
            and other_accounts.still_valid(at.others, at.pool, answers)
            and sequencer_feed == (at.sequencer_feed or ZERO_ADDRESS).lower()
            and all(self._feed_of(listing, answers)[0] == listing.feed.lower() for listing in at.listings)
            and all(
                answers.maybe(feed.aggregator(listing.feed)) == listing.aggregator.lower()
                for listing in at.listings
                if listing.aggregator is not None
            )
        )

    def prices_gas(self, answers: Answers) -> bool:
        """False when another feed or another contract behind it prices gas since the deployment was discovered. No
        reason to read a block again: only what gas costs is in doubt."""
        at = self.deployment
        if at.native is None:
            return at.sought is None or not native_feed.fits(at.sought, answers)
        known = at.native.aggregator
        return known is None or answers.maybe(feed.aggregator(at.native.feed)) == known.lower()

    def snapshot(self, block: Block, answers: Answers) -> MarketSnapshot:
        """Raises NodeUntrusted when the multicall did not see the block that it was pinned to, AccountNotManaged."""
        seen = answers.of(self.multicall.block_timestamp()), answers.of(self.multicall.chain_id())
        if seen != (block.timestamp, block.chain_id):
            raise answers.untrusted(
                f"block {block.number} has timestamp {block.timestamp} on chain {block.chain_id},"
                f" but contracts read at its hash see {seen[0]} on chain {seen[1]}",
                remedy="The node does not read at the block it is asked for: use another.",
            )
        at = self.deployment
        require_managed(at.accounts, at.managed, at.listed, answers=answers)
        feeds = self._feeds(block, answers)
        return MarketSnapshot(
            block=block,
            tokens=tuple(listing.token for listing in at.listings),
            feeds=feeds,
            reserves=self._reserves(at.category, answers),
            holdings=self._holdings(answers),
            account=answers.of(lending.account(at.pool, at.account)),
            vault=self._vault(answers),
            sequencer=self._sequencer(answers),
            flash_premium_bps=answers.of(lending.flash_loan_premium(at.pool)),
            keeper_address=self.keeper,
            keeper_balance_wei=answers.of(self.multicall.native_balance(self.keeper)),
            keeper_has_role=self._may_act(answers),
            pools=tuple(
                self._pool(pool, answers) for pool in at.pools if pool.quote == at.listings[0].token.symbol
            ),
            l1_fee_wei=rollup.typical_fee_wei(at.rollup, answers),
            redemptions=self._redemptions(answers),
            depths=tuple(self._depth(pool, answers) for pool in at.pools),
            vault_figures=vault_figures(at, answers),
            native_coin=self._native_coin(block, answers, feeds),
            acts_as=at.hop.safe if at.hop is not None else "",
            others=self._others(block, answers),
        )

    # ------------------------------------------------------------------ inside

    def _same_safe(self, hop: SafeHop, answers: Answers) -> bool:
        named = tuple(answers.of(call) for call in safe.identity(hop.modifier.address))
        return named == (hop.safe.lower(), hop.target.lower())

    def _may_act(self, answers: Answers) -> bool:
        """Whether the vault's keeper is the key, or a Safe as which the key may act."""
        hop, keeper = self.deployment.hop, answers.of(vault.keeper(self.deployment.registry))
        if hop is None:
            return keeper == self.keeper.lower()
        return (
            hop.direct and keeper == hop.safe.lower() and all(map(answers.of, safe.links(hop, self.keeper)))
        )

    def _tokens(self) -> list[str]:
        return [listing.token.address for listing in self.deployment.listings]

    def _listing_calls(self, listing: Listing) -> list[Call[Any]]:
        at, token = self.deployment, listing.token.address
        return [
            feed.latest_round(listing.feed),
            feed.aggregator(listing.feed),
            lending.reserve(at.pool, token),
            lending.available_liquidity(at.pool, token),
            lending.curve(at.strategy, token),
            erc20.total_supply(listing.a_token),
            erc20.total_supply(listing.debt_token),
            erc20.balance(token, at.portfolio),
            vault.feed_of(at.book, token),
            lending.price_source(at.oracle, token),
        ]

    def _feed_of(self, listing: Listing, answers: Answers) -> tuple[str, int]:
        return answers.of(vault.feed_of(self.deployment.book, listing.token.address))

    def _feeds(self, block: Block, answers: Answers) -> tuple[FeedReading, ...]:
        return tuple(
            feed.reading(
                symbol=listing.token.symbol,
                feed=listing.feed,
                latest=answers.maybe(feed.latest_round(listing.feed)),
                bounds=listing.bounds,
                max_age_s=self._feed_of(listing, answers)[1],
                now=block.timestamp,
            )
            for listing in self.deployment.listings
        )

    def _native_coin(self, block: Block, answers: Answers, feeds: tuple[FeedReading, ...]) -> FeedReading:
        """The reading of the vault's token where that has the same feed."""
        native = self.deployment.native
        if native is None:
            return feed.reading(COIN, "", None, (0, 0), max_age_s=0, now=block.timestamp)
        own = feed.reading(
            symbol=COIN,
            feed=native.feed,
            latest=answers.maybe(feed.latest_round(native.feed)),
            bounds=native.bounds,
            max_age_s=native.max_age_s,
            now=block.timestamp,
        )
        if not self.prices_gas(answers):
            own = lowest_trust([own, rules.AT_BOUND.applied_to(own, _OTHER_BOUNDS)])
        return next((reading for reading in feeds if reading.feed == native.feed), own)

    def _pool(self, pool: ListedPool, answers: Answers) -> PoolHistory:
        means = answers.maybe(pools.means(pool.address, self.twap_window_s))
        return PoolHistory(
            symbol=pool.symbol,
            pool=pool.address,
            fee=pool.fee,
            asset_is_token0=pool.asset_is_token0,
            observations=answers.of(pools.observations(pool.address)),
            window_s=self.twap_window_s,
            mean_tick=means.tick if means is not None else None,
            mean_liquidity=means.liquidity if means is not None else None,
        )

    def _depth(self, pool: ListedPool, answers: Answers) -> PoolLiquidity:
        # Asked by observations() as well: both are of slot0.
        remembered = answers.maybe(pools.means(pool.address, self.twap_window_s))
        return PoolLiquidity(
            symbol=pool.symbol,
            quote=pool.quote,
            fee=pool.fee,
            asset_is_token0=pool.asset_is_token0,
            sqrt_price=answers.of(pools.sqrt_price(pool.address)),
            liquidity=answers.of(pools.liquidity(pool.address)),
            mean_liquidity=remembered.liquidity if remembered is not None else None,
        )

    def _others(self, block: Block, answers: Answers) -> tuple[LendingAccount, ...]:
        at = self.deployment
        read = BlockRead(
            pool=at.pool,
            symbols={listing.token.address.lower(): listing.token.symbol for listing in at.listings},
            listed=at.listed,
            reserves=lambda category: self._reserves(category, answers),
            flash_premium_bps=answers.of(lending.flash_loan_premium(at.pool)),
            now=block.timestamp,
            answers=answers,
        )
        return tuple(lending_account(other, read) for other in at.others)

    def _reserves(self, category: int, answers: Answers) -> tuple[Reserve, ...]:
        """As an account in that eMode sees them."""
        at = self.deployment
        prices = answers.of(lending.prices(at.oracle, self._tokens()))
        return tuple(
            self._reserve(listing, price, answers, category=category)
            for listing, price in zip(at.listings, prices, strict=True)
        )

    def _reserve(self, listing: Listing, market_price: int, answers: Answers, category: int) -> Reserve:
        at, token = self.deployment, listing.token.address
        state = answers.of(lending.reserve(at.pool, token))
        configuration = state.configuration
        if category:
            inside = emode.category(at.pool, category, answers)
            configuration = inside.applied(configuration, listing.reserve_id)
        return Reserve(
            symbol=listing.token.symbol,
            a_token=listing.a_token,
            debt_token=listing.debt_token,
            ltv_bps=configuration.ltv_bps,
            liquidation_threshold_bps=configuration.liquidation_threshold_bps,
            reserve_factor_bps=configuration.reserve_factor_bps,
            active=configuration.active,
            frozen=configuration.frozen,
            paused=configuration.paused,
            borrowing_enabled=configuration.borrowing_enabled,
            flash_loan_enabled=configuration.flash_loan_enabled,
            supply_cap=configuration.supply_cap,
            borrow_cap=configuration.borrow_cap,
            supplied=answers.of(erc20.total_supply(listing.a_token)),
            borrowed=answers.of(erc20.total_supply(listing.debt_token)),
            available=answers.of(lending.available_liquidity(at.pool, token)),
            market_price=market_price,
            price_source=answers.maybe(lending.price_source(at.oracle, token)) or "",
            supply_rate=state.supply_rate,
            borrow_rate=state.borrow_rate,
            curve=answers.of(lending.curve(at.strategy, token)),
        )

    def _holdings(self, answers: Answers) -> tuple[Holding, ...]:
        at = self.deployment
        position = answers.of(vault.position(at.account, at.listed))
        supplied, owed = (
            dict(zip(at.listed, amounts, strict=True)) for amounts in (position.supplied, position.owed)
        )
        return tuple(
            Holding(
                symbol=listing.token.symbol,
                idle=answers.of(erc20.balance(listing.token.address, at.portfolio)),
                supplied=supplied[listing.token.address.lower()],
                owed=owed[listing.token.address.lower()],
            )
            for listing in at.listings
        )

    def _vault(self, answers: Answers) -> Vault:
        at = self.deployment
        state, line = answers.of(vault.state(at.rebalancer)), answers.of(vault.line(at.vault))
        entries = {entry.token: entry for entry in answers.of(vault.assets(at.registry))}
        return Vault(
            address=at.vault,
            rebalancer=at.rebalancer,
            account=at.account,
            epoch=state.epoch,
            last_rebalance=state.last_keeper,
            paused=answers.of(vault.paused(at.registry)),
            policy=answers.of(vault.policy(at.registry)),
            assets=tuple(
                self._asset(listing, entries[listing.token.address.lower()], answers)
                for listing in at.listings
            ),
            pools=tuple(
                SwapPool(pool.address, (pool.symbol, pool.quote), pool.fee)
                for pool in at.pools
                if answers.of(vault.is_listed(at.registry, pool.address))
            ),
            used_daily_loss=state.loss / PART_OF_NAV,
            used_daily_turnover=state.turnover / PART_OF_NAV,
            levering_closed_until=state.levering_closed_until,
            reserved=state.reserved,
            total_assets=answers.of(vault.net_assets(at.pricer)),
            total_shares=answers.of(vault.total_shares(at.vault)),
            pending_deposits=line.pending_assets,
        )

    def _asset(self, listing: Listing, entry: vault.AssetEntry, answers: Answers) -> VaultAsset:
        return VaultAsset(
            symbol=listing.token.symbol,
            feed=listing.feed,
            max_age_s=self._feed_of(listing, answers)[1],
            max_weight_bps=entry.max_weight_bps,
            enabled=entry.enabled,
            slippage_bps=entry.slippage_bps,
            lag_bps=entry.lag_bps,
            dust=10**entry.dust_exponent,
            borrowable=entry.borrowable,
        )

    def _redemptions(self, answers: Answers) -> Redemptions:
        at = self.deployment
        line = answers.of(vault.line(at.vault))
        total, assets = answers.of(vault.total_shares(at.vault)), answers.of(vault.net_assets(at.pricer))
        # As ERC-4626 converts, rounded up, and without the virtual shares, which would make it less.
        value = -(-line.pending_shares * (assets + 1) // total) if line.pending_shares and total else 0
        return Redemptions(line.pending_shares, value, line.redemptions_closed_at)

    def _sequencer(self, answers: Answers) -> Sequencer | None:
        at = self.deployment
        if at.sequencer_feed is None:
            return None
        _, grace_s = answers.of(vault.sequencer(at.book))
        return replace(answers.of(feed.sequencer_status(at.sequencer_feed, 0)), grace_s=grace_s)
