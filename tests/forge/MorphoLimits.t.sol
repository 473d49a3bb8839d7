// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Id, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {MorphoScene} from "./support/MorphoScene.sol";

/// @notice The vault's limits with debt on Morpho, and what a thief, a stranger or a dry market does there.
contract MorphoLimitsTest is MorphoScene {
    function setUp() public {
        setMorphoScene();
        leveredOnMorpho();
        wait_(2 days);
    }

    // ---------------------------------------------------------------- health

    function test_nobody_levers_the_account_under_the_vaults_health() public {
        // 90,000 of WETH carry 57,300 at a health of 1.35.
        borrow(HERE, 18_000 * USDC);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "borrowed");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
        withdraw(HERE, "WETH", 14e18);
        supply(0, "WETH", 14e18);
        (done, answer) = tryRebalance(0);
        check(!done, "moved the collateral to another account");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
        borrow(HERE, 16_000 * USDC);
        rebalance(0);
        atLeast(here.healthFactor(), 1.35e18, "as low as it may be");
    }

    function test_while_the_account_is_in_need_nothing_else_is_done() public {
        while (here.healthFactor() > 1.34e18) m.moveAll(0.99e18);
        borrow(0, 1_000 * USDC);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "levered elsewhere");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
    }

    /// @dev Of each dollar repaid as much weighed collateral may go as the health says, and no more.
    function testFuzz_a_call_that_lowers_is_taken_where_the_health_rises(uint256 amount, uint256 repaid) public {
        m.fund("USDC", address(portfolio), 20_000 * USDC);
        uint256 before = here.healthFactor();
        amount = within(amount, 1e16, 14e18);
        withdraw(HERE, "WETH", amount);
        repaid = within(repaid, 1_000, 20_000 * USDC);
        repay(HERE, repaid);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        uint256 lost = amount * LLTV / WAD * m.price("WETH") / 1e20;
        uint256 allowed = repaid * before / WAD;
        if (done) {
            atLeast(here.healthFactor(), before, "health rose");
        } else {
            atLeast(lost + 2, allowed, "refused though it rises");
            refusedBy(answer, IRebalancer.HealthNotRaised.selector, "health");
        }
    }

    // ---------------------------------------------------------------- an emergency

    function test_an_emergency_is_the_accounts_own_and_ends_at_the_target() public {
        lowering(2_000e8);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        eq(rebalancer.state().leveringClosedUntil, 0, "no emergency");
        crashTo(1.22e18);
        repay(HERE, 15_000 * USDC);
        withdraw(HERE, "WETH", units("WETH", 15_200e8));
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        (done, answer) = tryLowerWithLoan(15_000 * USDC);
        check(!done, "more than the target needs");
        refusedBy(answer, IRebalancer.HealthBeyondTarget.selector, "target");
        lowering(4_000e8);
        (done, answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        check(rebalancer.state().leveringClosedUntil != 0, "an emergency");
        atLeast(here.healthFactor(), 1.22e18, "higher");
        atMost(here.healthFactor(), 1.35e18, "and not beyond");
    }

    function test_anybody_lowers_the_account_at_the_brink_and_pays_himself_a_part_of_the_debt_at_most() public {
        lowering(1_000e8);
        (bool done, bytes memory answer) = tryRipcord(STRANGER, 0);
        check(!done, "not armed");
        refusedBy(answer, IRebalancer.NotArmed.selector, "not armed");
        crashTo(1.12e18);
        address pool = m.poolOf("WETH", "USDC", 500);
        for (uint256 i = 0; i < 4 && here.healthFactor() < 1.15e18; i++) {
            (uint256 before, uint256 owed) = (nav(), here.owed(m.at("USDC")));
            m.skew(pool, "WETH", "USDC", 60);
            lowering(3_000e8);
            (done, answer) = tryRipcord(STRANGER, 0);
            passed(done, answer);
            m.arbitrage(pool, "WETH", "USDC");
            uint256 repaid = owed - here.owed(m.at("USDC"));
            atMost(before - nav(), repaid * 100 * 150 / 10_000, "a bounty on the debt");
            wait_(901);
        }
        atLeast(here.healthFactor(), 1.15e18, "disarmed");
    }

    function test_a_loan_of_morphos_own_deleverages_in_one_call() public {
        crashTo(1.22e18);
        repay(HERE, 5_000 * USDC);
        withdraw(HERE, "WETH", units("WETH", 5_060e8));
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        (bool done, bytes memory answer) = tryLowerWithLoan(5_000 * USDC);
        passed(done, answer);
        atLeast(here.healthFactor(), 1.22e18, "higher");
    }

    // ---------------------------------------------------------------- a thief

    /// @dev Before each call he moves the pool against the vault, and back after it.
    /// forge-config: default.fuzz.runs = 16
    function testFuzz_a_stolen_key_takes_no_more_through_morpho_than_elsewhere(uint256 seed) public {
        uint256 before = nav();
        for (uint256 k = 0; k < 48; k++) {
            seed = uint256(keccak256(abi.encode(seed)));
            _rob(within(seed >> 16, 10e8, 60_000e8), within(seed >> 64, 0, 120), seed % 4);
            if (k % 2 == 1) wait_(1 hours);
        }
        atMost(before - nav(), before * 150 / 10_000, "lost in a day");
    }

    function test_each_of_the_thiefs_calls_is_taken() public {
        for (uint256 kind = 0; kind < 4; kind++) {
            check(_rob(1_000e8, 20, kind), "taken");
            wait_(2 days);
        }
    }

    /// @dev 0 sells and repays, 1 sells and keeps, 2 borrows and buys, 3 sells with a loan.
    function _rob(uint256 usd, uint256 skewBps, uint256 kind) private returns (bool done) {
        address pool = m.poolOf("WETH", "USDC", 500);
        uint256 state = vm.snapshotState();
        (string memory sold, string memory bought) = kind == 2 ? ("USDC", "WETH") : ("WETH", "USDC");
        m.skew(pool, sold, bought, skewBps);
        if (kind == 2) {
            borrow(HERE, usd / 100);
            sell("USDC", PREVIOUS, pool);
            supply(HERE, "WETH", PREVIOUS);
            (done,) = tryRebalance(0);
        } else if (kind == 3) {
            repay(HERE, usd / 100);
            withdraw(HERE, "WETH", units("WETH", usd * 102 / 100));
            sell("WETH", PREVIOUS, pool);
            (done,) = tryLowerWithLoan(usd / 100);
        } else {
            withdraw(HERE, "WETH", units("WETH", usd));
            sell("WETH", PREVIOUS, pool);
            if (kind == 0) repay(HERE, PREVIOUS);
            if (kind == 0) (done,) = tryLower(KEEPER, 0);
            else (done,) = tryRebalance(0);
        }
        if (done) m.arbitrage(pool, "WETH", "USDC");
        else vm.revertToState(state);
    }

    // ---------------------------------------------------------------- a dry market

    function test_collateral_leaves_and_debt_is_repaid_where_nothing_is_left_to_borrow() public {
        dryUp();
        borrow(HERE, 100 * USDC);
        (bool done,) = tryRebalance(0);
        check(!done, "there is nothing to borrow");
        lowering(10_000e8);
        bytes memory answer;
        (done, answer) = tryLower(GUARDIAN, 0);
        passed(done, answer);
        m.fund("USDC", address(portfolio), 40_000 * USDC);
        repay(HERE, ALL);
        withdraw(HERE, "WETH", ALL);
        rebalance(0);
        eq(here.supplied(m.at("WETH")) + here.owed(m.at("USDC")), 0, "everything has left");
    }

    // ---------------------------------------------------------------- strangers

    function test_what_strangers_lend_on_its_behalf_is_not_counted_and_holds_nobody_back() public {
        m.fund("USDC", STRANGER, 1_000 * USDC);
        vm.startPrank(STRANGER);
        IERC20(market.loanToken).approve(address(morpho), type(uint256).max);
        morpho.supply(market, 1_000 * USDC, 0, address(here), "");
        vm.stopPrank();
        eq(here.supplied(m.at("USDC")), 0, "not counted");
        withdraw(HERE, "USDC", 400 * USDC);
        withdraw(HERE, "USDC", ALL);
        rebalance(0);
        atLeast(IERC20(m.at("USDC")).balanceOf(address(portfolio)), 10_000 * USDC + 999 * USDC, "the vault's");
        eq(morpho.position(id, address(here)).supplyShares, 0, "to the last share");
    }

    function test_a_strangers_unlisted_collateral_is_dropped_to_the_vault_by_anybody() public {
        (MarketParams memory other, Id made) = openMarket("UNI");
        ILendingAccount account_ = ILendingAccount(openAccount(made));
        m.fund("UNI", STRANGER, 1e18);
        vm.startPrank(STRANGER);
        IERC20(other.collateralToken).approve(address(morpho), 1e18);
        morpho.supplyCollateral(other, 1e18, address(account_), "");
        account_.dropCollateral(other.collateralToken);
        vm.expectPartialRevert(ILendingAccount.ListedToken.selector);
        here.dropCollateral(market.collateralToken);
        vm.stopPrank();
        eq(IERC20(other.collateralToken).balanceOf(address(portfolio)), 1e18, "the gift is the vault's");
        m.fund("LINK", address(here), 7);
        vm.prank(STRANGER);
        eq(here.sweep(m.at("LINK")), 7, "and so is what lies in the account");
    }

    function test_holders_leave_in_kind_with_their_part_of_what_is_on_morpho() public {
        m.fund("USDC", address(portfolio), 50_000 * USDC);
        repay(HERE, ALL);
        rebalance(0);
        vm.prank(GUARDIAN);
        registry.pause();
        check(portfolio.closed(), "no debt, paused");
        uint256 held = here.supplied(m.at("WETH"));
        portfolio.payInKind(DEPOSITOR, 1, 4, sortedTokens());
        eq(IERC20(m.at("WETH")).balanceOf(DEPOSITOR), held / 4, "a quarter");
    }
}
