// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Asset, IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio, Step, StepKind} from "./interfaces/IPortfolio.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Amounts, Frames, Leg} from "./Frames.sol";

/// @notice Everything about steps that can be refused before anything moves.
library StepChecks {
    uint256 private constant FEE_UNIT = 1e6;
    uint256 private constant FEE_PER_BPS = 100;

    /// @dev `gross` and `owed` per asset, raw units, before the call. `lowering`: only withdrawals, repayments and
    /// purchases of what is owed.
    struct Question {
        Step[] steps;
        Asset[] assets;
        address[] accounts;
        uint256[] gross;
        uint256[] owed;
        uint256 maxGapBps;
        bool lowering;
        IPolicyRegistry registry;
        IPriceBook book;
    }

    /// @dev `legs` follows the steps, `quotes` the assets. `touched` has one bit per account, `priced` one per asset
    /// that needs a sound price.
    struct Findings {
        Leg[] legs;
        Quote[] quotes;
        uint256 touched;
        uint256 priced;
        bool borrows;
        bool sequencerUp;
    }

    function check(Question memory q) public view returns (Findings memory found) {
        if (q.steps.length == 0) revert IRebalancer.NoSteps();
        found.legs = new Leg[](q.steps.length);
        for (uint256 i = 0; i < q.steps.length; i++) {
            _checkStep(q, found, i);
        }
        _price(q, found);
        for (uint256 i = 0; i < q.steps.length; i++) {
            if (q.steps[i].kind >= StepKind.SwapExactIn) _rate(q, found, found.legs[i]);
        }
    }

    function _checkStep(Question memory q, Findings memory found, uint256 i) private view {
        Step memory step = q.steps[i];
        uint256 place = Frames.placeOf(q.assets, step.token);
        if (place == q.assets.length) revert IPortfolio.StepRefused(i, "token");
        if (!_amountAllowed(step)) revert IPortfolio.StepRefused(i, "amount");
        if (step.kind >= StepKind.SwapExactIn) return _checkSwap(q, found, i, place);
        if (step.account >= q.accounts.length) revert IPortfolio.StepRefused(i, "account");
        found.touched |= 1 << step.account;
        if (step.kind == StepKind.Withdraw) return;
        if (step.kind != StepKind.Repay) {
            if (q.lowering) revert IPortfolio.StepRefused(i, "raises");
            if (!q.assets[place].enabled) revert IPortfolio.StepRefused(i, "disabled");
            if (step.kind == StepKind.Supply) return;
            if (!q.assets[place].borrowable) revert IPortfolio.StepRefused(i, "borrowable");
            found.borrows = true;
        }
        found.priced |= 1 << place;
    }

    /// @dev What trades needs a price that is sound; what is merely held needs any, and dust needs none.
    function _price(Question memory q, Findings memory found) private view {
        address[] memory tokens = new address[](q.assets.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            bool trades = (found.priced >> i) & 1 != 0;
            if (trades || Frames.matters(q.assets[i], q.gross[i], q.owed[i])) tokens[i] = q.assets[i].token;
        }
        (found.quotes, found.sequencerUp) = q.book.quotes(tokens, ILendingAccount(q.accounts[0]), q.maxGapBps);
        for (uint256 i = 0; i < tokens.length; i++) {
            Quote memory quote = found.quotes[i];
            // Who lowers debt sells at the price by which the venue would liquidate.
            if (q.lowering && quote.fault == Fault.Gap && quote.venue != 0) {
                (quote.price, quote.low, quote.high) = (quote.venue, quote.venue, quote.venue);
            }
            bool usable = quote.fault == Fault.None || (q.lowering && quote.fault != Fault.Dead && quote.price != 0);
            if ((found.priced >> i) & 1 != 0 && !usable) {
                revert IRebalancer.PriceRefused(q.assets[i].token, uint8(quote.fault));
            }
        }
    }

    /// @dev Every swap for itself: a good one cannot pay for a bad one within a call.
    function _rate(Question memory q, Findings memory found, Leg memory leg) private pure {
        (uint256 fee, uint256 bought) = (leg.rate, leg.usd);
        uint256 sold = Frames.placeOf(q.assets, leg.sold);
        (Asset memory s, Asset memory b) = (q.assets[sold], q.assets[bought]);
        uint256 high = found.quotes[sold].high;
        uint256 due = Math.mulDiv(
            high * 10 ** b.decimals,
            Amounts.RATE,
            uint256(found.quotes[bought].low) * 10 ** s.decimals,
            Math.Rounding.Ceil
        );
        uint256 shortfall = fee + Math.max(s.slippageBps, b.slippageBps) * FEE_PER_BPS;
        leg.rate = Math.mulDiv(due, FEE_UNIT - shortfall, FEE_UNIT, Math.Rounding.Ceil);
        leg.usd = Math.mulDiv(high, Amounts.USD, 10 ** s.decimals, Math.Rounding.Ceil);
    }

    /// @param place Of the step's token in the assets.
    function _checkSwap(Question memory q, Findings memory found, uint256 i, uint256 place) private view {
        Step memory step = q.steps[i];
        IPolicyRegistry.PoolListing memory pool = q.registry.pool(step.pool);
        bool first = step.token == pool.token0;
        // A pool that was removed may still be sold into to lower debt, as a disabled asset may be sold: whoever
        // removes pools cannot lock the exits.
        bool usable = pool.listed || (q.lowering && pool.token1 != address(0));
        if (!usable || (!first && step.token != pool.token1)) revert IPortfolio.StepRefused(i, "pool");
        bool exactIn = step.kind == StepKind.SwapExactIn;
        bool zeroForOne = first == exactIn;
        uint256 other = Frames.placeOf(q.assets, first ? pool.token1 : pool.token0);
        found.priced |= (1 << place) | (1 << other);
        uint256 bought = exactIn ? other : place;
        // Until prices are known the leg keeps the pool's fee and the place of what is bought.
        found.legs[i] = Leg(zeroForOne ? pool.token0 : pool.token1, zeroForOne, pool.fee, bought);
        if (q.lowering && q.owed[bought] == 0 && !_isSoldNext(q, i, bought)) {
            revert IPortfolio.StepRefused(i, "raises");
        }
        if (!q.lowering && !q.assets[bought].enabled) revert IPortfolio.StepRefused(i, "disabled");
    }

    /// @dev A swap may pass through a token that is not owed: all that it brings goes on at once.
    function _isSoldNext(Question memory q, uint256 i, uint256 bought) private pure returns (bool) {
        if (i + 1 == q.steps.length) return false;
        Step memory next = q.steps[i + 1];
        return next.kind == StepKind.SwapExactIn && next.token == q.assets[bought].token
            && next.amount == Amounts.PREVIOUS;
    }

    /// @dev Buying and borrowing "all" means nothing; a withdrawal has nothing before it to follow.
    function _amountAllowed(Step memory step) private pure returns (bool) {
        if (step.amount < Amounts.PREVIOUS) return step.amount != 0;
        if (step.kind == StepKind.SwapExactOut || step.kind == StepKind.Borrow) return false;
        return step.kind != StepKind.Withdraw || step.amount == Amounts.ALL;
    }
}
