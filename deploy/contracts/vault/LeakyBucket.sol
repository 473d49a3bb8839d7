// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @dev What it held, then when that was (40 bits): two buckets share a storage slot.
type Bucket is uint128;

using LeakyBucket for Bucket global;

/// @notice A budget that a day refills: what was poured in drains evenly, one whole limit per 24 hours.
/// @dev At most one limit at once; over any 24 hours at most two (a full bucket, and what drained meanwhile).
library LeakyBucket {
    uint256 internal constant DRAIN_TIME = 1 days;
    uint256 private constant TIME_BITS = 40;

    /// @return What is left in the bucket now, in the unit of limit.
    function levelNow(Bucket bucket, uint256 limit) internal view returns (uint256) {
        uint256 level = Bucket.unwrap(bucket) >> TIME_BITS;
        uint256 updatedAt = uint40(Bucket.unwrap(bucket));
        uint256 drained = (limit * (block.timestamp - updatedAt)) / DRAIN_TIME;
        return level > drained ? level - drained : 0;
    }

    /// @param level Far below what fits: the largest limit is 4.3e23.
    function filledTo(uint256 level) internal view returns (Bucket) {
        if (level > type(uint88).max) level = type(uint88).max;
        return Bucket.wrap(uint128((level << TIME_BITS) | uint40(block.timestamp)));
    }
}
