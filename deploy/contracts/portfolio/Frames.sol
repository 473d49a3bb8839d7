// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Policy} from "./interfaces/IPolicyRegistry.sol";
import {Quote} from "./interfaces/IPriceBook.sol";
import {Step} from "./interfaces/IPortfolio.sol";
import {PackedAsset} from "./PackedAssets.sol";

/// @notice What a swap gives at least, by the oracle less the pool's fee and the slippage allowed.
/// @dev Empty where a step is no swap. `rate`: raw units out per raw unit in, 36 decimals. `usd`: of a raw unit in, at
/// the higher price, 8 + 27 decimals.
struct Leg {
    address sold;
    bool zeroForOne;
    uint256 rate;
    uint256 usd;
}

/// @notice What running steps needs; it travels through a flash loan and back. `legs` follows the steps.
struct Plan {
    Step[] steps;
    Leg[] legs;
    address[] accounts;
}

/// @notice Raw units per asset, idle and in all accounts together. `cash` is what is idle of the accounting asset.
struct Holdings {
    uint256[] gross;
    uint256[] owed;
    uint256 cash;
}

/// @notice What a call knows before it moves anything.
/// @dev `touched` has one bit per account that a step names, `priced` one per asset that needs a sound price. `quotes`
/// follows the assets, `healths` the accounts, 0 where not touched. `lowering`: only withdrawals, repayments and
/// purchases of what is owed.
struct Frame {
    uint256 roles;
    bool paused;
    bool borrows;
    bool sequencerUp;
    uint256 touched;
    uint256 priced;
    bool lowering;
    uint256 navUsd;
    Policy policy;
    PackedAsset[] assets;
    address[] tokens;
    Quote[] quotes;
    Plan plan;
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

    function tokens(PackedAsset[] memory assets) internal pure returns (address[] memory list) {
        list = new address[](assets.length);
        for (uint256 i = 0; i < list.length; i++) {
            list[i] = assets[i].token();
        }
    }

    /// @return place In the assets; their length where the token is not among them.
    function placeOf(PackedAsset[] memory assets, address token) internal pure returns (uint256 place) {
        while (place < assets.length && assets[place].token() != token) place++;
    }

    function holdings(address[] memory list, address[] memory accounts, address owner)
        internal
        view
        returns (Holdings memory h)
    {
        h.gross = new uint256[](list.length);
        h.owed = new uint256[](list.length);
        for (uint256 i = 0; i < list.length; i++) {
            h.gross[i] = IERC20(list[i]).balanceOf(owner);
            if (i == 0) h.cash = h.gross[i];
        }
        for (uint256 k = 0; k < accounts.length; k++) {
            (uint256[] memory supplied, uint256[] memory owed) = ILendingAccount(accounts[k]).positions(list);
            for (uint256 i = 0; i < list.length; i++) {
                h.gross[i] += supplied[i];
                h.owed[i] += owed[i];
            }
        }
    }

    function matters(PackedAsset asset, uint256 gross, uint256 owed) internal pure returns (bool) {
        return owed != 0 || gross >= asset.dust();
    }

    /// @return nav 0 where more is owed than owned.
    /// @return risky Gross value of all but the accounting asset.
    function value(PackedAsset[] memory assets, Quote[] memory quotes, Holdings memory h)
        internal
        pure
        returns (uint256 nav, uint256 risky)
    {
        uint256 owned = 0;
        uint256 debt = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            (uint256 price, uint256 unit, uint256 owed) = (quotes[i].price, assets[i].unit(), h.owed[i]);
            uint256 worth = h.gross[i].mulDiv(price, unit);
            owned += worth;
            if (i != 0) risky += worth;
            if (owed != 0) debt += owed.mulDiv(price, unit, Math.Rounding.Ceil);
        }
        nav = owned > debt ? owned - debt : 0;
    }

    /// @notice What changed between two holdings, valued against us: what came at the lower of feed and venue less the
    /// feed's lag, what left at the higher and the lag on top.
    function loss(PackedAsset[] memory assets, Quote[] memory quotes, Holdings memory before, Holdings memory afterwards)
        internal
        pure
        returns (uint256)
    {
        uint256 came = 0;
        uint256 left = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            // Owned or no longer owed, it has come; owed or no longer owned, it has left.
            uint256 in_ = afterwards.gross[i] + before.owed[i];
            uint256 out = before.gross[i] + afterwards.owed[i];
            if (in_ == out) continue;
            (Quote memory quote, uint256 lag) = (quotes[i], assets[i].lagBps());
            uint256 unit = BPS * assets[i].unit();
            if (in_ > out) came += (in_ - out).mulDiv(quote.low * (BPS - lag), unit);
            else left += (out - in_).mulDiv(quote.high * (BPS + lag), unit, Math.Rounding.Ceil);
        }
        return left > came ? left - came : 0;
    }

    /// @return usd Debt that is gone, at the lower price.
    /// @return raised Debt that came, at the higher price.
    function repaid(PackedAsset[] memory assets, Quote[] memory quotes, uint256[] memory before, uint256[] memory afterwards)
        internal
        pure
        returns (uint256 usd, uint256 raised)
    {
        for (uint256 i = 0; i < assets.length; i++) {
            (uint256 then, uint256 now_) = (before[i], afterwards[i]);
            if (then == now_) continue;
            (Quote memory quote, uint256 unit) = (quotes[i], assets[i].unit());
            if (then > now_) usd += (then - now_).mulDiv(quote.low, unit);
            else raised += (now_ - then).mulDiv(quote.high, unit);
        }
    }
}
