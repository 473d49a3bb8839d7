"""Market and vault at one block hash: the calls of one multicall, and the snapshot made of their answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keeper.chain import rollup
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import emode, erc20, feed, lending, pools, queue, vault
from keeper.chain.deployed import Deployment, Listing
from keeper.chain.listed_pools import FEE_TIERS, ZERO_ADDRESS, ListedPool
from keeper.chain.rpc.multicall import Multicall
from keeper.domain.errors import NodeUntrusted
from keeper.domain.market import (
    Block,
    FeedReading,
    Holding,
    MarketSnapshot,
    PoolHistory,
    PoolLiquidity,
    Reserve,
    Sequencer,
    Vault,
    VaultAsset,
)
from keeper.domain.redemptions import Redemptions
from keeper.domain.units import WAD


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """The calls that a snapshot needs of one deployment, and how their answers become it."""

    deployment: Deployment
    multicall: Multicall
    keeper: str
    twap_window_s: int

    def calls(self) -> list[Call[Any]]:
        at, here = self.deployment, self.deployment.vault
        calls: list[Call[Any]] = [
            self.multicall.block_timestamp(),
            self.multicall.chain_id(),
            self.multicall.native_balance(self.keeper),
            vault.is_keeper(here, self.keeper),
            vault.epoch(here),
            vault.last_rebalance(here),
            vault.paused(here),
            vault.policy(here),
            vault.assets(here),
            vault.budgets(here),
            vault.total_assets(here),
            vault.total_shares(here),
            vault.sequencer(here),
            *(vault.fee_tier_allowed(here, fee) for fee in FEE_TIERS),
            lending.price_oracle(at.provider),
            lending.account(at.pool, here),
            emode.chosen(at.pool, here),
            lending.flash_loan_premium(at.pool),
            lending.prices(at.oracle, self._tokens()),
        ]
        if at.category:
            calls += emode.calls(at.pool, at.category)
        if at.sequencer_feed is not None:
            calls.append(feed.sequencer_status(at.sequencer_feed, 0))
        if at.redemption_queue is not None:
            calls += [
                queue.pending_shares(at.redemption_queue),
                queue.pending_since(at.redemption_queue),
                erc20.balance(here, at.redemption_queue),
            ]
        for listing in at.listings:
            calls += self._listing_calls(listing)
        for pool in at.pools:
            calls += [
                pools.observations(pool.address),
                pools.means(pool.address, self.twap_window_s),
                pools.liquidity(pool.address),
            ]
        return [*calls, *rollup.calls(at.rollup)]

    def still_valid(self, answers: Answers) -> bool:
        """False when the vault or the market has been re-configured since the deployment was discovered."""
        at = self.deployment
        sequencer_feed, _ = answers.of(vault.sequencer(at.vault))
        feeds = {config.token: config.feed for config in answers.of(vault.assets(at.vault))}
        return (
            answers.of(lending.price_oracle(at.provider)) == at.oracle.lower()
            and answers.of(emode.chosen(at.pool, at.vault)) == at.category
            and sequencer_feed == (at.sequencer_feed or ZERO_ADDRESS).lower()
            and all(
                feeds.get(listing.token.address.lower()) == listing.feed.lower() for listing in at.listings
            )
            and all(
                answers.maybe(feed.aggregator(listing.feed)) == listing.aggregator.lower()
                for listing in at.listings
                if listing.aggregator is not None
            )
        )

    def snapshot(self, block: Block, answers: Answers) -> MarketSnapshot:
        """Raises NodeUntrusted when the multicall did not see the block that it was pinned to."""
        seen = answers.of(self.multicall.block_timestamp()), answers.of(self.multicall.chain_id())
        if seen != (block.timestamp, block.chain_id):
            raise NodeUntrusted(
                f"block {block.number} has timestamp {block.timestamp} on chain {block.chain_id},"
                f" but contracts read at its hash see {seen[0]} on chain {seen[1]}",
                remedy="The node does not read at the block it is asked for: use another.",
            )
        at = self.deployment
        market_prices = answers.of(lending.prices(at.oracle, self._tokens()))
        return MarketSnapshot(
            block=block,
            tokens=tuple(listing.token for listing in at.listings),
            feeds=self._feeds(block, answers),
            reserves=tuple(
                self._reserve(listing, price, answers)
                for listing, price in zip(at.listings, market_prices, strict=True)
            ),
            holdings=tuple(self._holding(listing, answers) for listing in at.listings),
            account=answers.of(lending.account(at.pool, at.vault)),
            vault=self._vault(answers),
            sequencer=self._sequencer(answers),
            flash_premium_bps=answers.of(lending.flash_loan_premium(at.pool)),
            keeper_address=self.keeper,
            keeper_balance_wei=answers.of(self.multicall.native_balance(self.keeper)),
            keeper_has_role=answers.of(vault.is_keeper(at.vault, self.keeper)),
            pools=tuple(
                self._pool(pool, answers) for pool in at.pools if pool.quote == at.listings[0].token.symbol
            ),
            l1_fee_wei=rollup.typical_fee_wei(at.rollup, answers),
            redemptions=self._redemptions(answers),
            depths=tuple(self._depth(pool, answers) for pool in at.pools),
        )

    # ------------------------------------------------------------------ inside

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
            erc20.balance(token, at.vault),
            erc20.balance(listing.a_token, at.vault),
            erc20.balance(listing.debt_token, at.vault),
        ]

    def _feeds(self, block: Block, answers: Answers) -> tuple[FeedReading, ...]:
        configs = {config.token: config for config in answers.of(vault.assets(self.deployment.vault))}
        return tuple(
            feed.reading(
                symbol=listing.token.symbol,
                feed=listing.feed,
                latest=answers.maybe(feed.latest_round(listing.feed)),
                bounds=listing.bounds,
                max_age_s=configs[listing.token.address.lower()].max_age_s,
                now=block.timestamp,
            )
            for listing in self.deployment.listings
        )

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

    def _reserve(self, listing: Listing, market_price: int, answers: Answers) -> Reserve:
        at, token = self.deployment, listing.token.address
        state = answers.of(lending.reserve(at.pool, token))
        configuration = self._in_category(listing, state.configuration, answers)
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
            supply_rate=state.supply_rate,
            borrow_rate=state.borrow_rate,
            curve=answers.of(lending.curve(at.strategy, token)),
        )

    def _in_category(
        self, listing: Listing, configuration: lending.ReserveConfiguration, answers: Answers
    ) -> lending.ReserveConfiguration:
        """As the vault's eMode changes it."""
        pool, category = self.deployment.pool, self.deployment.category
        if not category:
            return configuration
        return emode.category(pool, category, answers).applied(configuration, listing.reserve_id)

    def _holding(self, listing: Listing, answers: Answers) -> Holding:
        here = self.deployment.vault
        return Holding(
            symbol=listing.token.symbol,
            idle=answers.of(erc20.balance(listing.token.address, here)),
            supplied=answers.of(erc20.balance(listing.a_token, here)),
            owed=answers.of(erc20.balance(listing.debt_token, here)),
        )

    def _vault(self, answers: Answers) -> Vault:
        here = self.deployment.vault
        used = answers.of(vault.budgets(here))
        configs = {config.token: config for config in answers.of(vault.assets(here))}
        return Vault(
            address=here,
            epoch=answers.of(vault.epoch(here)),
            last_rebalance=answers.of(vault.last_rebalance(here)),
            paused=answers.of(vault.paused(here)),
            policy=answers.of(vault.policy(here)),
            assets=tuple(
                VaultAsset(
                    symbol=listing.token.symbol,
                    feed=listing.feed,
                    max_age_s=configs[listing.token.address.lower()].max_age_s,
                    max_weight_bps=configs[listing.token.address.lower()].max_weight_bps,
                    enabled=configs[listing.token.address.lower()].enabled,
                )
                for listing in self.deployment.listings
            ),
            fee_tiers=tuple(fee for fee in FEE_TIERS if answers.of(vault.fee_tier_allowed(here, fee))),
            used_daily_loss=used.loss / WAD,
            used_daily_emergency_loss=used.emergency_loss / WAD,
            used_daily_turnover=used.turnover / WAD,
            # The vault has no value to tell while a held asset's feed is dead; the feed's reading says so.
            total_assets=answers.maybe(vault.total_assets(here)) or 0,
            total_shares=answers.of(vault.total_shares(here)),
        )

    def _redemptions(self, answers: Answers) -> Redemptions | None:
        here, at = self.deployment.vault, self.deployment.redemption_queue
        if at is None:
            return None
        # However much it says, it cannot redeem more than it has.
        shares = min(answers.of(queue.pending_shares(at)), answers.of(erc20.balance(here, at)))
        total = answers.of(vault.total_shares(here))
        assets = answers.maybe(vault.total_assets(here))
        # As ERC-4626 converts, rounded up, and without the virtual shares, which would make it less.
        value = 0 if assets is None or shares == 0 else -(-shares * (assets + 1) // total)
        return Redemptions(shares, value, answers.of(queue.pending_since(at)))

    def _sequencer(self, answers: Answers) -> Sequencer | None:
        at = self.deployment
        if at.sequencer_feed is None:
            return None
        _, grace_s = answers.of(vault.sequencer(at.vault))
        return replace(answers.of(feed.sequencer_status(at.sequencer_feed, 0)), grace_s=grace_s)
