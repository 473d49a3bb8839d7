// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Window, Windows} from "portfolio/Windows.sol";
import {Checks} from "./support/Checks.sol";

contract WindowsTest is Checks {
    uint256 private constant LIMIT = 1_000_000;

    Window private _window;
    uint256[] private _times;
    uint256[] private _spent;

    function trySpend(uint256 amount, uint256 limit) external {
        _window = _window.spend(amount, limit);
    }

    /// @dev Spends as much as is let through at random times, then looks at every 24 hours that end in a spending.
    function testFuzz_no_24_hours_give_more_than_the_limit(uint256 seed) public {
        vm.warp(1_700_000_000 + seed % 1 days);
        for (uint256 i = 0; i < 60; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            vm.warp(block.timestamp + (seed % 4 == 0 ? 0 : (seed >> 8) % 9 hours));
            uint256 amount = (seed >> 64) % 3 == 0 ? LIMIT - _window.used() : (seed >> 128) % LIMIT;
            try this.trySpend(amount, LIMIT) {
                _times.push(block.timestamp);
                _spent.push(amount);
            } catch {}
        }
        for (uint256 end = 0; end < _times.length; end++) {
            uint256 sum = 0;
            for (uint256 k = 0; k <= end; k++) {
                if (_times[k] + 1 days >= _times[end]) sum += _spent[k];
            }
            atMost(sum, LIMIT, "spent within 24 hours");
        }
    }

    function test_the_whole_limit_is_there_at_once_and_back_after_32_hours() public {
        vm.warp(1_700_000_000);
        this.trySpend(LIMIT, LIMIT);
        vm.warp(block.timestamp + 1 days);
        vm.expectPartialRevert(Windows.WindowExhausted.selector);
        this.trySpend(1, LIMIT);
        vm.warp(block.timestamp + 8 hours);
        this.trySpend(LIMIT, LIMIT);
    }

    function test_a_limit_that_fell_under_what_was_spent_stops_spending_and_not_calls_that_cost_nothing() public {
        vm.warp(1_700_000_000);
        this.trySpend(LIMIT, LIMIT);
        this.trySpend(0, LIMIT / 2);
        vm.expectPartialRevert(Windows.WindowExhausted.selector);
        this.trySpend(1, LIMIT / 2);
    }

    function test_more_than_a_slot_can_count_is_refused_whatever_the_limit() public {
        vm.warp(1_700_000_000);
        uint256 most = 2 ** 26 - 1;
        this.trySpend(most, type(uint256).max);
        eq(_window.used(), most, "all of it");
        vm.expectPartialRevert(Windows.WindowExhausted.selector);
        this.trySpend(1, type(uint256).max);
    }
}
