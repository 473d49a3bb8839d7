// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Id, Market, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {AdaptiveCurve} from "devnet/AdaptiveCurve.sol";
import {Checks} from "./support/Checks.sol";

/// @notice What Morpho publishes of its adaptive curve, as properties. This contract plays Morpho.
contract AdaptiveCurveTest is Checks {
    uint256 private constant WAD = 1e18;
    uint256 private constant YEAR = 365 days;
    uint128 private constant SUPPLIED = 1e13;

    AdaptiveCurve private rates;
    MarketParams private params;
    Id private id;

    function setUp() public {
        vm.warp(1_700_000_000);
        rates = new AdaptiveCurve(address(this));
        id = Id.wrap(keccak256(abi.encode(params)));
        rates.borrowRate(params, _at(0));
    }

    function _at(uint256 borrowed) private view returns (Market memory) {
        return Market(SUPPLIED, 0, uint128(borrowed), 0, uint128(block.timestamp), 0);
    }

    function _rate(uint256 utilisation) private view returns (uint256) {
        return rates.borrowRateView(params, _at(SUPPLIED * utilisation / WAD));
    }

    function _target() private view returns (uint256) {
        return uint256(rates.rateAtTarget(id));
    }

    /// @dev So long with this utilisation.
    function _pass(uint256 utilisation, uint256 time) private {
        Market memory before = _at(SUPPLIED * utilisation / WAD);
        vm.warp(block.timestamp + time);
        rates.borrowRate(params, before);
    }

    function _close(uint256 left, uint256 right, uint256 parts, string memory what) private pure {
        atMost(left > right ? left - right : right - left, right / parts + 2, what);
    }

    // ---------------------------------------------------------------- the curve

    function test_it_begins_at_four_percent_and_is_a_quarter_of_it_empty_and_four_times_it_full() public view {
        _close(_rate(0.9e18) * YEAR, 0.04e18, 1e7, "at target");
        _close(_rate(0) * YEAR, 0.01e18, 1e7, "empty");
        _close(_rate(1e18) * YEAR, 0.16e18, 1e7, "full");
    }

    function testFuzz_more_borrowed_is_never_cheaper(uint256 one, uint256 two) public view {
        (one, two) = (within(one, 0, WAD), within(two, 0, WAD));
        if (one > two) (one, two) = (two, one);
        atMost(_rate(one), _rate(two), "dearer");
    }

    // ---------------------------------------------------------------- the adaptation

    function test_at_full_utilisation_the_rate_doubles_in_five_days() public {
        uint256 before = _target();
        _pass(1e18, YEAR * 6_931_472 / 1e7 / 50);
        _close(_target(), 2 * before, 1e5, "ln 2 / 50 of a year");
        _pass(0.9e18, 30 days);
        _close(_target(), 2 * before, 1e5, "at target it stays");
        _pass(0, YEAR * 6_931_472 / 1e7 / 50);
        _close(_target(), before, 1e5, "empty it halves as fast");
    }

    function testFuzz_it_stays_between_a_tenth_of_a_percent_and_two_hundred(uint256 utilisation, uint256 time) public {
        for (uint256 i = 0; i < 4; i++) {
            (utilisation, time) = (uint256(keccak256(abi.encode(utilisation))), uint256(keccak256(abi.encode(time))));
            _pass(within(utilisation, 0, WAD), within(time, 0, 400 days));
            atLeast(_target(), 0.001e18 / YEAR, "lowest");
            atMost(_target(), 2e18 / YEAR, "highest");
        }
        _pass(1e18, 10 * YEAR);
        eq(_target(), 2e18 / YEAR, "after long scarcity");
        _pass(0, 10 * YEAR);
        eq(_target(), 0.001e18 / YEAR, "after long plenty");
    }

    function testFuzz_two_updates_lead_where_one_leads(uint256 utilisation, uint256 one, uint256 two) public {
        utilisation = within(utilisation, 0, WAD);
        (one, two) = (within(one, 1, 3 days), within(two, 1, 3 days));
        uint256 state = vm.snapshotState();
        _pass(utilisation, one);
        _pass(utilisation, two);
        uint256 parts = _target();
        vm.revertToState(state);
        _pass(utilisation, one + two);
        // Morpho's exponential is up to 0.9 % off, in each of the three.
        _close(_target(), parts, 35, "the same");
    }

    function testFuzz_what_is_charged_lies_between_the_first_rate_and_the_last(uint256 utilisation, uint256 time)
        public
    {
        (utilisation, time) = (within(utilisation, 0, WAD), within(time, 0, 60 days));
        Market memory market = _at(SUPPLIED * utilisation / WAD);
        uint256 first = _rate(utilisation);
        vm.warp(block.timestamp + time);
        uint256 mean = rates.borrowRateView(params, market);
        eq(rates.borrowRate(params, market), mean, "a look changes nothing");
        uint256 last = _rate(utilisation);
        if (first > last) (first, last) = (last, first);
        atLeast(mean + 1, first, "not under both");
        atMost(mean, last + 1, "not over both");
    }

    function test_nobody_but_morpho_moves_it() public {
        vm.prank(address(0xBEE4));
        vm.expectPartialRevert(AdaptiveCurve.NotMorpho.selector);
        rates.borrowRate(params, _at(0));
    }
}
