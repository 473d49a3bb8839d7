// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IFeed} from "./interfaces/IFeed.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";

/// @title Prices by Chainlink feeds, with the venue's oracle as second opinion. No pool's price is ever read.
contract PriceBook is IPriceBook {
    uint256 private constant BPS = 10_000;
    uint8 private constant FEED_DECIMALS = 8;
    uint256 private constant PHASE_BITS = 64;

    struct Feed {
        address feed;
        uint32 maxAge;
    }

    address public immutable REGISTRY;
    mapping(address token => Feed) private _feeds;
    Feed private _sequencer;

    modifier onlyRegistry() {
        if (msg.sender != REGISTRY) revert NotRegistry(msg.sender);
        _;
    }

    constructor(address registry) {
        REGISTRY = registry;
    }

    // ---------------------------------------------------------------- the registry's

    /// @notice The registry has asked for the agreement with the venue before.
    function setFeed(address token, address feed, uint32 maxAge) external onlyRegistry {
        if (feed.code.length == 0 || IFeed(feed).decimals() != FEED_DECIMALS) revert FeedRefused(feed, "decimals");
        if (maxAge == 0) revert FeedRefused(feed, "maxAge");
        _feeds[token] = Feed(feed, maxAge);
        emit FeedChanged(token, feed, maxAge);
    }

    /// @param feed Chainlink's uptime feed, address(0) on a chain without sequencer.
    /// @param grace Seconds after a restart in which nobody may act on prices that others could not answer.
    function setSequencer(address feed, uint32 grace) external onlyRegistry {
        if (feed != address(0)) {
            (bool sound, int256 answer,,) = _latest(feed);
            if (!sound || (answer != 0 && answer != 1)) revert FeedRefused(feed, "sequencer");
        }
        _sequencer = Feed(feed, grace);
        emit SequencerChanged(feed, grace);
    }

    // ---------------------------------------------------------------- views

    function feedOf(address token) external view returns (address feed, uint32 maxAge) {
        return (_feeds[token].feed, _feeds[token].maxAge);
    }

    function sequencer() external view returns (address feed, uint32 grace) {
        return (_sequencer.feed, _sequencer.maxAge);
    }

    /// @dev A token of address(0) asks for nothing and gets an empty quote: what is not held costs no gas.
    function quotes(address[] calldata tokens, ILendingAccount venue, uint256 maxGapBps)
        external
        view
        returns (Quote[] memory list, bool sequencerUp)
    {
        list = new Quote[](tokens.length);
        uint256[] memory prices = venue.venuePrices(tokens);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (tokens[i] != address(0)) list[i] = _quote(tokens[i], prices[i], venue, maxGapBps);
        }
        sequencerUp = _sequencerUp();
    }

    function firstAfter(address token, uint256 time, uint80 roundId) external view returns (uint256 updatedAt) {
        address feed = _feeds[token].feed;
        (, updatedAt) = _round(feed, roundId);
        if (updatedAt <= time || updatedAt > block.timestamp) revert RoundRefused(token, roundId, "time");
        // The first round of a phase has no predecessor under the proxy; nobody but Chainlink opens phases.
        if (uint64(roundId) <= 1) return updatedAt;
        (, uint256 previous) = _round(feed, roundId - 1);
        if (previous == 0 || previous > time) revert RoundRefused(token, roundId, "notFirst");
    }

    function priceAt(address token, uint256 time, uint80 roundId) external view returns (uint256 price) {
        address feed = _feeds[token].feed;
        (int256 answer, uint256 updatedAt) = _round(feed, roundId);
        if (answer <= 0) revert RoundRefused(token, roundId, "answer");
        if (updatedAt == 0 || updatedAt > time) revert RoundRefused(token, roundId, "time");
        (, uint256 next) = _round(feed, roundId + 1);
        if (next != 0 && next <= time) revert RoundRefused(token, roundId, "notLast");
        // The last round of a phase that has ended has no successor, and says nothing of now.
        (uint80 latest,,,,) = IFeed(feed).latestRoundData();
        if (latest >> PHASE_BITS != roundId >> PHASE_BITS) revert RoundRefused(token, roundId, "phase");
        return uint256(answer);
    }

    // ---------------------------------------------------------------- internal

    function _quote(address token, uint256 venue, ILendingAccount account, uint256 maxGapBps)
        private
        view
        returns (Quote memory q)
    {
        Feed memory feed = _feeds[token];
        (bool sound, int256 answer, uint256 updatedAt,) = _latest(feed.feed);
        if (venue > type(uint128).max) venue = 0;
        q.venue = uint128(venue);
        bool positive = sound && answer > 0 && answer <= int256(uint256(type(uint128).max));
        bool fresh = positive && updatedAt <= block.timestamp && block.timestamp - updatedAt <= feed.maxAge;
        if (fresh) {
            q.price = uint128(uint256(answer));
            q.low = q.price;
            q.high = q.price;
            if (venue == 0) {
                q.fault = Fault.Gap;
                return q;
            }
            if (q.venue < q.low) q.low = q.venue;
            if (q.venue > q.high) q.high = q.venue;
            if (uint256(q.high - q.low) * BPS > venue * maxGapBps) q.fault = Fault.Gap;
            return q;
        }
        // The venue's oracle says no age. Where it reads the very feed that is stale, so is its price.
        bool independent = venue != 0 && account.venueSource(token) != feed.feed;
        q.fault = independent ? Fault.VenueOnly : Fault.Dead;
        q.price = independent || !positive ? q.venue : uint128(uint256(answer));
        q.low = q.price;
        q.high = q.price;
    }

    function _sequencerUp() private view returns (bool) {
        if (_sequencer.feed == address(0)) return true;
        (bool sound, int256 answer,, uint256 startedAt) = _latest(_sequencer.feed);
        // A round that was never started says nothing (seen on Arbitrum before the first change of status).
        return sound && answer == 0 && startedAt != 0 && block.timestamp > startedAt + _sequencer.maxAge;
    }

    /// @dev Feeds answer for a round that is not there with a revert or with zeros.
    function _round(address feed, uint80 roundId) private view returns (int256 answer, uint256 updatedAt) {
        try IFeed(feed).getRoundData(roundId) returns (uint80, int256 a, uint256, uint256 u, uint80) {
            return (a, u);
        } catch {
            return (0, 0);
        }
    }

    /// @dev A feed that reverts has no price; it must not be able to stop what does not need it.
    function _latest(address feed)
        private
        view
        returns (bool sound, int256 answer, uint256 updatedAt, uint256 startedAt)
    {
        if (feed.code.length == 0) return (false, 0, 0, 0);
        try IFeed(feed).latestRoundData() returns (uint80, int256 a, uint256 s, uint256 u, uint80) {
            return (true, a, u, s);
        } catch {
            return (false, 0, 0, 0);
        }
    }
}
