"""A node with geth's mempool rules in memory, and ways to make it misbehave; a journal in a real file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from keeper.domain.errors import NodeUnavailable, RpcError
from keeper.domain.tx import Payload, Receipt
from keeper.tx.allowlist import AllowedTarget, VaultTargets
from keeper.tx.fees import FeeMarket
from keeper.tx.ports import NodeView
from keeper.tx.signer import LocalSigner, from_development_key

CHAIN_ID = 31_337
VAULT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
"""The rebalancer, which takes the calls."""
SHARES = "0x52908400098527886E0F7030069857D2E4169EE7"
PUBLIC_DEVELOPMENT_KEY = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # Anvil's first account
)
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
GWEI = 10**9


def targets() -> VaultTargets:
    return VaultTargets(rebalancer=VAULT, shares=SHARES)


def a_signer() -> LocalSigner:
    return from_development_key(PUBLIC_DEVELOPMENT_KEY, AllowedTarget(CHAIN_ID, targets))


def a_payload(epoch: int = 3, cap_gwei: int = 100) -> Payload:
    return Payload(
        chain_id=CHAIN_ID,
        sender=SENDER,
        to=VAULT,
        epoch=epoch,
        calldata=f"0xf1eabd8b{epoch:064x}",
        gas_limit=900_000,
        max_fee_cap_wei=cap_gwei * GWEI,
        deadline=2_000_000_000,
        as_of=0,
        turnover=0.0,
        private=False,
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """One transaction as the node reads it from its bytes."""

    raw: str
    tx_hash: str
    sender: str
    nonce: int
    data: str
    gas: int
    max_fee: int
    tip: int


def read(raw: str) -> Sent:
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return Sent(
        raw=raw,
        tx_hash=HexBytes(keccak(HexBytes(raw))).to_0x_hex(),
        sender=str(Account.recover_transaction(raw)),
        nonce=int(fields["nonce"]),
        data=HexBytes(fields["data"]).to_0x_hex(),
        gas=int(fields["gas"]),
        max_fee=int(fields["maxFeePerGas"]),
        tip=int(fields["maxPriorityFeePerGas"]),
    )


@dataclass
class NodeDouble:
    """``tx.ports.SendingNode``. Mines at once when ``mines`` is set, else when told to."""

    mines: bool = True
    base_fee: int = 10 * GWEI
    tip: int = GWEI
    wei: int = 10**20
    chain: int = CHAIN_ID
    reverts: bool = False
    revert_reason: bytes | None = None
    loses_replies: bool = False
    down: bool = False
    hides_receipts: bool = False
    refuses_with: str = ""
    fee_cap: int = 10**18
    states_cap: bool = True
    needs_percent: int = 110
    first_nonce: int = 0
    foreign_nonces: int = 0
    counts_more: int = 0
    head: int = 100
    head_time: int = 1_700_000_000
    finality: int = 0
    settled: bool = True
    epoch: int | None = None
    is_vault: bool = False
    tells_pool: bool = True
    endpoint: str = "http://node"
    arrived: list[str] = field(default_factory=list)
    waiting: dict[int, Sent] = field(default_factory=dict)
    mined: list[tuple[Sent, int, bool]] = field(default_factory=list)

    def chain_id(self) -> int:
        self._answer()
        return self.chain

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        self._answer()
        mined = {sent.tx_hash: (block, ok, sent) for sent, block, ok in self.mined if not self.hides_receipts}
        waiting = {sent.tx_hash for sent in self.waiting.values()}
        return NodeView(
            head=self.head,
            head_time=self.head_time,
            base_fee_wei=self.base_fee,
            final_block=self.head - self.finality,
            mined_nonce=self._next() + self.counts_more,
            settled_nonce=self._next() if self.settled else 0,
            pending_nonce=self._next() + self.counts_more + len(self.waiting),
            epoch=self.vault_epoch() if self.is_vault else self.epoch,
            receipts={
                one: Receipt(
                    owner,
                    one,
                    mined[one][0],
                    f"0x{mined[one][0]:064x}",
                    mined[one][1],
                    500_000,
                    mined[one][2].max_fee,
                    rollup_fee_wei=0,
                    nav_before=None,
                    nav_after=None,
                )
                for one, owner in hashes.items()
                if one in mined
            },
            known=frozenset(one for one in hashes if one in waiting or one in mined),
            pool={nonce: sent.tx_hash for nonce, sent in self.waiting.items()} if self.tells_pool else None,
        )

    def balance(self, account: str) -> int:
        self._answer()
        return self.wei

    def fee_market(self) -> FeeMarket:
        self._answer()
        return FeeMarket(self.base_fee, self.tip)

    def revert_data(self, payload: Payload, block: int) -> bytes | None:
        self._answer()
        return self.revert_reason

    def send_raw(self, raw: str) -> None:
        self._answer()
        self.arrived.append(raw)
        self._accept(read(raw))
        if self.mines:
            self.mine()
        if self.loses_replies:
            raise NodeUnavailable("timed out", remedy="")

    # ------------------------------------------------------------------ the world moves

    def mine(self) -> None:
        self.head += 1
        sent = self.waiting.get(self._next())
        if sent is not None and sent.max_fee >= self.base_fee:
            del self.waiting[sent.nonce]
            self.mined.append((sent, self.head, not self.reverts and self._accepted(sent)))

    def evict(self) -> None:
        self.waiting.clear()

    def reorganise(self) -> None:
        """The newest transaction is un-mined and forgotten."""
        if self.mined:
            self.mined.pop()

    def vault_epoch(self) -> int:
        """One more with every call that the vault took."""
        return sum(succeeded and sent.data != "0x" for sent, _, succeeded in self.mined)

    # ------------------------------------------------------------------ inside

    def _accepted(self, sent: Sent) -> bool:
        return not self.is_vault or sent.data == "0x" or int(sent.data[10:74], 16) == self.vault_epoch()

    def _next(self) -> int:
        return self.first_nonce + self.foreign_nonces + len(self.mined)

    def _answer(self) -> None:
        if self.down:
            raise NodeUnavailable("no answer", remedy="")

    def _accept(self, sent: Sent) -> None:
        if self.refuses_with:
            raise _error(self.refuses_with)
        if any(
            sent.tx_hash == one.tx_hash for one in [*self.waiting.values(), *(m for m, _, _ in self.mined)]
        ):
            raise _error("already known")
        if sent.nonce < self._next():
            raise _error("nonce too low")
        if sent.gas * sent.max_fee > self.fee_cap:
            told = f"tx fee ({sent.gas * sent.max_fee / 1e18:.4f} ether) exceeds the configured cap ("
            raise _error(
                f"{told}{self.fee_cap / 1e18:.4f} ether)"
                if self.states_cap
                else "Transaction fee cap exceeded"
            )
        rival, needs = self.waiting.get(sent.nonce), self.needs_percent
        if (
            rival is not None
            and min(sent.max_fee * 100 - rival.max_fee * needs, sent.tip * 100 - rival.tip * needs) < 0
        ):
            raise _error("replacement transaction underpriced")
        self.waiting[sent.nonce] = sent


def _error(text: str) -> RpcError:
    return RpcError("eth_sendRawTransaction", -32_000, text, None)


class FakeClock:
    """Time passes only by waiting."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class AlarmBell:
    """``tx.recovery.Alarm``: what was rung."""

    causes: list[str] = field(default_factory=list)

    def pause(self, cause: str, reason: str) -> None:
        assert reason
        self.causes.append(cause)
