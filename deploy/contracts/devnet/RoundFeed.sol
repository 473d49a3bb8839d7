// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title A USD price feed for the local chain, read as a Chainlink proxy is read (AggregatorV3, 8 decimals).
/// @notice Proxy round ids are `phase << 64 | n` with n from 1. The feed is its own aggregator, so everything a keeper asks of
/// the proxy or of the aggregator (bounds, events) is answered at one address. One storage slot per round.
contract RoundFeed {
    /// @dev Emitted with the aggregator's round number n, as OCR aggregators do, not with the proxy's id.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    error NotOwner(address caller);
    error AnswerOutOfBounds(int256 answer);
    error RoundOlderThanLast(uint256 updatedAt, uint256 last);

    uint8 public constant decimals = 8;
    uint256 public constant version = 4;
    int192 public constant minAnswer = 1;
    int192 public constant maxAnswer = int192(uint192(type(uint176).max));

    address public immutable owner;
    string public description;
    uint16 public phaseId = 1;

    /// @dev phase => rounds, each `answer (int192) << 64 | updatedAt (uint64)`.
    mapping(uint16 => uint256[]) private _rounds;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(string memory description_) {
        owner = msg.sender;
        description = description_;
    }

    /// @notice One new round.
    function push(int256 answer, uint256 updatedAt) external onlyOwner {
        if (answer < minAnswer || answer > maxAnswer) revert AnswerOutOfBounds(answer);
        uint256 n = _append(_rounds[phaseId], (uint256(answer) << 64) | uint64(updatedAt));
        emit AnswerUpdated(answer, n, updatedAt);
    }

    /// @notice Many rounds, oldest first, each packed as it is stored. For the time before this chain began, so no events.
    function push(uint256[] calldata packed) external onlyOwner {
        uint256[] storage rounds = _rounds[phaseId];
        for (uint256 i = 0; i < packed.length; ++i) {
            int256 answer = int256(packed[i]) >> 64;
            if (answer < minAnswer || answer > maxAnswer) revert AnswerOutOfBounds(answer);
            _append(rounds, packed[i]);
        }
    }

    /// @notice A new aggregator behind the proxy: rounds start again at 1 under the next phase.
    function startPhase() external onlyOwner {
        phaseId += 1;
    }

    function aggregator() external view returns (address) {
        return address(this);
    }

    function latestAnswer() external view returns (int256 answer) {
        (answer,) = _unpack(_latest());
    }

    function latestTimestamp() external view returns (uint256 updatedAt) {
        (, updatedAt) = _unpack(_latest());
    }

    /// @notice The latest round, as the proxy numbers it.
    function latestRound() public view returns (uint256) {
        return (uint256(phaseId) << 64) | _rounds[phaseId].length;
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        (answer, updatedAt) = _unpack(_latest());
        roundId = uint80(latestRound());
        return (roundId, answer, updatedAt, updatedAt, roundId);
    }

    function getRoundData(uint80 id)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        uint256[] storage rounds = _rounds[uint16(id >> 64)];
        uint256 n = uint64(id);
        require(n != 0 && n <= rounds.length, "No data present");
        (answer, updatedAt) = _unpack(rounds[n - 1]);
        return (id, answer, updatedAt, updatedAt, id);
    }

    /// @return n the round's number in its phase.
    function _append(uint256[] storage rounds, uint256 packed) private returns (uint256 n) {
        n = rounds.length + 1;
        if (n != 1) {
            (, uint256 updatedAt) = _unpack(packed);
            (, uint256 last) = _unpack(rounds[n - 2]);
            if (updatedAt < last) revert RoundOlderThanLast(updatedAt, last);
        }
        rounds.push(packed);
    }

    function _latest() private view returns (uint256) {
        uint256[] storage rounds = _rounds[phaseId];
        require(rounds.length != 0, "No data present");
        return rounds[rounds.length - 1];
    }

    function _unpack(uint256 packed) private pure returns (int256 answer, uint256 updatedAt) {
        answer = int256(packed) >> 64;
        updatedAt = uint64(packed);
    }
}
