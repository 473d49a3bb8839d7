"""Fixtures of fault tests: a vault on a local chain behind a proxy, a journal, and keepers as real processes."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account import Account

from keeper.devnet import feeds
from keeper.devnet.anvil import MNEMONIC, rpc
from keeper.devnet.local_chain import ROLES, LocalChain
from keeper.domain.tx import AttemptKind, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from tests.chain.keeper_command import SHORT_HISTORY
from tests.chain.restored import restored
from tests.chain.vault_scene import scene_on
from tests.faults.processes import Ended, ForkServer, Running
from tests.servers.geth_proxy import GethProxy

QUICK = {
    "KEEPER_SEND__BUMP_AFTER_S": "1",
    "KEEPER_SEND__GIVE_UP_AFTER_S": "30",
    "KEEPER_SEND__PRIVATE_PATIENCE_S": "1",
    **SHORT_HISTORY,
}
COOLDOWN_S = 3_700
BASE_FEE_WEI = 4 * 10**9
"""At the beginning of a trial. So low that gas settles no choice between two plans: prices fall with each empty block, and a
keeper that decides some blocks after its twin must decide the same."""
WITHOUT_OPTION_MARKETS = json.dumps(
    [{"symbol": symbol, "budget": 0.25} for symbol in ("WBTC", "WETH", "LINK", "UNI")]
)
"""No trial asks an option market; one that does not answer is missing information."""
EXECUTE = ("rebalance", "--execute", "--json")


@dataclass(frozen=True)
class VaultNow:
    """What the chain says of the vault: its epoch and the calls that took effect."""

    epoch: int
    rebalanced: int
    deleveraged: int


@dataclass
class Trial:
    """One test run on a chain and a journal of its own. ``broken`` collects violated invariants."""

    world: LocalChain
    proxy: GethProxy
    fork_server: ForkServer
    journal_url: str
    environment: dict[str, str]
    killed_at: dict[str, int] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def run(self, *arguments: str, failpoint: str = "", more: Mapping[str, str] | None = None) -> Ended:
        """A keeper, from start to end or death."""
        environment = {**self.environment, **(more or {})}
        if failpoint:
            environment["KEEPER_FAILPOINT"] = failpoint
        ended = self.fork_server.run(arguments or EXECUTE, environment)
        if ended.killed:
            name = failpoint.partition(":")[0]
            self.killed_at[name] = self.killed_at.get(name, 0) + 1
        elif ended.exit_code == 1:
            self.broken.append(f"an unexpected failure: {ended.err[-2000:]}")
        elif '"record_id"' in ended.out:
            self.completed.append(ended.record["record_id"])
        return ended

    @property
    def kills(self) -> int:
        return sum(self.killed_at.values())

    def come_to_rest(self) -> Ended:
        """Mines blocks and runs cycles until nothing is in flight and the keeper holds."""
        self.proxy.mines_on_poll = 1
        for _ in range(12):
            self.proxy.mine(3)
            ended = self.run()
            if not self.unfinished() and ended.exit_code is not None and not self.acted(ended):
                return ended
        self.broken.append(f"did not come to rest: {ended.out[-800:]}{ended.err[-800:]}")
        return ended

    @staticmethod
    def acted(ended: Ended) -> bool:
        return '"record_id"' in ended.out and ended.record["outcome"] == "SENT"

    def start(self, *arguments: str, failpoint: str = "", more: Mapping[str, str] | None = None) -> Running:
        """A keeper that runs while the test does something else; then ``ended``."""
        environment = {**self.environment, **(more or {}), "KEEPER_FAILPOINT": failpoint}
        return self.fork_server.start(arguments or EXECUTE, environment)

    def ended(self, running: Running) -> Ended:
        ended = running.wait()
        if '"record_id"' in ended.out:
            self.completed.append(ended.record["record_id"])
        return ended

    @staticmethod
    def until(true: Callable[[], bool]) -> None:
        """Waits until the condition holds. Raises TimeoutError after 30 s."""
        pause = threading.Event()
        for _ in range(3_000):
            if true():
                return
            pause.wait(0.01)
        raise TimeoutError("the condition did not come true")

    @staticmethod
    def stopped(running: Running) -> bool:
        state = Path(f"/proc/{running.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state == "T"

    # ----------------------------------------------------------- the world moves

    @contextmanager
    def automine(self) -> Iterator[None]:
        """For the market's own transactions, which do not go through the proxy."""
        self.proxy.rpc("evm_setAutomine", True)
        try:
            yield
        finally:
            self.proxy.rpc("evm_setAutomine", False)

    def freshen(self) -> None:
        """Every feed repeats its price."""
        with self.automine():
            self.world.refresh_feeds()

    def move_price(self, symbol: str, factor: float, *, pools: bool) -> None:
        price = self.world.spot(symbol) * factor
        with self.automine():
            if pools:
                self.world.set_price(symbol, price)
            else:
                feeds.publish_now(self.world.w3, self.world.owner, self.world.feeds.addresses[symbol], price)

    def vault_paused(self, paused: bool) -> None:
        """By the guardian, and lifted by the admin; in blocks of their own."""
        scene, call = scene_on(self.world), self.world.registry.functions
        with self.automine():
            who = scene.people.guardian if paused else scene.people.admin
            scene.send(call.pause() if paused else call.unpause(), who)

    def other_keeper_rebalances(self) -> None:
        """Another process, elsewhere, whose key is the vault's keeper for that moment, and the same decision."""
        stranger = self.world.deployment.accounts["stranger"]
        self._set_keeper(stranger)
        Account.enable_unaudited_hdwallet_features()
        path = f"m/44'/60'/0'/0/{ROLES.index('stranger')}"
        key = Account.from_mnemonic(MNEMONIC, account_path=path).key.to_0x_hex()
        elsewhere = self.pause_file.with_name("elsewhere")
        elsewhere.mkdir(exist_ok=True)
        other = ForkServer(elsewhere)
        environment = {
            **self.environment,
            "KEEPER_JOURNAL_URL": f"sqlite:///{elsewhere / 'other.db'}",
            "KEEPER_LOCK_DIRECTORY": str(elsewhere),
            "KEEPER_PRIVATE_KEY": key,
        }
        before, self.proxy.mines_on_poll = self.proxy.mines_on_poll, 1
        mine, self.proxy.on_arrival = self.proxy.on_arrival, lambda raw: None
        count = len(self.proxy.arrived)
        try:
            ended = other.run(EXECUTE, environment)
        finally:
            other.close()
            self._set_keeper(self.keeper)
        assert ended.record["outcome"] == "SENT", ended.out
        del self.proxy.arrived[count:]
        self.proxy.mines_on_poll, self.proxy.on_arrival = before, mine

    def lever(self, more: Mapping[str, str] | None = None) -> None:
        """The first rebalance, final; then time enough for another."""
        self.run(more=more or {})
        self.proxy.mine(3)
        self.proxy.pass_time(COOLDOWN_S)
        self.freshen()

    @property
    def eager(self) -> dict[str, str]:
        """Settings under which the vault, just rebalanced, wants to trade again."""
        return {"KEEPER_SIZE__TARGET_VOLATILITY": "0.4"}

    def strange_bytes(self, nonce_ahead: int = 0) -> str:
        """A transaction of the key that no journal knows, so far from the next nonce."""
        nonce = int(self.proxy.rpc("eth_getTransactionCount", self.keeper, "latest"), 16)
        key = self.world.deployment.private_key
        signed = Account.from_key(key).sign_transaction(
            {
                "type": 2,
                "chainId": self.world.deployment.chain_id,
                "nonce": nonce + nonce_ahead,
                "to": self.keeper,
                "value": 1,
                "gas": 21_000,
                "maxFeePerGas": 500 * 10**9,
                "maxPriorityFeePerGas": 2 * 10**9,
            }
        )
        raw: str = signed.raw_transaction.to_0x_hex()
        return raw

    def stranger_takes_the_nonce(self) -> None:
        """Somebody else has the key, and sends nothing to themselves."""
        self.proxy.rpc("eth_sendRawTransaction", self.strange_bytes())
        self.proxy.mine()

    @property
    def pause_file(self) -> Path:
        return Path(self.environment["KEEPER_PAUSE_FILE"])

    # ------------------------------------------------------------------ looking

    def unfinished(self) -> tuple[str, ...]:
        with Journal.open_for_reading(self.journal_url) as journal:
            log = StoredAttempts(journal, lambda: 0.0)
            found = log.unfinished(self.world.deployment.chain_id, self.keeper)
            return tuple(one.intent_id for one in found)

    def statuses(self) -> dict[IntentStatus, int]:
        counts: dict[IntentStatus, int] = {}
        with Journal.open_for_reading(self.journal_url) as journal, journal.reading() as connection:
            for status in connection.exec_driver_sql("SELECT status FROM intents").scalars():
                counts[IntentStatus(status)] = counts.get(IntentStatus(status), 0) + 1
        return counts

    def gas_wei(self) -> int:
        """Counted for the key's transactions, whenever they were decided."""
        with Journal.open_for_reading(self.journal_url) as journal:
            log = StoredAttempts(journal, lambda: 0.0)
            return log.spent(self.world.deployment.chain_id, self.keeper, -1).gas_wei

    def pauses(self) -> tuple[str, ...]:
        with Journal.open_for_reading(self.journal_url) as journal:
            return tuple(pause.cause for pause in Switches(journal, lambda: 0.0).pauses())

    def _set_keeper(self, account: str) -> None:
        scene = scene_on(self.world)
        with self.automine():
            scene.send(self.world.registry.functions.setKeeper(account), scene.people.admin)

    @property
    def keeper(self) -> str:
        return self.world.deployment.accounts["keeper"]

    def vault(self) -> VaultNow:
        rebalancer = self.world.rebalancer
        logs: Any = rpc(
            self.proxy.upstream, "eth_getLogs", {"address": rebalancer.address, "fromBlock": "0x0"}
        )
        topics = [log["topics"][0] for log in logs]
        rebalanced, lowered = (
            topics.count(rebalancer.events[name]().topic) for name in ("Rebalanced", "Lowered")
        )
        return VaultNow(rebalancer.functions.state().call()[0], rebalanced, lowered)

    def check(self, *, whole_journal: bool = True) -> list[str]:
        """Checks N1, N2 and N5 in the journal, on the wire and on the chain. Returns the violations. The hash chain of
        the ``whole_journal`` takes most of the time."""
        with Journal.open_for_reading(self.journal_url) as journal:
            if whole_journal:
                journal.verify()
            log = StoredAttempts(journal, lambda: 0.0)
            kept = {record.record_id for record in StoredRecords(journal).latest(1_000)}
            with journal.reading() as connection:
                intents = [
                    log.intent(one)
                    for one in connection.exec_driver_sql("SELECT intent_id FROM intents").scalars()
                ]
            attempts = {one.raw: one for intent in intents for one in log.attempts(intent.intent_id)}
        lost = [record for record in self.completed if record not in kept]
        if lost:
            self.broken.append(f"lost rows: {lost}")
        superseding = {intent.intent_id for intent in intents if intent.supersedes is not None}
        owners: dict[int, set[str]] = {}
        for sent in self.proxy.arrived:
            attempt = attempts.get(sent.raw)
            if attempt is None:
                self.broken.append(f"N2: {sent.tx_hash} was sent and has no row")
            elif attempt.kind is AttemptKind.CALL and attempt.intent_id not in superseding:
                owners.setdefault(sent.nonce, set()).add(sent.data)
        self.broken += [
            f"N5: nonce {nonce} has {len(data)} calls" for nonce, data in owners.items() if len(data) > 1
        ]
        now = self.vault()
        if now.rebalanced + now.deleveraged != now.epoch:
            self.broken.append(f"N1: epoch {now.epoch} with {now.rebalanced} + {now.deleveraged} calls")
        return self.broken


class Stage:
    """A chain, a proxy and a journal that are reset for each trial."""

    def __init__(
        self,
        world: LocalChain,
        proxy: GethProxy,
        fork_server: ForkServer,
        folder: Path,
        base_url: str,
        assets: str = WITHOUT_OPTION_MARKETS,
    ) -> None:
        self.world = world
        self.proxy = proxy
        self.fork_server = fork_server
        self._folder = folder
        self._base_url = base_url
        deployment = replace(world.deployment, rpc_url=proxy.url)
        deployment.write(folder / "deployment.json")
        self.environment = {
            "KEEPER_DEPLOYMENT": str(folder / "deployment.json"),
            "KEEPER_LOCK_DIRECTORY": str(folder / "locks"),
            "KEEPER_PAUSE_FILE": str(folder / "keeper.pause"),
            "KEEPER_ASSETS": assets,
            **QUICK,
        }
        self._prepare()

    def _prepare(self) -> None:
        """The price history is read once; every trial's journal begins as a copy."""
        self.proxy.mines_on_poll = None
        ended = self.fork_server.run(
            EXECUTE,
            self.environment | {"KEEPER_JOURNAL_URL": self._base_url, "KEEPER_FAILPOINT": "simulated"},
        )
        assert ended.killed, ended.out + ended.err
        self.proxy.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        self.proxy.mine()

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        url = self._copy()
        self.proxy.reset()
        trial = Trial(
            self.world, self.proxy, self.fork_server, url, self.environment | {"KEEPER_JOURNAL_URL": url}
        )
        self.proxy.on_arrival = lambda raw: self._require_row(trial, raw)
        with restored(self.proxy.upstream):
            try:
                yield trial
            finally:
                self.proxy.on_arrival = lambda raw: None
                (self._folder / "keeper.pause").unlink(missing_ok=True)

    def _copy(self) -> str:
        if self._base_url.startswith("sqlite"):
            target = self._folder / "trial.db"
            for old in self._folder.glob("trial.db*"):
                old.unlink()
            with (
                sqlite3.connect(self._base_url.removeprefix("sqlite:///")) as source,
                sqlite3.connect(target) as copy,
            ):
                source.backup(copy)
            source.close()
            copy.close()
            return f"sqlite:///{target}"
        import psycopg
        from sqlalchemy.engine import make_url

        base = make_url(self._base_url)
        name = f"trial_{uuid.uuid4().hex}"
        server = base.set(database="postgres").render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{base.database}"')
        return base.set(database=name).render_as_string(hide_password=False)

    @staticmethod
    def _require_row(trial: Trial, raw: str) -> None:
        """N2, at the moment at which the bytes arrive."""
        with Journal.open_for_reading(trial.journal_url) as journal, journal.reading() as connection:
            rows = connection.exec_driver_sql("SELECT raw FROM attempts").scalars().all()
        if raw not in rows:
            trial.broken.append("N2: bytes arrived before their row was committed")


def rests_at(trial: Trial, epoch: int) -> None:
    trial.come_to_rest()
    assert trial.vault().epoch == epoch


def gates(ended: Ended) -> dict[str, bool]:
    return {gate["name"]: gate["passed"] for gate in ended.record["gates"]}
