"""Whether to trade, how urgently and how far: ``decide``.

Each step reads only the ones before it:

    position        held portfolio against target: risk shares, tracking error, trading costs
       |            (costs, cost_curve: what a trade of each asset is expected to cost)
    triggers        the reasons to trade, and the urgency that they give (health_bound)
       |
    move            where the trade aims (horizon, aims, no_trade, overshoot) and how far it goes this cycle
       |            (deleverage: the move of an EMERGENCY)
    trade_context   the move's cost and benefit
       |
    limits          what must hold for the trade (pause_rules: pauses and daily limits)
       |
    gates           both tables: each trigger and limit with its meaning, condition and exit code
       |
    decide          HOLD, REBALANCE, ITERATE or RIPCORD

``measures`` has the scalar formulas.
"""
