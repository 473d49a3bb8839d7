// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Order} from "./Frames.sol";

/// @notice Orders as plain words, one behind the other: nothing is encoded that has one form only.
library Orders {
    uint256 private constant BYTES = 11 * 32;

    function encode(Order[] memory orders) internal pure returns (bytes memory plan) {
        plan = new bytes(orders.length * BYTES);
        for (uint256 i = 0; i < orders.length; i++) {
            Order memory order = orders[i];
            assembly ("memory-safe") {
                mcopy(add(add(plan, 32), mul(i, BYTES)), order, BYTES)
            }
        }
    }

    /// @param plan What `encode` gave; nothing is checked again.
    function decode(bytes calldata plan) internal pure returns (Order[] memory orders) {
        orders = new Order[](plan.length / BYTES);
        for (uint256 i = 0; i < orders.length; i++) {
            Order memory order = orders[i];
            assembly ("memory-safe") {
                calldatacopy(order, add(plan.offset, mul(i, BYTES)), BYTES)
            }
        }
    }
}
