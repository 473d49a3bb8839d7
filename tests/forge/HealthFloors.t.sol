// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {Frame, Frames, Holdings} from "portfolio/Frames.sol";
import {HealthFloors} from "portfolio/HealthFloors.sol";
import {PolicyPage, PolicyPages} from "portfolio/PolicyPages.sol";
import {Scene} from "./support/Scene.sol";

/// @notice The floor of an account's health beside Aave's own figure.
contract HealthFloorsTest is Scene {
    function setUp() public {
        setScene(false);
        leveredTo18();
    }

    // ---------------------------------------------------------------- the floor

    function testFuzz_the_floor_is_the_venues_own_figure_and_never_above_it(uint256 seed) public {
        string[4] memory symbols = ["USDC", "WBTC", "WETH", "LINK"];
        for (uint256 i = 0; i < 4; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            m.publish(symbols[i], m.price(symbols[i]) * within(seed, 700, 1_400) / 1_000);
        }
        wait_(within(seed >> 128, 0, 30 days));
        (uint256 floor, uint256 health) = (_floor(), account(0).healthFactor());
        atMost(floor, health, "a floor");
        atLeast(floor, health - health / 1e9, "no lower than rounding makes it");
    }

    function test_the_floor_counts_the_threshold_of_the_accounts_category() public {
        string[] memory collateral = new string[](1);
        collateral[0] = "WBTC";
        m.openCategory(1, collateral, 9_000, 9_300);
        uint256 outside = _floor();
        vm.prank(address(registry));
        portfolio.setCategory(0, 1);
        (uint256 floor, uint256 health) = (_floor(), account(0).healthFactor());
        atLeast(floor, outside + 0.1e18, "the category counts");
        atMost(floor, health, "a floor");
        atLeast(floor, health - health / 1e9, "no lower than rounding makes it");
    }

    function test_a_strangers_collateral_and_a_dead_oracle_are_never_counted() public {
        uint256 before = _floor();
        m.fund("UNI", STRANGER, 1_000e18);
        vm.startPrank(STRANGER);
        IERC20(m.at("UNI")).approve(m.pool(), 1_000e18);
        IPool(m.pool()).supply(m.at("UNI"), 1_000e18, address(account(0)), 0);
        vm.stopPrank();
        eq(_floor(), before, "what is not listed is not counted");
        atLeast(account(0).healthFactor(), before + 1e16, "the venue counts it");
        vm.mockCallRevert(m.feed("LINK"), abi.encodeWithSignature("latestAnswer()"), "dead");
        atMost(_floor(), before * 9 / 10, "what has no price is not counted");
        vm.mockCallRevert(m.feed("USDC"), abi.encodeWithSignature("latestAnswer()"), "dead");
        eq(_floor(), 0, "a debt without a price says nothing");
    }

    // ---------------------------------------------------------------- the rise

    /// @dev Health 1.7: of each dollar repaid 1.7 dollars of weighed collateral may go, and no more.
    function testFuzz_a_call_that_lowers_is_taken_where_the_venues_own_figure_rises(uint256 amount, uint256 repaid)
        public
    {
        m.fund("USDC", address(portfolio), 20_000 * USDC);
        uint256 before = account(0).healthFactor();
        amount = within(amount, 1e16, 8e18);
        withdraw(0, "WETH", amount);
        repaid = within(repaid, 1_000, 20_000 * USDC);
        repay(0, repaid);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        // A withdrawal of `amount` weighs 2,000 * 0.83 dollars for each whole ether.
        bool rises = amount * 1_660 / 1e12 < repaid * before / 1e18;
        bool close = amount * 1_660 / 1e12 + 1_000 > repaid * before / 1e18;
        if (done) {
            atLeast(account(0).healthFactor(), before, "health rose");
        } else {
            check(!rises || close, "refused though it rises");
            refusedBy(answer, IRebalancer.HealthNotRaised.selector, "health");
        }
    }

    function test_an_account_that_the_floor_leaves_open_is_asked_for() public {
        while (account(0).healthFactor() > 1.24e18) m.moveAll(0.99e18);
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        withdraw(0, "WETH", 1e18);
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(0, PREVIOUS);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        check(rebalancer.state().leveringClosedUntil != 0, "an emergency");
    }

    function test_a_threshold_that_the_venue_lowers_counts_at_once() public {
        Policy memory p = policyByDefault();
        p.minHealth = 1.6e18;
        vm.prank(GUARDIAN);
        registry.tighten(p);
        string[3] memory symbols = ["WBTC", "WETH", "LINK"];
        for (uint256 i = 0; i < 3; i++) m.lowerThreshold(symbols[i], 6_000);
        borrow(0, 100 * USDC);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "borrowed on thresholds that are gone");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
    }

    /// @dev What the rebalancer measures, at the prices that it counts with.
    function _floor() private view returns (uint256) {
        Frame memory f;
        PolicyPage memory page = PolicyPages.read(registry.page());
        (f.tokens, f.assets) = (page.tokens, page.assets);
        Holdings memory h = Frames.holdings(page.tokens, page.accounts, address(portfolio), true);
        (uint256[] memory words,) = book.prices(page.tokens, account(0), 100, 0, true);
        f.quotes = Frames.prices(words, page.tokens.length);
        return HealthFloors.floor(f, h);
    }
}
