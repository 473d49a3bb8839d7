// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ILendingAccount} from "./ILendingAccount.sol";

/// @notice Why a token's price cannot be used for everything.
enum Fault {
    None,
    Gap, //       feed and venue oracle disagree beyond the limit
    VenueOnly, // the feed is dead or stale, and the venue's oracle reads something else
    Dead //       there is no price that is known to be fresh
}

/// @notice USD per whole token, 8 decimals. `price` is the vault's, `venue` the venue oracle's, 0 where there is none.
/// Loss is measured at `low` for what comes and at `high` for what leaves.
struct Quote {
    uint128 price;
    uint128 venue;
    uint128 low;
    uint128 high;
    Fault fault;
}

/// @notice What a call counts with: a quote without its fault. All 0 where nothing was asked.
struct Price {
    uint256 price;
    uint256 venue;
    uint256 low;
    uint256 high;
}

/// @title Prices of listed tokens, and what is wrong with them.
interface IPriceBook {
    event FeedChanged(address indexed token, address feed, uint32 maxAge);
    event SequencerChanged(address feed, uint32 grace);

    error NotRegistry(address caller);
    error FeedRefused(address feed, bytes32 field);
    error RoundRefused(address token, uint80 roundId, bytes32 why);

    /// @notice Never reverts on a price; `quotes` follow the order of `tokens`.
    /// @param venue The account whose venue's oracle is the second opinion.
    /// @return list One per token.
    /// @return sequencerUp False while the chain's sequencer is down or freshly up.
    function quotes(address[] calldata tokens, ILendingAccount venue, uint256 maxGapBps)
        external
        view
        returns (Quote[] memory list, bool sequencerUp);

    /// @notice The quotes as a call counts with them: one that lowers debt takes the venue's price where feed and venue
    /// disagree. Reverts with IRebalancer.PriceRefused where a traded token's price is not sound enough.
    /// @param traded One bit per token.
    /// @return words Four for each token, as `Price` has them.
    function prices(
        address[] calldata tokens,
        ILendingAccount venue,
        uint256 maxGapBps,
        uint256 traded,
        bool lowering
    ) external view returns (uint256[] memory words, bool sequencerUp);

    /// @notice When the token's feed published its first round after `time`.
    /// @param roundId The proxy's id of that round, which this checks. Reverts with RoundRefused for any other.
    function firstAfter(address token, uint256 time, uint80 roundId) external view returns (uint256 updatedAt);

    /// @notice What the token's feed said at `time`.
    /// @param roundId The proxy's id of its last round up to then, which this checks. Reverts with RoundRefused for any
    /// other.
    function priceAt(address token, uint256 time, uint80 roundId) external view returns (uint256 price);

    function feedOf(address token) external view returns (address feed, uint32 maxAge);

    /// @return feed address(0) on a chain without sequencer.
    function sequencer() external view returns (address feed, uint32 grace);
}
