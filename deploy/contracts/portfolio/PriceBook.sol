// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IFeed} from "./interfaces/IFeed.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Pages} from "./Pages.sol";

/// @title Prices by Chainlink feeds, with the venue's oracle as second opinion. No pool's price is ever read.
contract PriceBook is IPriceBook {
    uint256 private constant BPS = 10_000;
    uint8 private constant FEED_DECIMALS = 8;
    uint256 private constant PHASE_BITS = 64;
    uint256 private constant MAX_AGE_AT = 160;

    address public immutable REGISTRY;
    /// @dev The sequencer's feed, then of each token itself and its feed, in the order of their listing. Feeds are
    /// packed, with the age up to which they are fresh (for the sequencer's the grace) above the address.
    address private _page;

    modifier onlyRegistry() {
        if (msg.sender != REGISTRY) revert NotRegistry(msg.sender);
        _;
    }

    constructor(address registry) {
        REGISTRY = registry;
        _page = Pages.write(abi.encodePacked(uint256(0)));
    }

    // ---------------------------------------------------------------- the registry's

    /// @notice The registry has asked for the agreement with the venue before.
    function setFeed(address token, address feed, uint32 maxAge) external onlyRegistry {
        if (feed.code.length == 0 || IFeed(feed).decimals() != FEED_DECIMALS) revert FeedRefused(feed, "decimals");
        if (maxAge == 0) revert FeedRefused(feed, "maxAge");
        uint256[] memory words = Pages.read(_page);
        uint256 at = _placeOf(words, token);
        if (at == words.length) {
            _page = Pages.write(abi.encodePacked(words, uint256(uint160(token)), _packed(feed, maxAge)));
        } else {
            words[at + 1] = _packed(feed, maxAge);
            _page = Pages.write(abi.encodePacked(words));
        }
        emit FeedChanged(token, feed, maxAge);
    }

    /// @param feed Chainlink's uptime feed, address(0) on a chain without sequencer.
    /// @param grace Seconds after a restart in which nobody may act on prices that others could not answer.
    function setSequencer(address feed, uint32 grace) external onlyRegistry {
        if (feed != address(0)) {
            (bool sound, int256 answer,,) = _latest(feed);
            if (!sound || (answer != 0 && answer != 1)) revert FeedRefused(feed, "sequencer");
        }
        uint256[] memory words = Pages.read(_page);
        words[0] = _packed(feed, grace);
        _page = Pages.write(abi.encodePacked(words));
        emit SequencerChanged(feed, grace);
    }

    // ---------------------------------------------------------------- views

    function feedOf(address token) external view returns (address feed, uint32 maxAge) {
        return _unpacked(_packedOf(token));
    }

    function sequencer() external view returns (address feed, uint32 grace) {
        return _unpacked(Pages.read(_page)[0]);
    }

    /// @dev A token of address(0) asks for nothing and gets an empty quote: what is not held costs no gas.
    function quotes(address[] calldata tokens, ILendingAccount venue, uint256 maxGapBps)
        external
        view
        returns (Quote[] memory list, bool sequencerUp)
    {
        list = new Quote[](tokens.length);
        uint256[] memory venuePrices = venue.venuePrices(tokens);
        uint256[] memory page = Pages.read(_page);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (tokens[i] == address(0)) continue;
            list[i] = _quote(tokens[i], _listedAt(page, tokens[i], i), venuePrices[i], venue, maxGapBps);
        }
        sequencerUp = _sequencerUp(page[0]);
    }

    function prices(
        address[] calldata tokens,
        ILendingAccount venue,
        uint256 maxGapBps,
        uint256 traded,
        bool lowering
    ) external view returns (uint256[] memory words, bool sequencerUp) {
        uint256[] memory venuePrices = venue.venuePrices(tokens);
        uint256[] memory page = Pages.read(_page);
        words = new uint256[](4 * tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            address token = tokens[i];
            if (token == address(0)) continue;
            Quote memory q = _quote(token, _listedAt(page, token, i), venuePrices[i], venue, maxGapBps);
            if (q.fault != Fault.None) {
                // Who lowers debt sells at the price by which the venue would liquidate.
                if (lowering && q.fault == Fault.Gap && q.venue != 0) q.price = q.low = q.high = q.venue;
                bool usable = lowering && q.fault != Fault.Dead && q.price != 0;
                if (!usable && (traded >> i) & 1 != 0) revert IRebalancer.PriceRefused(token, uint8(q.fault));
            }
            // The first four words of a quote are a price.
            assembly ("memory-safe") {
                mcopy(add(add(words, 0x20), shl(7, i)), q, 0x80)
            }
        }
        sequencerUp = _sequencerUp(page[0]);
    }

    function firstAfter(address token, uint256 time, uint80 roundId) external view returns (uint256 updatedAt) {
        address feed = address(uint160(_packedOf(token)));
        (, updatedAt) = _round(feed, roundId);
        if (updatedAt <= time || updatedAt > block.timestamp) revert RoundRefused(token, roundId, "time");
        // The first round of a phase has no predecessor under the proxy; nobody but Chainlink opens phases.
        if (uint64(roundId) <= 1) return updatedAt;
        (, uint256 previous) = _round(feed, roundId - 1);
        if (previous == 0 || previous > time) revert RoundRefused(token, roundId, "notFirst");
    }

    function priceAt(address token, uint256 time, uint80 roundId) external view returns (uint256 price) {
        address feed = address(uint160(_packedOf(token)));
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

    function _packed(address feed, uint32 maxAge) private pure returns (uint256) {
        return uint256(uint160(feed)) | (uint256(maxAge) << MAX_AGE_AT);
    }

    function _unpacked(uint256 packed) private pure returns (address feed, uint32 maxAge) {
        return (address(uint160(packed)), uint32(packed >> MAX_AGE_AT));
    }

    /// @return place Of the token in the page's words; their length where it is not there.
    function _placeOf(uint256[] memory words, address token) private pure returns (uint256 place) {
        for (place = 1; place < words.length; place += 2) {
            if (words[place] == uint160(token)) return place;
        }
    }

    /// @param place Of the token among those that are asked for: whoever asks for the assets asks in their order.
    /// @return packed The token's feed, 0 where it has none.
    function _listedAt(uint256[] memory page, address token, uint256 place) private pure returns (uint256 packed) {
        uint256 at = 2 * place + 1;
        if (at >= page.length || page[at] != uint160(token)) at = _placeOf(page, token);
        return at == page.length ? 0 : page[at + 1];
    }

    function _packedOf(address token) private view returns (uint256) {
        return _listedAt(Pages.read(_page), token, 0);
    }

    function _quote(address token, uint256 packed, uint256 venue, ILendingAccount account, uint256 maxGapBps)
        private
        view
        returns (Quote memory q)
    {
        (bool sound, int256 answer, uint256 updatedAt,) = _latest(address(uint160(packed)));
        if (venue > type(uint128).max) venue = 0;
        q.venue = uint128(venue);
        bool positive = sound && answer > 0 && answer <= int256(uint256(type(uint128).max));
        bool fresh = positive && updatedAt <= block.timestamp && block.timestamp - updatedAt <= uint32(packed >> MAX_AGE_AT);
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
        bool independent = venue != 0 && account.venueSource(token) != address(uint160(packed));
        q.fault = independent ? Fault.VenueOnly : Fault.Dead;
        q.price = independent || !positive ? q.venue : uint128(uint256(answer));
        q.low = q.price;
        q.high = q.price;
    }

    function _sequencerUp(uint256 packed) private view returns (bool) {
        (address feed, uint256 grace) = _unpacked(packed);
        if (feed == address(0)) return true;
        (bool sound, int256 answer,, uint256 startedAt) = _latest(feed);
        // A round that was never started says nothing (seen on Arbitrum before the first change of status).
        return sound && answer == 0 && startedAt != 0 && block.timestamp > startedAt + grace;
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
        bytes4 question = IFeed.latestRoundData.selector;
        assembly ("memory-safe") {
            let round := mload(0x40)
            mstore(0, question)
            // The call is made before its answer's size is read: arguments are evaluated from the last on.
            sound := and(gt(returndatasize(), 159), staticcall(gas(), feed, 0, 4, round, 160))
            if sound {
                answer := mload(add(round, 0x20))
                startedAt := mload(add(round, 0x40))
                updatedAt := mload(add(round, 0x60))
            }
        }
    }
}
