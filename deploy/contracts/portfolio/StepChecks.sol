// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio, Step, StepKind} from "./interfaces/IPortfolio.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Amounts, Frame, Frames, Leg} from "./Frames.sol";
import {PackedAsset} from "./PackedAssets.sol";

/// @notice Everything about steps that can be refused before anything moves.
library StepChecks {
    uint256 private constant FEE_UNIT = 1e6;
    uint256 private constant FEE_PER_BPS = 100;

    /// @dev Fills in the frame's legs and quotes, and what the steps touch.
    function check(Frame memory f, IPolicyRegistry registry, IPriceBook book) internal view {
        Step[] memory steps = f.plan.steps;
        if (steps.length == 0) revert IRebalancer.NoSteps();
        f.plan.legs = new Leg[](steps.length);
        for (uint256 i = 0; i < steps.length; i++) {
            _checkStep(f, registry, i);
        }
        _price(f, book);
        for (uint256 i = 0; i < steps.length; i++) {
            if (steps[i].kind >= StepKind.SwapExactIn) _rate(f, f.plan.legs[i]);
        }
    }

    function _checkStep(Frame memory f, IPolicyRegistry registry, uint256 i) private view {
        Step memory step = f.plan.steps[i];
        uint256 place = Frames.placeOf(f.assets, step.token);
        if (place == f.assets.length) revert IPortfolio.StepRefused(i, "token");
        if (!_amountAllowed(step)) revert IPortfolio.StepRefused(i, "amount");
        if (step.kind >= StepKind.SwapExactIn) return _checkSwap(f, registry, step, i, place);
        if (step.account >= f.plan.accounts.length) revert IPortfolio.StepRefused(i, "account");
        f.touched |= 1 << step.account;
        if (step.kind == StepKind.Withdraw) return;
        if (step.kind != StepKind.Repay) {
            if (f.lowering) revert IPortfolio.StepRefused(i, "raises");
            if (!f.assets[place].enabled()) revert IPortfolio.StepRefused(i, "disabled");
            if (step.kind == StepKind.Supply) return;
            if (!f.assets[place].borrowable()) revert IPortfolio.StepRefused(i, "borrowable");
            f.borrows = true;
        }
        f.priced |= 1 << place;
    }

    /// @dev What trades needs a price that is sound; what is merely held needs any, and dust needs none.
    function _price(Frame memory f, IPriceBook book) private view {
        address[] memory tokens = new address[](f.assets.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (_trades(f, i) || Frames.matters(f.assets[i], f.before.gross[i], f.before.owed[i])) {
                tokens[i] = f.tokens[i];
            }
        }
        (f.quotes, f.sequencerUp) = book.quotes(tokens, ILendingAccount(f.plan.accounts[0]), f.policy.maxGapBps);
        for (uint256 i = 0; i < tokens.length; i++) {
            Quote memory quote = f.quotes[i];
            if (quote.fault == Fault.None) continue;
            // Who lowers debt sells at the price by which the venue would liquidate.
            if (f.lowering && quote.fault == Fault.Gap && quote.venue != 0) {
                quote.price = quote.low = quote.high = quote.venue;
            }
            bool usable = f.lowering && quote.fault != Fault.Dead && quote.price != 0;
            if (!usable && _trades(f, i)) revert IRebalancer.PriceRefused(tokens[i], uint8(quote.fault));
        }
    }

    function _trades(Frame memory f, uint256 place) private pure returns (bool) {
        return (f.priced >> place) & 1 != 0;
    }

    /// @dev Every swap for itself: a good one cannot pay for a bad one within a call.
    function _rate(Frame memory f, Leg memory leg) private pure {
        (uint256 fee, uint256 bought) = (leg.rate, leg.usd);
        uint256 sold = Frames.placeOf(f.assets, leg.sold);
        (PackedAsset s, PackedAsset b) = (f.assets[sold], f.assets[bought]);
        (uint256 high, uint256 unit) = (f.quotes[sold].high, s.unit());
        uint256 due =
            Math.mulDiv(high * b.unit(), Amounts.RATE, f.quotes[bought].low * unit, Math.Rounding.Ceil);
        uint256 shortfall = fee + Math.max(s.slippageBps(), b.slippageBps()) * FEE_PER_BPS;
        leg.rate = Math.mulDiv(due, FEE_UNIT - shortfall, FEE_UNIT, Math.Rounding.Ceil);
        leg.usd = Math.mulDiv(high, Amounts.USD, unit, Math.Rounding.Ceil);
    }

    /// @param place Of the step's token in the assets.
    function _checkSwap(Frame memory f, IPolicyRegistry registry, Step memory step, uint256 i, uint256 place)
        private
        view
    {
        (uint256 place0, uint256 place1, uint256 fee, bool listed) = registry.places(step.pool);
        // A pool that was removed may still be sold into to lower debt, as a disabled asset may be sold: whoever
        // removes pools cannot lock the exits. No pool has one token twice, but one that was never listed reads so.
        bool usable = listed || (f.lowering && place0 != place1);
        if (!usable || (place != place0 && place != place1)) revert IPortfolio.StepRefused(i, "pool");
        bool exactIn = step.kind == StepKind.SwapExactIn;
        bool zeroForOne = (place == place0) == exactIn;
        (uint256 sold, uint256 bought) = zeroForOne ? (place0, place1) : (place1, place0);
        f.priced |= (1 << place0) | (1 << place1);
        // Until prices are known the leg keeps the pool's fee and the place of what is bought.
        f.plan.legs[i] = Leg(f.tokens[sold], zeroForOne, fee, bought);
        if (f.lowering && f.before.owed[bought] == 0 && !_isSoldNext(f, i, bought)) {
            revert IPortfolio.StepRefused(i, "raises");
        }
        if (!f.lowering && !f.assets[bought].enabled()) revert IPortfolio.StepRefused(i, "disabled");
    }

    /// @dev A swap may pass through a token that is not owed: all that it brings goes on at once.
    function _isSoldNext(Frame memory f, uint256 i, uint256 bought) private pure returns (bool) {
        if (i + 1 == f.plan.steps.length) return false;
        Step memory next = f.plan.steps[i + 1];
        return
            next.kind == StepKind.SwapExactIn && next.token == f.tokens[bought] && next.amount == Amounts.PREVIOUS;
    }

    /// @dev Buying and borrowing "all" means nothing; a withdrawal has nothing before it to follow.
    function _amountAllowed(Step memory step) private pure returns (bool) {
        if (step.amount < Amounts.PREVIOUS) return step.amount != 0;
        if (step.kind == StepKind.SwapExactOut || step.kind == StepKind.Borrow) return false;
        return step.kind != StepKind.Withdraw || step.amount == Amounts.ALL;
    }
}
