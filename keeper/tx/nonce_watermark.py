"""Keeps the journal's next nonce and the chain's count of the key's transactions together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from keeper.domain.errors import NodeUntrusted
from keeper.domain.pause_causes import FOREIGN_TRANSACTION, NONCE_TAKEN_BACK
from keeper.domain.tx import Intent, NonceWatermark
from keeper.tx.config import SenderConfig
from keeper.tx.dispatch import Dispatcher
from keeper.tx.ports import NodeView

MAX_JUMP = 100_000
"""Transactions. A keeper sends a few a day, so no old copy of a journal is further behind."""
MAX_FIRST_NONCE = 2**32
"""Of a key that the journal does not know. No key has ever sent so many transactions."""
SETTLED_S = 60
"""A node that lags further behind is broken, not slow."""


class ChainWatermark:
    """What was signed for is the keeper's own act: no nonce below it is used again. What was adopted from the chain is
    a node's word, and a node may be wrong. So the watermark follows the chain in both directions:

    1. The chain counts more than the journal: the key has transactions that the journal does not know. Pause, and adopt
       the number. One answer proves nothing, so the node is asked again and the lower number counts. A jump that no key
       makes is not believed. A receipt for bytes that were given up shows that the transaction is the keeper's own
       (``may_return``); without one the pause stays.
    2. The chain counts less than was adopted, and not less than was signed for: pause, and adopt the lower number.
       `keeper resume` is enough afterwards, in both cases.

    The node may lag, and then the lower number is old. So it proves nothing for ``SETTLED_S`` after the higher one was
    adopted, and until then nothing is sent. The keeper's own clock decides, because a node may be wrong about its head
    too. A reorganisation that removes the transactions of somebody else looks the same; usually they are mined again
    within that time.

    What if the lower number is the wrong one? A nonce counts once on a chain. If it is used, the chain refuses the new
    transaction ("nonce too low"), so nothing is sent twice; its intent ends as DISPLACED, with a pause. If it is free
    after a reorganisation, either the keeper's transaction or the other one is mined, and the vault's epoch decides
    whether a call still applies. A chain that counts less than was signed for proves only that the node lags.

    A nonce that somebody else used before the keeper (DISPLACED) is a node's word too, so it is adopted.

    What if the higher number is wrong and was signed for? That happens in an emergency and at a key's first send, which
    do not wait, or if a person resumes too early. Then nobody has the nonce before, and the intent is out of reach
    (``out_of_reach``): it expires, is no longer counted as signed for, and the lower number can be adopted. The next
    intent at that nonce, years later, supersedes it, so that its bytes stay known.
    """

    def __init__(self, config: SenderConfig, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._node = config.node
        self._log = config.log
        self._alarm = config.alarm
        self._chain_id = config.chain_id
        self._account = config.account
        self._targets = config.targets

    def view(self, hashes: Mapping[str, str]) -> NodeView:
        """The key by the node, with the receipts of ``hashes`` and of what was given up and may be mined by now. Where
        the node counts more transactions than the journal, by the lower of two counts."""
        view = self._look(hashes)
        counts_more = view.mined_nonce > (self._mark().next_nonce or 0)
        given_up = self._given_up_hashes(view)
        if not counts_more and not given_up:
            return view
        again = self._look(given_up)
        view = replace(view, receipts={**again.receipts, **view.receipts}, known=view.known | again.known)
        if not counts_more or again.mined_nonce >= view.mined_nonce:
            return view
        return replace(view, mined_nonce=again.mined_nonce, pending_nonce=again.pending_nonce)

    def _given_up_hashes(self, view: NodeView) -> dict[str, str]:
        """At nonces that the node reached, above the latest final one, for which ``view`` has no receipt of ours."""
        given_up = self._log.given_up(self._chain_id, self._account)
        if not given_up:
            return {}
        reached = range(self._after_final(), view.pending_nonce)
        ours = {self._log.intent(receipt.intent_id).nonce for receipt in view.receipts.values()}
        return self._dispatcher.hashes(
            *(intent for intent in given_up if intent.nonce in reached and intent.nonce not in ours)
        )

    def may_return(self, nonce: int, own: Collection[int]) -> bool:
        """Whether an intent that was let go may be recorded as mined at ``nonce``. ``own``: the nonces at which such
        intents have receipts.

        The nonce counts as signed for again, so no lower count is believed afterwards. That does no harm where the
        keeper has every nonce since the latest final one. Any other nonce below is a stranger's, or nobody's if the
        node is wrong. Then ``follow`` pauses and adopts the count first, and the count must stand for
        ``SETTLED_S``."""
        if self._has_signed(nonce):
            return True
        if all(below in own or self._has_signed(below) for below in range(self._after_final(), nonce)):
            return True
        mark = self._mark()
        return mark.adopted_s >= SETTLED_S and all(
            below in own for below in range(mark.next_nonce or 0, nonce)
        )

    def out_of_reach(self, intent: Intent, view: NodeView) -> bool:
        """Whether the chain cannot get to the intent's nonce, because nobody has a nonce before it. A node that counts
        fewer than the latest final transaction needs is behind, and proves nothing."""
        pool = view.pool or {}
        return self._mark().adopted_s >= SETTLED_S and not all(
            nonce in pool or self._has_signed(nonce)
            for nonce in range(max(view.mined_nonce, self._after_final()), intent.nonce)
        )

    def given_up_at(self, nonce: int) -> str | None:
        """The newest intent at this nonce that was signed and given up."""
        given_up = self._log.given_up(self._chain_id, self._account)
        return next((intent.intent_id for intent in reversed(given_up) if intent.nonce == nonce), None)

    def follow(self, view: NodeView) -> bool:
        """Whether chain and journal differed, so that the keeper is paused. Nothing is said of a key that the journal
        does not know. Raises NodeUntrusted."""
        mark = self._mark()
        expected, counted = mark.next_nonce, view.mined_nonce
        if expected is None:
            return False
        if counted > expected:
            self._require_plausible(counted, expected + MAX_JUMP)
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"{counted - expected} transaction(s) of {self._account} from nonce {expected} on are not in this "
                f"journal: something else uses the key, or the journal is an old copy ({self._source})",
            )
        elif mark.is_hearsay and (mark.signed or 0) <= counted < expected and mark.adopted_s >= SETTLED_S:
            self._alarm.pause(
                NONCE_TAKEN_BACK,
                f"{self._account} has sent {counted} transactions, and {expected} were counted before: the node was "
                f"wrong, or the chain reorganised ({self._source})",
            )
        else:
            return False
        self._log.adopt_nonce(self._chain_id, self._account, counted)
        return True

    def next_nonce(self, view: NodeView) -> int:
        """For a new intent, after ``follow``. Raises NodeUntrusted if the node is behind the journal."""
        mark = self._mark()
        expected, counted = mark.next_nonce, view.mined_nonce
        if expected is None:
            self._require_plausible(counted, MAX_FIRST_NONCE)
            self._log.adopt_nonce(self._chain_id, self._account, counted)
            return counted
        waiting = self._log.unfinished(self._chain_id, self._account)
        if counted < expected and (mark.is_hearsay or not waiting):
            raise NodeUntrusted(
                f"the chain's next nonce of {self._account} is {counted}, the journal's is {expected} ({self._source})",
                remedy="The node lags behind, was wrong before, or is on another chain. If it lasts for more than "
                f"{SETTLED_S} s, use another node.",
            )
        return expected

    def _after_final(self) -> int:
        """The nonce after the latest final one; 0 without one."""
        final = self._log.latest_final(self._chain_id, self._account)
        return final[0].nonce + 1 if final is not None else 0

    def _has_signed(self, nonce: int) -> bool:
        return self._log.has_signed(self._chain_id, self._account, nonce)

    def _mark(self) -> NonceWatermark:
        return self._log.watermark(self._chain_id, self._account)

    def _look(self, hashes: Mapping[str, str]) -> NodeView:
        return self._node.view(self._account, self._targets().rebalancer, hashes)

    @property
    def _source(self) -> str:
        return f"eth_getTransactionCount of {self._node.endpoint}"

    def _require_plausible(self, counted: int, most: int) -> None:
        if counted > most:
            raise NodeUntrusted(
                f"{self._account} cannot have sent {counted} transactions; at most {most} are plausible "
                f"({self._source})",
                remedy="Compare the node with another one. If the key really has so many transactions, start a new "
                "journal: it takes the chain's number over.",
            )
