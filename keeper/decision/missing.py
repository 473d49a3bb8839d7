"""What is missing for a trade, of all that a look at the data should know."""

from __future__ import annotations

from keeper.decision.gate_result import GateResult
from keeper.decision.trade_context import TradeContext
from keeper.domain.information import Fact
from keeper.risk.account_facts import subject_of


def information(trade: TradeContext) -> GateResult:
    """A change of accounts that lowers an account's debt needs to know nothing of its venue: that is why it is made."""
    relieved = {subject_of(account) for account in trade.relieved}
    missing = [name for name in trade.position.target.missing if Fact(name, 0.0).subject not in relieved]
    detail = f"missing: {', '.join(missing)}" if missing else "no information is missing"
    return GateResult(len(missing), 0, not missing, detail=detail)
