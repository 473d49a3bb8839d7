// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IPriceBook} from "portfolio/interfaces/IPriceBook.sol";
import {SharePricer} from "portfolio/SharePricer.sol";
import {SharesScene} from "./support/SharesScene.sol";

interface IPhases {
    function startPhase() external;
}

/// @notice Feeds that stop, and feeds whose aggregator changes, while requests wait.
contract FeedsTest is SharesScene {
    address private constant A = address(0xA11CE);

    function setUp() public {
        setScene(true);
        leveredTo18();
    }

    function _kill(string memory symbol) private {
        vm.mockCallRevert(m.feed(symbol), abi.encodeWithSignature("latestRoundData()"), "dead");
    }

    function _changeAggregator(string memory symbol) private {
        IPhases feed = IPhases(m.feed(symbol));
        uint256 price = m.price(symbol);
        vm.prank(address(m));
        feed.startPhase();
        m.publish(symbol, price);
    }

    // ---------------------------------------------------------------- a feed that stops

    function test_a_request_whose_feed_died_waits_and_can_be_left_after_three_days() public {
        request(A, 10_000 * USDC);
        uint256 asked = shares.balanceOf(DEPOSITOR) / 10;
        requestRedeem(DEPOSITOR, asked);
        closeBatches();
        (uint256 closedAt,,,) = shares.line();
        SharePricer.Hint[] memory found = hints(closedAt);
        _kill("WETH");
        vm.expectPartialRevert(SharePricer.NoFairPrice.selector);
        shares.settleDeposits(found);
        wait_(3 days + 1);
        vm.prank(A);
        shares.cancelDeposit(A);
        eq(usdcOf(A), 10_000 * USDC, "back");
        vm.prank(DEPOSITOR);
        eq(shares.cancelRedeem(DEPOSITOR), asked, "back");
    }

    function test_a_feed_that_comes_back_settles_what_waited() public {
        request(A, 10_000 * USDC);
        closeBatches();
        _kill("WETH");
        wait_(1 days);
        vm.clearMockedCalls();
        settleDeposits();
        atLeast(shares.convertToAssets(claim(A)), 10_000 * USDC * 9_990 / 10_000, "at the price that was due");
    }

    // ---------------------------------------------------------------- a new aggregator

    function test_a_batch_is_settled_over_a_change_of_aggregator() public {
        request(A, 10_000 * USDC);
        vm.warp(block.timestamp + 1 hours);
        m.refresh();
        shares.close();
        vm.warp(block.timestamp + 60);
        (uint256 closedAt,,,) = shares.line();
        _changeAggregator("WETH");
        m.refresh();
        shares.settleDeposits(hints(closedAt));
        atLeast(shares.convertToAssets(claim(A)), 10_000 * USDC * 9_990 / 10_000, "settled");
    }

    function test_the_last_price_of_an_aggregator_that_was_replaced_is_no_price() public {
        request(A, 10_000 * USDC);
        closeBatches();
        (uint256 closedAt,,,) = shares.line();
        SharePricer.Hint[] memory old = hints(closedAt);
        _changeAggregator("WETH");
        wait_(60);
        vm.expectPartialRevert(IPriceBook.RoundRefused.selector);
        shares.settleDeposits(old);
    }
}

/// @notice A vault that holds cash and nothing else.
contract CashTest is SharesScene {
    function setUp() public {
        setScene(true);
        depositsOf(DEPOSITOR, 100_000 * USDC);
    }

    function test_cash_alone_needs_no_feed_and_a_wei_of_something_changes_nothing() public {
        requestRedeem(DEPOSITOR, shares.balanceOf(DEPOSITOR) / 2);
        closeBatches();
        for (uint256 i = 0; i < listed.length; i++) {
            vm.mockCallRevert(m.feed(listed[i]), abi.encodeWithSignature("latestRoundData()"), "dead");
        }
        uint256 id = vm.snapshotState();
        settleRedemptions();
        uint256 paid = claimRedeemed(DEPOSITOR);
        atLeast(paid, 49_900 * USDC, "paid");
        vm.revertToState(id);
        m.fund("WETH", address(portfolio), 1);
        eq(shares.totalAssets(), 100_000 * USDC, "a wei is nothing");
        shares.maxWithdraw(DEPOSITOR);
        shares.convertToShares(1);
        settleRedemptions();
        eq(claimRedeemed(DEPOSITOR), paid, "the same");
    }
}
