// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IPortfolio, Step, StepKind} from "./interfaces/IPortfolio.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {IPriceBook} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Amounts, Frame, Frames, Order} from "./Frames.sol";
import {PackedAsset} from "./PackedAssets.sol";
import {PackedPool} from "./PolicyPages.sol";

/// @notice Everything about steps that can be refused before anything moves.
library StepChecks {
    uint256 private constant FEE_UNIT = 1e6;
    uint256 private constant FEE_PER_BPS = 100;
    uint256 private constant PLACE_BITS = 128;
    uint256 private constant PLACE = type(uint128).max;

    /// @dev Fills in the frame's orders and quotes, and what the steps touch.
    function check(Frame memory f, Step[] calldata steps, IPriceBook book) internal view {
        if (steps.length == 0) revert IRebalancer.NoSteps();
        f.orders = new Order[](steps.length);
        // From the last on: whether a swap passes through a token shows in the step after it.
        for (uint256 i = steps.length; i > 0; i--) {
            _checkStep(f, steps[i - 1], i - 1);
        }
        _price(f, book);
        for (uint256 i = 0; i < steps.length; i++) {
            if (f.orders[i].kind >= StepKind.SwapExactIn) _rate(f, f.orders[i]);
        }
    }

    function _checkStep(Frame memory f, Step calldata step, uint256 i) private pure {
        Order memory order = f.orders[i];
        (order.kind, order.token, order.amount, order.limit) = (step.kind, step.token, step.amount, step.limit);
        uint256 place = Frames.placeOf(f.tokens, order.token);
        _require(place != f.tokens.length, i, "token");
        _require(_amountAllowed(order), i, "amount");
        if (order.kind >= StepKind.SwapExactIn) {
            order.pool = step.pool;
            return _checkSwap(f, order, i, place);
        }
        uint256 account = step.account;
        _require(account < f.accounts.length, i, "account");
        order.account = f.accounts[account];
        f.touched |= 1 << account;
        if (order.kind == StepKind.Withdraw) {
            f.asked |= 1 << place;
            return;
        }
        if (order.kind != StepKind.Repay) {
            _require(!f.lowering, i, "raises");
            _require(f.assets[place].enabled(), i, "disabled");
            if (order.kind == StepKind.Supply) return;
            _require(f.assets[place].borrowable(), i, "borrowable");
            f.borrows = true;
        }
        f.priced |= 1 << place;
    }

    /// @dev What trades needs a price that is sound; what is merely held or withdrawn needs any, and dust needs none.
    function _price(Frame memory f, IPriceBook book) private view {
        address[] memory tokens = new address[](f.tokens.length);
        (uint256 asked, uint256[] memory gross, uint256[] memory owed) =
            (f.asked | f.priced, f.before.gross, f.before.owed);
        for (uint256 i = 0; i < tokens.length; i++) {
            if ((asked >> i) & 1 != 0 || Frames.matters(f.assets[i], gross[i], owed[i])) tokens[i] = f.tokens[i];
        }
        uint256[] memory words;
        (words, f.sequencerUp) =
            book.prices(tokens, ILendingAccount(f.accounts[0]), f.limits.maxGapBps(), f.priced, f.lowering);
        f.quotes = Frames.prices(words, tokens.length);
    }

    /// @dev Every swap for itself: a good one cannot pay for a bad one within a call.
    function _rate(Frame memory f, Order memory order) private pure {
        (uint256 fee, uint256 sold, uint256 bought) = (order.rate, order.usd & PLACE, order.usd >> PLACE_BITS);
        (PackedAsset s, PackedAsset b) = (f.assets[sold], f.assets[bought]);
        (uint256 high, uint256 unit) = (f.quotes[sold].high, s.unit());
        uint256 due =
            Math.mulDiv(high * b.unit(), Amounts.RATE, f.quotes[bought].low * unit, Math.Rounding.Ceil);
        uint256 shortfall = fee + Math.max(s.slippageBps(), b.slippageBps()) * FEE_PER_BPS;
        order.rate = Math.mulDiv(due, FEE_UNIT - shortfall, FEE_UNIT, Math.Rounding.Ceil);
        order.usd = Math.mulDiv(high, Amounts.USD, unit, Math.Rounding.Ceil);
    }

    /// @param place Of the step's token in the assets.
    function _checkSwap(Frame memory f, Order memory order, uint256 i, uint256 place) private pure {
        PackedPool pool = _pool(f, order.pool, i);
        (uint256 place0, uint256 place1) = (pool.place0(), pool.place1());
        // A pool that was removed may still be sold into to lower debt, as a disabled asset may be sold: whoever
        // removes pools cannot lock the exits.
        bool usable = f.lowering || pool.listed();
        _require(usable && (place == place0 || place == place1), i, "pool");
        order.zeroForOne = (place == place0) == (order.kind == StepKind.SwapExactIn);
        (uint256 sold, uint256 bought) = order.zeroForOne ? (place0, place1) : (place1, place0);
        f.priced |= (1 << place0) | (1 << place1);
        (order.sold, order.bought) = (f.tokens[sold], f.tokens[bought]);
        // Until prices are known an order keeps the pool's fee and the places of its tokens here.
        (order.rate, order.usd) = (pool.fee(), sold | (bought << PLACE_BITS));
        if (f.lowering) _require(f.before.owed[bought] != 0 || _isSoldNext(f, i, bought), i, "raises");
        else _require(f.assets[bought].enabled(), i, "disabled");
    }

    function _pool(Frame memory f, address at, uint256 i) private pure returns (PackedPool) {
        uint256 place = 0;
        while (place < f.pools.length && f.pools[place].at() != at) place++;
        _require(place != f.pools.length, i, "pool");
        return f.pools[place];
    }

    /// @dev A swap may pass through a token that is not owed: all that it brings goes on at once.
    function _isSoldNext(Frame memory f, uint256 i, uint256 bought) private pure returns (bool) {
        if (i + 1 == f.orders.length) return false;
        Order memory next = f.orders[i + 1];
        return
            next.kind == StepKind.SwapExactIn && next.token == f.tokens[bought] && next.amount == Amounts.PREVIOUS;
    }

    function _require(bool held, uint256 i, bytes32 why) private pure {
        if (!held) revert IPortfolio.StepRefused(i, why);
    }

    /// @dev Buying and borrowing "all" means nothing; a withdrawal has nothing before it to follow.
    function _amountAllowed(Order memory order) private pure returns (bool) {
        if (order.amount < Amounts.PREVIOUS) return order.amount != 0;
        if (order.kind == StepKind.SwapExactOut || order.kind == StepKind.Borrow) return false;
        return order.kind != StepKind.Withdraw || order.amount == Amounts.ALL;
    }
}
