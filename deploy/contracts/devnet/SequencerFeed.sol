// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title An L2 sequencer uptime feed for the local chain.
/// @notice answer 0: up, 1: down. startedAt is when the status last changed; updatedAt says nothing about freshness.
contract SequencerFeed {
    error NotOwner(address caller);

    uint8 public constant decimals = 0;
    uint256 public constant version = 1;
    string public constant description = "L2 Sequencer Uptime Status Feed";

    address public immutable owner;

    uint80 private _round = 1;
    bool private _down;
    uint64 private _startedAt;

    /// @param startedAt_ since when it has been up; 0 is the uninitialised round that Arbitrum's feed can show.
    constructor(uint64 startedAt_) {
        owner = msg.sender;
        _startedAt = startedAt_;
    }

    /// @notice A new status since `startedAt_`.
    function setStatus(bool down, uint64 startedAt_) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _round += 1;
        _down = down;
        _startedAt = startedAt_;
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return (_round, _down ? int256(1) : int256(0), _startedAt, _startedAt, _round);
    }
}
