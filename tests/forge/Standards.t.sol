// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AsyncShares} from "portfolio/AsyncShares.sol";
import {RequestQueue} from "portfolio/RequestQueue.sol";
import {VaultLens} from "portfolio/VaultLens.sol";
import {SharesScene} from "./support/SharesScene.sol";

/// @notice What ERC-4626, ERC-7540 and ERC-7575 promise, as properties.
contract StandardsTest is SharesScene {
    address private constant A = address(0xA11CE);
    address private constant B = address(0xB0B);

    function setUp() public {
        setScene(true);
        leveredTo18();
    }

    function test_interface_ids_are_the_standards() public view {
        bytes4[6] memory ids =
            [bytes4(0x01ffc9a7), 0xe3bc4e65, 0xce3bbe50, 0x620ee8e4, 0x2f0a18c5, 0xf815c03d];
        for (uint256 i = 0; i < 6; i++) {
            check(shares.supportsInterface(ids[i]), "id");
        }
        check(!shares.supportsInterface(0xffffffff), "not this one");
        eq(shares.share(), address(shares), "share");
        eq(shares.vault(m.at("USDC")), address(shares), "vault");
    }

    function test_previews_revert_and_everything_else_that_is_read_does_not() public {
        for (uint256 i = 0; i < 4; i++) {
            bytes4[4] memory names = [
                shares.previewDeposit.selector,
                shares.previewMint.selector,
                shares.previewWithdraw.selector,
                shares.previewRedeem.selector
            ];
            (bool done,) = address(shares).staticcall(abi.encodeWithSelector(names[i], 1));
            check(!done, "a preview");
        }
        address feed = m.feed("WETH");
        for (uint256 i = 0; i < 4; i++) {
            bytes memory call = abi.encodeWithSignature("latestRoundData()");
            if (i == 0) vm.mockCallRevert(feed, call, "dead");
            if (i == 1) vm.mockCall(feed, call, abi.encode(1, 0, block.timestamp, block.timestamp, 1));
            if (i == 2) vm.mockCall(feed, call, abi.encode(1, -1, block.timestamp, block.timestamp, 1));
            if (i == 3) vm.mockCall(feed, call, abi.encode(1, 2e11, 1, 1, 1));
            shares.totalAssets();
            shares.convertToShares(1);
            shares.convertToAssets(1);
            shares.maxDeposit(A);
            shares.maxMint(A);
            shares.maxWithdraw(A);
            shares.maxRedeem(A);
            shares.pendingDepositRequest(1, A);
            shares.claimableRedeemRequest(2, A);
            vm.clearMockedCalls();
        }
    }

    function test_operators_and_allowances_act_for_an_owner_and_nobody_else_does() public {
        uint256 some = shares.balanceOf(DEPOSITOR) / 10;
        vm.prank(A);
        vm.expectRevert();
        shares.requestRedeem(some, A, DEPOSITOR);
        vm.prank(DEPOSITOR);
        shares.setOperator(A, true);
        vm.prank(A);
        shares.requestRedeem(some, DEPOSITOR, DEPOSITOR);
        vm.prank(DEPOSITOR);
        shares.approve(B, some);
        vm.prank(B);
        shares.requestRedeem(some, B, DEPOSITOR);
        eq(shares.allowance(DEPOSITOR, B), 0, "used");
        request(A, 5 * USDC);
        closeBatches();
        settleDeposits();
        vm.prank(STRANGER);
        vm.expectPartialRevert(AsyncShares.NotOperator.selector);
        shares.deposit(1, STRANGER, A);
        // A request in another's name needs their word.
        m.fund("USDC", STRANGER, 1);
        vm.prank(STRANGER);
        vm.expectPartialRevert(AsyncShares.NotOperator.selector);
        shares.requestDeposit(1, A, STRANGER);
    }

    function test_a_request_goes_from_pending_to_claimable_and_claims_add_up() public {
        uint256 id = request(A, 10_000 * USDC);
        eq(shares.pendingDepositRequest(id, A), 10_000 * USDC, "pending");
        eq(shares.claimableDepositRequest(id, A), 0, "not yet");
        closeBatches();
        settleDeposits();
        eq(shares.pendingDepositRequest(id, A), 0, "no more");
        eq(shares.claimableDepositRequest(id, A), 10_000 * USDC, "claimable");
        uint256 all = shares.maxMint(A);
        vm.startPrank(A);
        uint256 first = shares.deposit(3_333 * USDC, A, A);
        shares.mint(all / 3, A, A);
        uint256 rest = shares.maxDeposit(A);
        uint256 last = shares.deposit(rest, A, A);
        vm.stopPrank();
        eq(first + all / 3 + last, shares.balanceOf(A), "all of it");
        eq(shares.balanceOf(A), all, "and no more");
        eq(shares.maxMint(A), 0, "nothing left");
    }

    /// @dev ERC-4626's round trips, through the queue: nobody gets out more than they brought.
    function testFuzz_a_round_trip_gains_nothing(uint256 amount) public {
        amount = within(amount, 1, 1_000_000 * USDC);
        request(A, amount);
        closeBatches();
        settleDeposits();
        uint256 got = claim(A);
        if (got == 0) return;
        requestRedeem(A, got);
        closeBatches();
        settleRedemptions();
        claimRedeemed(A);
        // Interest of an hour on the debt makes others' shares cheaper, never dearer.
        atMost(usdcOf(A), amount, "gained");
    }

    function testFuzz_inflating_the_share_price_costs_more_than_it_takes(uint256 gift) public {
        gift = within(gift, 1, 100_000 * USDC);
        m.fund("USDC", address(portfolio), gift);
        request(A, 1_000 * USDC);
        closeBatches();
        settleDeposits();
        uint256 worthNow = shares.convertToAssets(claim(A));
        atLeast(worthNow, 1_000 * USDC * 9_994 / 10_000, "a depositor loses no more than the spread");
    }

    /// @dev An hour's interest on the debt is all that may come between the two.
    function testFuzz_conversions_agree_with_the_whole_and_round_down(uint256 amount) public view {
        amount = within(amount, 1, 1e15);
        uint256 all = shares.totalAssets();
        atMost(shares.convertToAssets(shares.totalSupply()), all, "no share is worth more than its part");
        atLeast(shares.convertToAssets(shares.totalSupply()) + 1e6, all, "nor much less");
        atMost(shares.convertToAssets(shares.convertToShares(amount)), amount, "there and back");
        atMost(shares.convertToShares(shares.convertToAssets(amount)), amount, "back and there");
    }

    /// @dev Every claim there is, by each of the two names, in two parts: never more than the maximum, and all of it.
    function testFuzz_what_may_be_claimed_can_be_and_no_more(uint256 amount, uint256 part, bool bySecondName) public {
        amount = within(amount, 10, 1_000_000 * USDC);
        request(A, amount);
        closeBatches();
        settleDeposits();
        _claimIn(within(part, 0, 100), bySecondName);
        eq(shares.maxDeposit(A) + shares.maxMint(A), 0, "deposits are claimed");
        uint256 held = shares.balanceOf(A);
        requestRedeem(A, held);
        eq(shares.balanceOf(A), 0, "given");
        closeBatches();
        settleRedemptions();
        _claimOut(within(part, 0, 100), bySecondName);
        eq(shares.maxWithdraw(A), 0, "redemptions are claimed");
        atMost(usdcOf(A), amount, "gained");
        atLeast(usdcOf(A) + 3, amount * 9_989 / 10_000, "lost no more than the spreads and roundings");
    }

    function test_no_request_is_made_of_what_one_has_not() public {
        m.fund("USDC", A, 5);
        address usdc = m.at("USDC");
        vm.prank(A);
        IERC20(usdc).approve(address(shares), ALL);
        vm.prank(A);
        vm.expectRevert();
        shares.requestDeposit(6, A, A);
        uint256 held = shares.balanceOf(DEPOSITOR);
        vm.prank(DEPOSITOR);
        vm.expectRevert();
        shares.requestRedeem(held + 1, DEPOSITOR, DEPOSITOR);
    }

    function test_a_request_is_pending_or_claimable_and_never_both() public {
        m.fund("USDC", address(portfolio), 100 * USDC);
        uint256 id = requestRedeem(DEPOSITOR, 1e12);
        eq(shares.pendingRedeemRequest(id, DEPOSITOR), 1e12, "pending");
        eq(shares.claimableRedeemRequest(id, DEPOSITOR), 0, "not claimable");
        closeBatches();
        eq(shares.pendingRedeemRequest(id, DEPOSITOR), 1e12, "closed is pending still");
        settleRedemptions();
        eq(shares.pendingRedeemRequest(id, DEPOSITOR), 0, "not pending");
        eq(shares.claimableRedeemRequest(id, DEPOSITOR), 1e12, "claimable");
        eq(shares.claimableRedeemRequest(id, A), 0, "by the controller");
    }

    function test_the_lens_tells_a_whole_vault_in_one_call() public {
        requestRedeem(DEPOSITOR, 1e12);
        VaultLens.VaultView memory v = new VaultLens().look(shares);
        eq(v.assets.length, 5, "assets");
        eq(v.quotes[2].price, m.price("WETH"), "prices in the order of assets");
        eq(v.accounts[0].owed[0], account(0).owed(m.at("USDC")), "debt");
        eq(v.accounts[0].thresholdsBps[2], 8_300, "threshold");
        eq(v.netAssets, shares.totalAssets(), "net assets");
        eq(v.pendingShares, 1e12, "the line");
        check(v.fairlyPriced && v.sequencerUp && !v.paused && !v.silent && !v.closed, "in business");
    }

    // ---------------------------------------------------------------- helpers

    function _claimIn(uint256 part, bool bySecondName) private {
        uint256 some = (bySecondName ? shares.maxMint(A) : shares.maxDeposit(A)) * part / 100;
        vm.startPrank(A);
        if (bySecondName) shares.mint(some, A, A);
        else shares.deposit(some, A, A);
        (uint256 assets, uint256 minted) = (shares.maxDeposit(A), shares.maxMint(A));
        vm.expectPartialRevert(RequestQueue.ClaimExceeded.selector);
        shares.deposit(assets + 1, A, A);
        vm.expectPartialRevert(RequestQueue.ClaimExceeded.selector);
        shares.mint(minted + 1, A, A);
        shares.deposit(assets, A, A);
        // Roundings of a deposit of a few raw units can leave shares without assets to name them by.
        shares.mint(shares.maxMint(A), A, A);
        vm.stopPrank();
    }

    function _claimOut(uint256 part, bool bySecondName) private {
        uint256 some = (bySecondName ? shares.maxRedeem(A) : shares.maxWithdraw(A)) * part / 100;
        vm.startPrank(A);
        if (bySecondName) shares.redeem(some, A, A);
        else shares.withdraw(some, A, A);
        (uint256 assets, uint256 given) = (shares.maxWithdraw(A), shares.maxRedeem(A));
        vm.expectPartialRevert(RequestQueue.ClaimExceeded.selector);
        shares.withdraw(assets + 1, A, A);
        vm.expectPartialRevert(RequestQueue.ClaimExceeded.selector);
        shares.redeem(given + 1, A, A);
        shares.redeem(given, A, A);
        vm.stopPrank();
    }
}
