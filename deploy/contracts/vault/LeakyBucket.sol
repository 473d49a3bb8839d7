// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice A budget that a day refills: what was poured in drains evenly, one whole limit per 24 hours.
/// @dev At most one limit at once; over any 24 hours at most two (a full bucket, and what drained meanwhile).
library LeakyBucket {
    uint256 internal constant DRAIN_TIME = 1 days;

    struct Bucket {
        uint192 level;
        uint64 updatedAt;
    }

    /// @return What is left in the bucket now, in the unit of limit.
    function levelNow(Bucket storage bucket, uint256 limit) internal view returns (uint256) {
        uint256 drained = (limit * (block.timestamp - bucket.updatedAt)) / DRAIN_TIME;
        return bucket.level > drained ? bucket.level - drained : 0;
    }

    function set(Bucket storage bucket, uint256 level) internal {
        bucket.level = level > type(uint192).max ? type(uint192).max : uint192(level);
        bucket.updatedAt = uint64(block.timestamp);
    }
}
