// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice A feed and its own aggregator, with round numbers, stamps and bounds that a test sets as it likes.
contract UnrulyFeed {
    uint8 public constant decimals = 8;
    string public description;
    int192 public minAnswer = 1;
    int192 public maxAnswer = type(int192).max;

    uint80 private _id;
    int256 private _answer;
    uint256 private _updatedAt;
    bool private _alwaysNow;

    constructor(string memory description_) {
        description = description_;
    }

    function say(uint80 id, int256 answer, uint256 updatedAt) external {
        (_id, _answer, _updatedAt, _alwaysNow) = (id, answer, updatedAt, false);
    }

    /// @notice As adapters do that have no rounds of their own: every answer is of this very block.
    function sayAlwaysNow(uint80 id, int256 answer) external {
        (_id, _answer, _updatedAt, _alwaysNow) = (id, answer, 0, true);
    }

    function bound(int192 least, int192 most) external {
        (minAnswer, maxAnswer) = (least, most);
    }

    function aggregator() external view returns (address) {
        return address(this);
    }

    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        uint256 at = _alwaysNow ? block.timestamp : _updatedAt;
        return (_id, _answer, at, at, _id);
    }

    function getRoundData(uint80 id) external view returns (uint80, int256, uint256, uint256, uint80) {
        require(id == _id, "No data present");
        return latestRoundData();
    }
}
