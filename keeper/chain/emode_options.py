"""The lending market's categories at one block, each as it treats the vault's tokens."""

from __future__ import annotations

from keeper.chain.contracts import emode, lending
from keeper.chain.deployed import Deployment
from keeper.chain.rpc.multicall import Multicall
from keeper.sizing.categories import CollateralTerms, EModeCategories, EModeCategory


def categories(multicall: Multicall, at: Deployment, block_hash: str) -> EModeCategories:
    """Two multicalls: which numbers are configured, then those. Raises NodeUnavailable, NodeUntrusted."""
    numbers = range(1, emode.MAX_CATEGORY + 1)
    tokens = [listing.token.address for listing in at.listings]
    answers = multicall.read(
        [
            emode.chosen(at.pool, at.account),
            lending.used_as_collateral(at.pool, at.account),
            *(lending.reserve(at.pool, token) for token in tokens),
            *(emode.limits(at.pool, number) for number in numbers),
        ],
        block_hash,
    )
    ids = [listing.reserve_id for listing in at.listings]
    plain = [answers.of(lending.reserve(at.pool, token)).configuration for token in tokens]
    used = answers.of(lending.used_as_collateral(at.pool, at.account))
    chosen = answers.of(emode.chosen(at.pool, at.account))
    configured = [
        number
        for number in numbers
        if number == chosen or answers.of(emode.limits(at.pool, number)).liquidation_threshold_bps
    ]
    known = [EModeCategory(0, "", _terms(plain))]
    if configured:
        asked = [[emode.label(at.pool, number), *emode.calls(at.pool, number)] for number in configured]
        details = multicall.read([call for calls in asked for call in calls], block_hash)
        for number in configured:
            inside = emode.category(at.pool, number, details)
            terms = _terms(
                [
                    inside.applied(configuration, place)
                    for configuration, place in zip(plain, ids, strict=True)
                ]
            )
            known.append(EModeCategory(number, details.maybe(emode.label(at.pool, number)) or "", terms))
    return EModeCategories(
        chosen=chosen,
        collateral=frozenset(listing.token.symbol for listing in at.listings if listing.reserve_id in used),
        known=tuple(known),
    )


def _terms(configurations: list[lending.ReserveConfiguration]) -> tuple[CollateralTerms, ...]:
    return tuple(
        CollateralTerms(
            configuration.ltv_bps,
            configuration.liquidation_threshold_bps,
            configuration.borrowing_enabled,
        )
        for configuration in configurations
    )
