// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title A USD price feed for the local chain, read as a Chainlink proxy is read (AggregatorV3, 8 decimals).
/// @notice Proxy round ids are `phase << 64 | n` with n from 1. The feed is its own aggregator, so everything a keeper asks of
/// the proxy or of the aggregator (bounds, events) is answered at one address.
/// A phase's first rounds may be kept as the code of other contracts, later ones have a storage slot each. Anvil hashes every
/// slot of the chain for each block, and code only once: in slots, the history made each block of the local chain ten times as
/// dear.
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
    /// @notice Rounds of one contract's code: 19,201 bytes, of 24,576 that EIP-170 allows.
    uint256 public constant BATCH = 600;
    /// @dev Copies the code that follows it, whose length stands in the second and third byte, and returns it.
    bytes private constant RETURN_WHAT_FOLLOWS = hex"80600a3d393df3";

    address public immutable owner;
    string public description;
    uint16 public phaseId = 1;

    /// @dev phase => contracts with BATCH rounds each, the last one perhaps with fewer.
    mapping(uint16 => address[]) private _batches;
    /// @dev phase => rounds in them.
    mapping(uint16 => uint256) private _batched;
    /// @dev phase => later rounds, each `answer (int192) << 64 | updatedAt (uint64)`.
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
        uint256 packed = (uint256(answer) << 64) | uint64(updatedAt);
        _requireNext(answer, updatedAt, _lastTime());
        _rounds[phaseId].push(packed);
        emit AnswerUpdated(answer, _count(phaseId), updatedAt);
    }

    /// @notice Many rounds, oldest first, each packed as it is stored. For the time before this chain began, so no events.
    function push(uint256[] calldata packed) external onlyOwner {
        uint256 last = _lastTime();
        for (uint256 i = 0; i < packed.length; ++i) {
            (int256 answer, uint256 updatedAt) = _unpack(packed[i]);
            _requireNext(answer, updatedAt, last);
            last = updatedAt;
        }
        uint256[] storage rounds = _rounds[phaseId];
        if (rounds.length == 0 && _batched[phaseId] % BATCH == 0 && packed.length <= BATCH) {
            _batches[phaseId].push(_asCode(abi.encodePacked(packed)));
            _batched[phaseId] += packed.length;
            return;
        }
        for (uint256 i = 0; i < packed.length; ++i) {
            rounds.push(packed[i]);
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
        return (uint256(phaseId) << 64) | _count(phaseId);
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
        uint16 phase = uint16(id >> 64);
        uint256 n = uint64(id);
        require(n != 0 && n <= _count(phase), "No data present");
        (answer, updatedAt) = _unpack(_round(phase, n));
        return (id, answer, updatedAt, updatedAt, id);
    }

    function _requireNext(int256 answer, uint256 updatedAt, uint256 last) private pure {
        if (answer < minAnswer || answer > maxAnswer) revert AnswerOutOfBounds(answer);
        if (updatedAt < last) revert RoundOlderThanLast(updatedAt, last);
    }

    function _latest() private view returns (uint256) {
        uint256 n = _count(phaseId);
        require(n != 0, "No data present");
        return _round(phaseId, n);
    }

    /// @dev 0 before a phase's first round.
    function _lastTime() private view returns (uint256 updatedAt) {
        uint256 n = _count(phaseId);
        if (n != 0) (, updatedAt) = _unpack(_round(phaseId, n));
    }

    function _count(uint16 phase) private view returns (uint256) {
        return _batched[phase] + _rounds[phase].length;
    }

    /// @param n from 1 to the phase's count.
    function _round(uint16 phase, uint256 n) private view returns (uint256 packed) {
        if (n > _batched[phase]) return _rounds[phase][n - 1 - _batched[phase]];
        address batch = _batches[phase][(n - 1) / BATCH];
        uint256 at = 1 + 32 * ((n - 1) % BATCH);
        assembly ("memory-safe") {
            extcodecopy(batch, 0, at, 32)
            packed := mload(0)
        }
    }

    /// @dev A contract of this code behind a STOP, so that nobody can run it.
    function _asCode(bytes memory data) private returns (address batch) {
        bytes memory code = bytes.concat(hex"61", bytes2(uint16(data.length + 1)), RETURN_WHAT_FOLLOWS, hex"00", data);
        assembly ("memory-safe") {
            batch := create(0, add(code, 32), mload(code))
        }
        require(batch != address(0), "not created");
    }

    function _unpack(uint256 packed) private pure returns (int256 answer, uint256 updatedAt) {
        answer = int256(packed) >> 64;
        updatedAt = uint64(packed);
    }
}
