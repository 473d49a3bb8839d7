"""What the vault refuses of its keeper at this block whatever the call is, with the remedy for each. Pure.

The gates of decision and ``keeper doctor`` use the same functions. The pause of ``min_interval`` between two rebalances
is no trouble and not among them: the gate ``cooldown`` counts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS
from keeper.domain.vault_quotes import Fault, quoted
from keeper.oracle.vault_rules import SEQUENCER_DOWN, levering_closed_s, sequencer_is_up

NEARLY_USED = 0.8
"""From this part of a daily limit on, what is left is worth a look: it takes only small trades."""


@dataclass(frozen=True, slots=True)
class VaultRefusal:
    """``name`` is the contract's error. ``passes``: it ends by itself, else a person must act."""

    name: str
    detail: str
    remedy: str
    passes: bool


def refusals(snapshot: MarketSnapshot) -> Iterator[VaultRefusal]:
    """Everything at this block that makes the vault refuse calls of the keeper, the worst first."""
    single = (
        role_refusal(snapshot),
        pause_refusal(snapshot),
        sequencer_refusal(snapshot),
        levering_refusal(snapshot),
    )
    yield from (refusal for refusal in single if refusal is not None)
    yield from price_refusals(snapshot)
    yield from window_refusals(snapshot)


def role_refusal(snapshot: MarketSnapshot) -> VaultRefusal | None:
    if snapshot.keeper_has_role:
        return None
    if snapshot.acts_as:
        return VaultRefusal(
            "CallerNotAllowed",
            f"{snapshot.keeper_address} cannot act as the vault's keeper through the Safe {snapshot.acts_as}",
            "`keeper doctor` names the link that is missing: the vault's keeper, the modifier's target, the Safe's "
            "module, or the key's role.",
            passes=False,
        )
    return VaultRefusal(
        "CallerNotAllowed",
        f"{snapshot.keeper_address} is not the vault's keeper",
        "`keeper vault show` prints the keeper. Use its key, or have the admin call "
        f"PolicyRegistry.setKeeper({snapshot.keeper_address}) through the timelock. If it is a Safe, "
        "KEEPER_ROLES_MODIFIER says how the key acts as it.",
        passes=False,
    )


def keeper_words(snapshot: MarketSnapshot) -> str:
    """Who the vault's keeper is, where it takes the key's calls."""
    if snapshot.acts_as:
        return f"{snapshot.keeper_address} acts as the Safe {snapshot.acts_as}, which is the vault's keeper"
    return f"{snapshot.keeper_address} is the vault's keeper"


def pause_refusal(snapshot: MarketSnapshot) -> VaultRefusal | None:
    if not snapshot.vault.paused:
        return None
    return VaultRefusal(
        "VaultPaused",
        "the vault is paused",
        "It takes deleverages alone. Find out who paused it and why. The admin ends the pause: "
        "PolicyRegistry.unpause() through the timelock.",
        passes=False,
    )


def sequencer_refusal(snapshot: MarketSnapshot) -> VaultRefusal | None:
    sequencer = snapshot.sequencer
    if sequencer is None or sequencer_is_up(sequencer, snapshot.block.timestamp):
        return None
    return VaultRefusal(
        "SequencerDown",
        SEQUENCER_DOWN,
        f"Wait until it has been up for more than {sequencer.grace_s} s. Deleverages go on.",
        passes=True,
    )


def levering_refusal(snapshot: MarketSnapshot) -> VaultRefusal | None:
    closed = levering_closed_s(snapshot)
    if closed == 0:
        return None
    return VaultRefusal(
        "LeveringClosed",
        f"after an emergency nothing is borrowed for {closed / 3600:.1f} h more",
        "Wait. Whatever borrows nothing goes on.",
        passes=True,
    )


def price_refusals(snapshot: MarketSnapshot) -> Iterator[VaultRefusal]:
    """One for each token that no rebalance may trade."""
    for symbol in snapshot.symbols:
        quote = quoted(snapshot, symbol)
        if quote.fault is Fault.NONE:
            continue
        sales = (
            "Not even a deleverage may trade it."
            if quote.fault is Fault.DEAD
            else "A deleverage may sell it."
        )
        yield VaultRefusal(
            "PriceRefused",
            f"{quote.why}: no rebalance may trade {symbol}",
            f"Compare the feed and the lending market's oracle with the market. {sales}",
            passes=True,
        )


def window_refusals(snapshot: MarketSnapshot) -> Iterator[VaultRefusal]:
    """One for each limit of 24 hours of which less than a fifth is left."""
    vault = snapshot.vault
    loss, turnover = vault.policy.daily_loss_bps / BPS, vault.policy.daily_turnover_bps / BPS
    for used, limit, detail in (
        (
            vault.used_daily_loss,
            loss,
            f"{vault.used_daily_loss:.2%} of NAV lost in 24 hours, at most {loss:.2%}",
        ),
        (
            vault.used_daily_turnover,
            turnover,
            f"{vault.used_daily_turnover:.2f} NAVs sold in 24 hours, at most {turnover:.2f}",
        ),
    ):
        if used >= NEARLY_USED * limit:
            yield VaultRefusal(
                "WindowExhausted",
                detail,
                "Wait: what was used comes back after 24 to 32 hours. If the journal does not know these calls, the "
                "key may be stolen: see docs/stolen-key.md.",
                passes=True,
            )
