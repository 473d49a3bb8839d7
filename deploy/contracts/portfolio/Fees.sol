// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What holders pay the manager, and the most that they can be made to pay.
/// @dev `cap` is of all assets, requests included, in raw units of the accounting asset. `managementBps` is of assets a
/// year, `performanceBps` of the gain over the highest price so far. `spreadBps` stays in the vault at entry and exit:
/// the others pay for the trades that comers and goers cause.
struct Terms {
    uint128 cap;
    bool allowedOnly;
    uint16 managementBps;
    uint16 performanceBps;
    uint16 spreadBps;
    address feeReceiver;
}

library Fees {
    using Math for uint256;

    uint256 private constant BPS = 10_000;
    uint256 private constant WAD = 1e18;
    uint256 private constant YEAR = 365 days;
    uint256 private constant MOST_MANAGEMENT_BPS = 200;
    uint256 private constant MOST_PERFORMANCE_BPS = 2_000;
    uint256 private constant MOST_SPREAD_BPS = 50;

    error TermsOutOfBounds(bytes32 field);

    function check(Terms memory t) public pure {
        if (t.managementBps > MOST_MANAGEMENT_BPS) revert TermsOutOfBounds("managementBps");
        if (t.performanceBps > MOST_PERFORMANCE_BPS) revert TermsOutOfBounds("performanceBps");
        if (t.spreadBps > MOST_SPREAD_BPS) revert TermsOutOfBounds("spreadBps");
        if (t.feeReceiver == address(0) && (t.managementBps != 0 || t.performanceBps != 0)) {
            revert TermsOutOfBounds("feeReceiver");
        }
    }

    /// @param total Net assets, raw units.
    /// @param elapsed Seconds since the last time.
    /// @param highWater Highest price of a share so far, 1e18 per raw unit of the asset; 0 for none.
    /// @return shares To be minted, rounded down.
    /// @return newHighWater The price before these shares where it is higher.
    function due(Terms memory t, uint256 supply, uint256 total, uint256 elapsed, uint256 highWater)
        public
        pure
        returns (uint256 shares, uint256 newHighWater)
    {
        if (supply == 0) return (0, highWater);
        shares = supply.mulDiv(t.managementBps * elapsed, BPS * YEAR);
        uint256 price = total.mulDiv(WAD, supply + shares);
        if (highWater == 0 || price <= highWater) return (shares, Math.max(price, highWater));
        uint256 fee = (price - highWater).mulDiv(supply + shares, WAD).mulDiv(t.performanceBps, BPS);
        shares += fee.mulDiv(supply + shares, total - fee);
        newHighWater = price;
    }
}
