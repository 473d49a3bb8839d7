// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Price} from "./interfaces/IPriceBook.sol";
import {StepKind} from "./interfaces/IPortfolio.sol";
import {Answers} from "./Answers.sol";
import {PackedAsset} from "./PackedAssets.sol";
import {PackedHealths, PackedLimits} from "./PackedPolicy.sol";
import {PackedPool} from "./PolicyPages.sol";

/// @notice A step as the portfolio carries it out: it travels through a flash loan and back.
/// @dev The last five are a swap's, empty in others. `rate` is what it gives at least, by the oracle less the pool's fee
/// and the slippage allowed: raw units out per raw unit in, 36 decimals. `usd`: of a raw unit in, at the higher price,
/// 8 + 27 decimals.
struct Order {
    StepKind kind;
    address account;
    address token;
    address pool;
    uint256 amount;
    uint256 limit;
    bool zeroForOne;
    address sold;
    address bought;
    uint256 rate;
    uint256 usd;
}

/// @notice Raw units per asset, idle and in all accounts together. `cash` is what is idle of the accounting asset.
/// The last three are the first account's alone, the thresholds empty where it was not weighed.
struct Holdings {
    uint256[] gross;
    uint256[] owed;
    uint256 cash;
    uint256[] supplied;
    uint256[] debts;
    uint256[] thresholds;
}

/// @notice What a call knows before it moves anything.
/// @dev `touched` has one bit per account that a step names, `priced` one per asset that needs a sound price, `asked` one
/// per asset that needs any. `quotes` follows the assets, `healths` the accounts, 0 where not touched; where `floored`,
/// the first is a floor. `lowering`: only withdrawals, repayments and purchases of what is owed.
struct Frame {
    uint256 roles;
    bool borrows;
    bool sequencerUp;
    uint256 touched;
    uint256 priced;
    uint256 asked;
    bool lowering;
    bool floored;
    uint256 navUsd;
    PackedHealths levels;
    PackedLimits limits;
    PackedAsset[] assets;
    address[] accounts;
    PackedPool[] pools;
    address[] tokens;
    Price[] quotes;
    Order[] orders;
    Holdings before;
    uint256[] healths;
}

/// @notice Amounts that stand for something, and the units of a leg.
library Amounts {
    uint256 internal constant RATE = 1e36;
    uint256 internal constant USD = 1e27;
    uint256 internal constant ALL = type(uint256).max;
    uint256 internal constant PREVIOUS = type(uint256).max - 1;
}

/// @notice Sums over a frame. USD with 8 decimals; what is ours is rounded down, what is not ours up.
library Frames {
    using Math for uint256;

    uint256 private constant BPS = 10_000;

    error NoSum();

    /// @notice The words as prices, where they lie.
    function prices(uint256[] memory words, uint256 count) internal pure returns (Price[] memory list) {
        uint256[] memory places = new uint256[](count);
        assembly ("memory-safe") {
            for { let i := 1 } iszero(gt(i, count)) { i := add(i, 1) } {
                mstore(add(places, shl(5, i)), add(words, sub(shl(7, i), 0x60)))
            }
            list := places
        }
    }

    /// @return place In the list; its length where the token is not in it.
    function placeOf(address[] memory list, address token) internal pure returns (uint256 place) {
        while (place < list.length && list[place] != token) place++;
    }

    /// @param weighed Whether the first account is asked for its thresholds.
    function holdings(address[] memory list, address[] memory accounts, address owner, bool weighed)
        internal
        view
        returns (Holdings memory h)
    {
        uint256[] memory gross = new uint256[](list.length);
        uint256[] memory allOwed = new uint256[](list.length);
        for (uint256 i = 0; i < list.length; i++) {
            gross[i] = Answers.ask(list[i], IERC20.balanceOf.selector, owner);
        }
        (h.gross, h.owed, h.cash) = (gross, allOwed, gross[0]);
        for (uint256 k = 0; k < accounts.length; k++) {
            (uint256[] memory supplied, uint256[] memory owed, uint256[] memory thresholds) =
                ILendingAccount(accounts[k]).positions(list, weighed && k == 0);
            _add(gross, supplied);
            _add(allOwed, owed);
            if (k == 0) (h.supplied, h.debts, h.thresholds) = (supplied, owed, thresholds);
        }
    }

    /// @dev Adds each of `more`, which is as long, to what is in its place.
    function _add(uint256[] memory sums, uint256[] memory more) private pure {
        bool overflown = sums.length != more.length;
        assembly ("memory-safe") {
            let end := shl(5, add(mload(sums), 1))
            if overflown { end := 0 }
            for { let i := 32 } lt(i, end) { i := add(i, 32) } {
                let sum := add(mload(add(sums, i)), mload(add(more, i)))
                overflown := or(overflown, lt(sum, mload(add(more, i))))
                mstore(add(sums, i), sum)
            }
        }
        if (overflown) revert NoSum();
    }

    function matters(PackedAsset asset, uint256 gross, uint256 owed) internal pure returns (bool) {
        return owed != 0 || gross >= asset.dust();
    }

    /// @return nav 0 where more is owed than owned.
    /// @return risky Gross value of all but the accounting asset.
    function value(PackedAsset[] memory assets, Price[] memory quotes, Holdings memory h)
        internal
        pure
        returns (uint256 nav, uint256 risky)
    {
        uint256 owned = 0;
        uint256 debt = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            (uint256 price, uint256 unit, uint256 owed) = (quotes[i].price, assets[i].unit(), h.owed[i]);
            uint256 gross = h.gross[i];
            if (gross != 0) {
                uint256 worth = gross.mulDiv(price, unit);
                owned += worth;
                if (i != 0) risky += worth;
            }
            if (owed != 0) debt += owed.mulDiv(price, unit, Math.Rounding.Ceil);
        }
        nav = owned > debt ? owned - debt : 0;
    }

    /// @notice What changed between two holdings, valued against us: what came at the lower of feed and venue less the
    /// feed's lag, what left at the higher and the lag on top.
    function loss(PackedAsset[] memory assets, Price[] memory quotes, Holdings memory before, Holdings memory afterwards)
        internal
        pure
        returns (uint256)
    {
        uint256 came = 0;
        uint256 left = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            if (afterwards.gross[i] == before.gross[i] && afterwards.owed[i] == before.owed[i]) continue;
            // Owned or no longer owed, it has come; owed or no longer owned, it has left.
            uint256 in_ = afterwards.gross[i] + before.owed[i];
            uint256 out = before.gross[i] + afterwards.owed[i];
            if (in_ == out) continue;
            (Price memory quote, uint256 lag) = (quotes[i], assets[i].lagBps());
            uint256 unit = BPS * assets[i].unit();
            if (in_ > out) came += (in_ - out).mulDiv(quote.low * (BPS - lag), unit);
            else left += (out - in_).mulDiv(quote.high * (BPS + lag), unit, Math.Rounding.Ceil);
        }
        return left > came ? left - came : 0;
    }

    /// @return usd Debt that is gone, at the lower price.
    /// @return raised Debt that came, at the higher price.
    function repaid(PackedAsset[] memory assets, Price[] memory quotes, uint256[] memory before, uint256[] memory afterwards)
        internal
        pure
        returns (uint256 usd, uint256 raised)
    {
        for (uint256 i = 0; i < assets.length; i++) {
            (uint256 then, uint256 now_) = (before[i], afterwards[i]);
            if (then == now_) continue;
            (Price memory quote, uint256 unit) = (quotes[i], assets[i].unit());
            if (then > now_) usd += (then - now_).mulDiv(quote.low, unit);
            else raised += (now_ - then).mulDiv(quote.high, unit);
        }
    }
}
