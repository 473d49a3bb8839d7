// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Frame, Holdings} from "./Frames.sol";

/// @notice What the first account's health is at least, from what the call has read anyway. The venue itself is asked
/// only where that does not decide.
/// @dev The venue's own prices, balances and thresholds, collateral rounded down and debt up. Collateral that the vault
/// does not list, or that has no price, is left out: it can only be more. Debt is never left out: only the vault borrows
/// for its account, and only what is listed. Other accounts may be on another venue, whose prices nobody has asked for.
library HealthFloors {
    using Math for uint256;

    uint256 private constant WAD = 1e18;
    uint256 private constant BPS = 10_000;

    /// @param h Weighed.
    /// @return health At most the venue's own health factor; 0 where nothing can be said.
    function floor(Frame memory f, Holdings memory h) internal pure returns (uint256 health) {
        uint256 cover = 0;
        uint256 debt = 0;
        for (uint256 i = 0; i < f.tokens.length; i++) {
            (uint256 supplied, uint256 owed) = (h.supplied[i], h.debts[i]);
            if (supplied == 0 && owed == 0) continue;
            (uint256 price, uint256 unit) = (f.quotes[i].venue, f.assets[i].unit());
            cover += supplied * price / unit * h.thresholds[i];
            if (owed == 0) continue;
            if (price == 0) return 0;
            debt += owed.mulDiv(price, unit, Math.Rounding.Ceil);
        }
        return debt == 0 ? type(uint256).max : cover.mulDiv(WAD, debt * BPS);
    }

    /// @notice Whether the first account's health has risen, by what has left it and what it no longer owes.
    /// @dev Of collateral C over debt D, c leaves and d is repaid. (C - c) / (D - d) is more than C / D where c is less
    /// than d times C / D, and C / D is at least the floor before.
    function hasRisen(Frame memory f, Holdings memory h) internal pure returns (bool) {
        uint256 lost = 0;
        uint256 repaid = 0;
        Holdings memory b = f.before;
        for (uint256 i = 0; i < b.supplied.length; i++) {
            (uint256 supplied, uint256 owed) = (b.supplied[i], b.debts[i]);
            (uint256 left, uint256 still) = (h.supplied[i], h.debts[i]);
            if (left >= supplied && still == owed) continue;
            (uint256 price, uint256 unit) = (f.quotes[i].venue, f.assets[i].unit());
            if (price == 0 || still > owed) return false;
            if (left < supplied) lost += (supplied - left).mulDiv(price * b.thresholds[i], unit, Math.Rounding.Ceil);
            repaid += (owed - still) * price / unit;
        }
        return lost * WAD < repaid * BPS * f.healths[0];
    }
}
