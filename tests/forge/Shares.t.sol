// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Fees, Terms} from "portfolio/Fees.sol";
import {IPortfolio} from "portfolio/interfaces/IPortfolio.sol";
import {IPriceBook} from "portfolio/interfaces/IPriceBook.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {RequestQueue} from "portfolio/RequestQueue.sol";
import {SharePricer} from "portfolio/SharePricer.sol";
import {VaultShares} from "portfolio/VaultShares.sol";
import {SharesScene} from "./support/SharesScene.sol";

contract SharesTest is SharesScene {
    address private constant A = address(0xA11CE);
    address private constant B = address(0xB0B);

    function setUp() public {
        setScene(true);
        leveredTo18();
    }

    // ---------------------------------------------------------------- timing the oracle

    function test_a_deposit_in_front_of_a_feeds_update_pays_the_price_after_it() public {
        uint256 price = shares.convertToAssets(1e18);
        request(A, 900_000 * USDC);
        vm.warp(block.timestamp + 1 hours);
        m.refresh();
        shares.close();
        vm.warp(block.timestamp + 60);
        m.moveAll(1.005e18);
        settleDeposits();
        uint256 got = claim(A);
        uint256 worthNow = shares.convertToAssets(got);
        atMost(worthNow, 900_000 * USDC, "no gain");
        atLeast(worthNow, 900_000 * USDC * 9_994 / 10_000, "and no more than the spread");
        atLeast(shares.convertToAssets(1e18), price * 10_085 / 10_000, "the rise is the holders'");
    }

    function test_no_deposit_leaves_in_the_block_it_came() public {
        request(A, 100_000 * USDC);
        vm.warp(block.timestamp + 1 hours);
        shares.close();
        m.moveAll(1.005e18); // rounds of the closing's own second count as before
        SharePricer.Hint[] memory found = hints(block.timestamp - 1);
        vm.expectPartialRevert(IPriceBook.RoundRefused.selector);
        shares.settleDeposits(found);
    }

    function test_the_price_does_not_depend_on_when_it_is_settled() public {
        request(A, 100_000 * USDC);
        closeBatches();
        uint256 id = vm.snapshotState();
        settleDeposits();
        uint256 early = claim(A);
        vm.revertToState(id);
        wait_(5 minutes);
        m.moveAll(0.98e18);
        settleDeposits();
        uint256 late = claim(A);
        atMost(early > late ? early - late : late - early, early / 1e6, "interest is all that differs");
    }

    /// @dev A keeper buys at a price that rose after the moment: by that moment's prices it would be a loss.
    function test_a_call_after_the_moment_cannot_make_a_batch_cheaper() public {
        request(A, 900_000 * USDC);
        closeBatches();
        wait_(30 minutes);
        m.publish("WETH", m.price("WETH") * 11 / 10);
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        borrow(0, 20_000 * USDC);
        sell("USDC", 20_000 * USDC, m.poolOf("WETH", "USDC", 500));
        rebalance(0);
        uint256 price = shares.convertToAssets(1e18);
        settleDeposits();
        uint256 got = shares.convertToAssets(claim(A));
        atMost(got, 900_000 * USDC, "no gain");
        atLeast(shares.convertToAssets(1e18), price, "nobody is diluted");
    }

    function test_only_the_first_and_the_last_rounds_are_accepted_as_hints() public {
        request(A, 100_000 * USDC);
        closeBatches();
        wait_(60);
        wait_(60);
        (uint256 closedAt,,,) = shares.line();
        SharePricer.Hint[] memory right = hints(closedAt);
        for (uint256 i = 0; i < 4; i++) {
            SharePricer.Hint[] memory wrong = hints(closedAt);
            if (i == 0) wrong[1].first += 1; // not the first
            if (i == 1) wrong[1].first -= 1; // before the closing
            if (i == 2) wrong[1].last += 1; // after the moment
            if (i == 3) wrong[1].last -= 1; // not the last
            vm.expectPartialRevert(IPriceBook.RoundRefused.selector);
            shares.settleDeposits(wrong);
        }
        shares.settleDeposits(right);
    }

    function test_no_share_changes_hands_while_feed_and_venue_disagree_or_a_feed_is_dead() public {
        request(A, 100_000 * USDC);
        requestRedeem(DEPOSITOR, shares.balanceOf(DEPOSITOR) / 10);
        closeBatches();
        (uint256 closedAt,,,) = shares.line();
        SharePricer.Hint[] memory found = hints(closedAt);
        uint256 id = vm.snapshotState();
        for (uint256 i = 0; i < 2; i++) {
            if (i == 0) m.setSource("WETH", address(new Source(int256(m.price("WETH") * 12 / 10))));
            if (i == 1) vm.mockCallRevert(m.feed("WETH"), abi.encodeWithSignature("latestRoundData()"), "dead");
            vm.expectPartialRevert(SharePricer.NoFairPrice.selector);
            shares.settleDeposits(found);
            vm.expectPartialRevert(SharePricer.NoFairPrice.selector);
            shares.settleRedemptions(found);
            vm.clearMockedCalls();
            vm.revertToState(id);
        }
        shares.settleDeposits(found);
    }

    function test_dust_whose_feed_is_dead_does_not_stop_the_shares() public {
        m.fund("UNI", address(portfolio), 1);
        vm.mockCallRevert(m.feed("UNI"), abi.encodeWithSignature("latestRoundData()"), "dead");
        request(A, 100_000 * USDC);
        closeBatches();
        settleDeposits();
        atLeast(claim(A), 1, "shares");
    }

    // ---------------------------------------------------------------- the line

    function test_cash_raised_for_the_line_goes_to_the_line_pro_rata() public {
        depositsOf(A, 50_000 * USDC);
        depositsOf(B, 25_000 * USDC);
        _spendIdle();
        requestRedeem(A, shares.balanceOf(A));
        requestRedeem(B, shares.balanceOf(B));
        closeBatches();
        raiseCash(30_000 * USDC);
        // DEPOSITOR, who asked for nothing, gets nothing.
        vm.prank(DEPOSITOR);
        vm.expectPartialRevert(RequestQueue.ClaimExceeded.selector);
        shares.withdraw(1, DEPOSITOR, DEPOSITOR);
        settleRedemptions();
        uint256 a = shares.maxWithdraw(A);
        uint256 b = shares.maxWithdraw(B);
        atLeast(a + b, 29_000 * USDC, "all the cash");
        atMost(a > 2 * b ? a - 2 * b : 2 * b - a, a / 1_000, "two to one");
        claimRedeemed(A);
        eq(usdcOf(A), a, "paid");
        (, uint256 closedAt,, uint256 pending) = shares.line();
        check(closedAt != 0 && pending != 0, "the rest is still first in the line");
    }

    function test_an_older_batch_is_paid_before_a_younger() public {
        depositsOf(A, 40_000 * USDC);
        depositsOf(B, 40_000 * USDC);
        _spendIdle();
        requestRedeem(A, shares.balanceOf(A));
        closeBatches();
        requestRedeem(B, shares.balanceOf(B));
        closeBatches();
        raiseCash(20_000 * USDC);
        settleRedemptions();
        eq(shares.maxWithdraw(B), 0, "the younger waits");
        atLeast(shares.maxWithdraw(A), 19_000 * USDC, "the older is paid in part");
        wait_(1 days + 8 hours);
        raiseCash(34_000 * USDC);
        wait_(60);
        settleRedemptions();
        eq(shares.pendingRedeemRequest(0, A), 0, "none");
        atLeast(shares.maxWithdraw(A), 38_000 * USDC, "the older in full");
        settleRedemptions();
        atLeast(shares.maxWithdraw(B), 13_000 * USDC, "then the younger");
    }

    function test_the_keeper_cannot_spend_what_the_line_needs() public {
        depositsOf(A, 40_000 * USDC);
        requestRedeem(A, shares.balanceOf(A));
        closeBatches();
        sell("USDC", 20_000 * USDC, m.poolOf("WETH", "USDC", 500));
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "spent");
        refusedBy(answer, IRebalancer.CashReserved.selector, "reserved");
        settleRedemptions();
        atLeast(claimRedeemed(A), 39_900 * USDC, "paid");
        eq(rebalancer.state().reserved, 0, "nothing reserved any more");
    }

    function test_a_crumb_of_cash_does_not_cut_a_batch() public {
        requestRedeem(DEPOSITOR, shares.balanceOf(DEPOSITOR) / 2);
        closeBatches();
        m.fund("USDC", address(portfolio), 100 * USDC);
        (, uint256 closedAt,,) = shares.line();
        SharePricer.Hint[] memory found = hints(closedAt);
        vm.expectPartialRevert(VaultShares.NotEnoughCash.selector);
        shares.settleRedemptions(found);
    }

    function test_a_request_is_cancelled_while_its_batch_is_open_and_binds_when_closed() public {
        request(A, 10_000 * USDC);
        vm.prank(A);
        shares.cancelDeposit(A);
        eq(usdcOf(A), 10_000 * USDC, "back");
        request(A, 10_000 * USDC);
        closeBatches();
        vm.prank(A);
        vm.expectPartialRevert(RequestQueue.NotCancellable.selector);
        shares.cancelDeposit(A);
        wait_(4 days);
        vm.prank(A);
        vm.expectPartialRevert(RequestQueue.NotCancellable.selector);
        shares.cancelDeposit(A); // anybody can settle it
        vm.prank(GUARDIAN);
        registry.pause();
        vm.prank(A);
        shares.cancelDeposit(A);
        eq(usdcOf(A), 20_000 * USDC, "back: nobody can settle it");
    }

    // ---------------------------------------------------------------- no way out

    function test_paused_and_repaid_holders_leave_in_kind_with_their_part_of_everything() public {
        depositsOf(A, 50_000 * USDC);
        requestRedeem(A, shares.balanceOf(A) / 2);
        vm.prank(GUARDIAN);
        registry.pause();
        m.fund("USDC", address(portfolio), 120_000 * USDC);
        repay(0, ALL);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        uint256 before = nav();
        vm.prank(A);
        shares.cancelRedeem(A);
        uint256 part = shares.balanceOf(A) * 1e18 / shares.totalSupply();
        address[] memory tokens = sortedTokens();
        uint256 all = shares.balanceOf(A);
        vm.prank(A);
        shares.exitInKind(all, A, A, tokens);
        uint256 got = 0;
        for (uint256 i = 0; i < listed.length; i++) {
            got += IERC20(m.at(listed[i])).balanceOf(A) * m.price(listed[i]) / 10 ** m.decimalsOf(listed[i]);
        }
        uint256 due = before * part / 1e18;
        atMost(got, due + 1e8, "not more than the part");
        atLeast(got, due - due / 10_000 - 1e8, "not less");
        eq(shares.balanceOf(A), 0, "burned");
    }

    function test_nobody_leaves_in_kind_while_there_is_debt_or_business() public {
        address[] memory tokens = sortedTokens();
        vm.prank(DEPOSITOR);
        vm.expectPartialRevert(IPortfolio.NotClosed.selector);
        shares.exitInKind(1, DEPOSITOR, DEPOSITOR, tokens);
    }

    // ---------------------------------------------------------------- terms

    function test_cap_and_list_of_depositors_hold_from_the_first_block() public {
        uint128 cap = uint128(shares.totalAssets() + 10_000 * USDC);
        vm.prank(OPERATIONS);
        shares.lowerCap(cap);
        m.fund("USDC", A, 20_000 * USDC);
        address usdc = m.at("USDC");
        vm.prank(A);
        IERC20(usdc).approve(address(shares), ALL);
        vm.prank(A);
        vm.expectPartialRevert(VaultShares.DepositCapReached.selector);
        shares.requestDeposit(10_001 * USDC, A, A);
        _setTerms(Terms(type(uint128).max, true, 0, 0, 5, address(0)));
        vm.prank(A);
        vm.expectPartialRevert(VaultShares.NotAllowed.selector);
        shares.requestDeposit(1_000 * USDC, A, A);
        vm.prank(OPERATIONS);
        shares.allow(A, true);
        vm.prank(A);
        shares.requestDeposit(1_000 * USDC, A, A);
    }

    function test_fees_have_hard_maxima_and_are_what_they_say() public {
        Terms[4] memory bad = [
            Terms(1, false, 201, 0, 0, A),
            Terms(1, false, 0, 2_001, 0, A),
            Terms(1, false, 0, 0, 51, A),
            Terms(1, false, 1, 0, 0, address(0))
        ];
        for (uint256 i = 0; i < 4; i++) {
            vm.prank(address(timelock));
            vm.expectPartialRevert(Fees.TermsOutOfBounds.selector);
            shares.setTerms(bad[i]);
        }
        _setTerms(Terms(type(uint128).max, false, 200, 2_000, 0, B));
        uint256 before = shares.totalAssets();
        m.moveAll(1.1e18);
        uint256 gain = shares.totalAssets() - before;
        request(A, 1_000 * USDC);
        closeBatches();
        settleDeposits();
        uint256 fee = shares.convertToAssets(shares.balanceOf(B));
        say("performance fee in bps of the gain", fee * 10_000 / gain);
        atMost(fee, gain * 2_002 / 10_000, "a fifth of the gain");
        atLeast(fee, gain * 1_900 / 10_000, "a fifth of the gain");
        uint256 held = shares.balanceOf(B);
        request(A, 1_000 * USDC);
        wait_(364 days);
        closeBatches();
        settleDeposits();
        uint256 more = (shares.balanceOf(B) - held) * 10_000 / shares.totalSupply();
        atMost(more, 200, "two percent a year");
        atLeast(more, 190, "two percent a year");
    }

    // ---------------------------------------------------------------- helpers

    /// @dev The keeper repays with all that is idle, so that the line has to wait for cash.
    function _spendIdle() private {
        repay(0, ALL);
        rebalance(0);
        wait_(700);
    }

    function _setTerms(Terms memory t) private {
        vm.prank(address(timelock));
        shares.setTerms(t);
    }
}

contract Source {
    int256 private immutable ANSWER;

    constructor(int256 answer) {
        ANSWER = answer;
    }

    function latestAnswer() external view returns (int256) {
        return ANSWER;
    }
}
