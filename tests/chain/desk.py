"""A trading desk on the local chain: it plans, sends and reads back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_typing import HexStr

from keeper.chain.chain_reader import ChainReader
from keeper.cycle.pipeline import Assessment, assess, price_bars, propose, required_quotes
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.plan import RebalancePlan
from keeper.domain.policy import Policy
from keeper.planning.verify import verify
from tests.chain.node_scene import HISTORY_S
from tests.chain.vault_scene import GAS, POLL_S, RISKY
from tests.factories import a_chain_policy, a_size_policy

HOUR = 3_600
MODEST = a_chain_policy(
    size=a_size_policy(target_volatility=2.0, max_leverage=1.3, scenarios=(), stress_sigmas=2.0)
)
BOLD = replace(MODEST, size=replace(MODEST.size, max_leverage=2.0))


@dataclass(frozen=True, slots=True)
class Ran:
    """A cycle that sent its plan."""

    before: MarketSnapshot
    assessment: Assessment
    plan: RebalancePlan
    after: VaultReading


@dataclass(frozen=True, slots=True)
class Desk:
    """The keeper's pure functions and its node, with its account unlocked."""

    world: LocalChain
    node: ChainReader

    def cycle(self, policy: Policy) -> Ran:
        reading = self.node.read({}, HISTORY_S)
        snapshot = reading.snapshot
        bars = price_bars(reading.new_rounds, snapshot, policy)
        assessment = assess(Observation(snapshot), bars, policy)
        plan = propose(assessment, snapshot, self.node.quote(required_quotes(assessment, snapshot), snapshot))
        assert plan is not None, assessment.decision.reason
        report = self.node.simulate(plan, snapshot)
        verdict = verify(plan, report, snapshot, assessment.decision, assessment.policy)
        assert verdict.passed, [check.detail for check in verdict.checks if not check.passed]
        self.send(plan, snapshot)
        return Ran(snapshot, assessment, plan, read_vault(self.world))

    def build_up(self) -> Ran:
        """In two steps: the vault lets no single rebalance lose what levering up in one go costs in fees."""
        self.cycle(MODEST)
        self.world.pass_time(2 * HOUR)
        return self.cycle(BOLD)

    def send(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> None:
        eth = self.world.w3.eth
        sent = eth.send_transaction(
            {
                "from": eth.w3.to_checksum_address(self.world.deployment.accounts["keeper"]),
                "to": self.world.rebalancer.address,
                "data": HexStr(self.node.outgoing(plan, snapshot).calldata),
                "gas": GAS,
            }
        )
        assert eth.wait_for_transaction_receipt(sent, poll_latency=POLL_S)["status"] == 1

    def fall(self, part: float) -> None:
        """Every risk asset loses this part of its price at once."""
        for symbol in RISKY:
            self.world.set_price(symbol, self.world.spot(symbol) * (1.0 - part))
