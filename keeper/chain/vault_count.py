"""What the vault counts of itself: every asset that it lists, in all of its accounts, at its own prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import vault
from keeper.chain.deployed import Deployment
from keeper.domain.units import health_factor_of, usd
from keeper.domain.vault_figures import VaultFigures


def count_calls(at: Deployment) -> list[Call[Any]]:
    """Beside those of the registry's assets and the pricer's net assets, which a snapshot asks for anyway."""
    return [
        vault.holdings(at.portfolio),
        vault.prices(at.book, at.account, at.listed),
        *(vault.health_factor(account) for account in at.accounts),
    ]


def mattering(assets: Sequence[vault.AssetEntry], holdings: vault.HoldingsView) -> tuple[bool, ...]:
    """Per asset whether it has a part in what the vault counts. Source: Frames.matters."""
    return tuple(
        net + owed >= 10**asset.dust_exponent or owed > 0
        for asset, net, owed in zip(assets, holdings.net, holdings.owed, strict=True)
    )


def held_tokens(assets: Sequence[vault.AssetEntry], holdings: vault.HoldingsView) -> tuple[str, ...]:
    """The tokens that the vault holds or owes."""
    counts = mattering(assets, holdings)
    return tuple(asset.token for asset, matters in zip(assets, counts, strict=True) if matters)


def vault_figures(at: Deployment, answers: Answers) -> VaultFigures | None:
    """None where the registry has another list by now."""
    assets, holdings = answers.of(vault.assets(at.registry)), answers.of(vault.holdings(at.portfolio))
    if tuple(asset.token for asset in assets) != at.listed:
        return None
    prices = answers.of(vault.prices(at.book, at.account, at.listed))
    nav_usd = usd(answers.of(vault.net_assets(at.pricer)), assets[0].decimals, prices[0])
    gross = math.fsum(
        usd(net + owed, asset.decimals, price)
        for asset, net, owed, price, matters in zip(
            assets, holdings.net, holdings.owed, prices, mattering(assets, holdings), strict=True
        )
        if matters and asset is not assets[0]
    )
    return VaultFigures(
        nav_usd=nav_usd,
        leverage=gross / nav_usd if nav_usd > 0.0 else 0.0,
        health_factor=min(
            health_factor_of(answers.of(vault.health_factor(account))) for account in at.accounts
        ),
    )
