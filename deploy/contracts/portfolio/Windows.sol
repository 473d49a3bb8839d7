// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @dev From the top: number of the newest slot (24 bits), then what four slots of 8 hours spent (26 bits each), the
/// newest lowest. Half a storage slot.
type Window is uint128;

using Windows for Window global;

/// @notice A budget that gives no more than its limit in any 24 hours.
/// @dev Any 24 hours, both ends included, touch at most four slots of 8 hours. The sum of the newest four never exceeds
/// the limit, so no 24 hours do. The whole limit can be spent at once; it is back after 24 to 32 hours.
library Windows {
    uint256 private constant SLOT = 8 hours;
    uint256 private constant BITS = 26;
    uint256 private constant SLOTS = 4;
    uint256 private constant SPENT_MASK = (1 << (BITS * SLOTS)) - 1;
    uint256 private constant ONE_MASK = (1 << BITS) - 1;

    error WindowExhausted(uint256 used, uint256 limit);

    /// @return sum Spent in the slots that may still count, in the window's unit.
    function used(Window window) internal view returns (uint256 sum) {
        return _sum(_spentNow(window));
    }

    /// @dev Spending nothing is never refused, so that an exhausted window does not stop what costs nothing.
    function spend(Window window, uint256 amount, uint256 limit) internal view returns (Window) {
        if (amount == 0) return window;
        uint256 spent = _spentNow(window);
        uint256 sum = _sum(spent) + amount;
        if (sum > limit || sum > ONE_MASK) revert WindowExhausted(sum, limit);
        return Window.wrap(uint128(((block.timestamp / SLOT) << (BITS * SLOTS)) | (spent + amount)));
    }

    /// @dev Four numbers of 26 bits cannot overflow.
    function _sum(uint256 spent) private pure returns (uint256) {
        unchecked {
            return (spent & ONE_MASK) + ((spent >> BITS) & ONE_MASK) + ((spent >> (2 * BITS)) & ONE_MASK)
                + (spent >> (3 * BITS));
        }
    }

    function _spentNow(Window window) private view returns (uint256) {
        uint256 word = Window.unwrap(window);
        uint256 passed = block.timestamp / SLOT - (word >> (BITS * SLOTS));
        return passed < SLOTS ? (word << (BITS * passed)) & SPENT_MASK : 0;
    }
}
