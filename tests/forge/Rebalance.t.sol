// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {IPortfolio, Flash} from "portfolio/interfaces/IPortfolio.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {Scene} from "./support/Scene.sol";

contract RebalanceTest is Scene {
    function setUp() public {
        setScene(true);
        leveredTo18();
    }

    function test_three_calls_lever_to_the_target() public view {
        atLeast(account(0).owed(m.at("USDC")), 80_000 * USDC, "debt");
        atLeast(account(0).healthFactor(), 1.35e18, "health");
        atLeast(nav(), 99_000e8, "fees and depth cost less than this");
    }

    function test_a_flash_loan_levers_in_one_call_and_nothing_is_left_approved() public {
        sell("USDC", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        supply(0, "WETH", PREVIOUS);
        borrow(0, 10_010 * USDC);
        rebalance(10_000 * USDC);
        atLeast(account(0).owed(m.at("USDC")), 90_000 * USDC, "debt");
        for (uint256 i = 0; i < listed.length; i++) {
            address token = m.at(listed[i]);
            eq(IERC20(token).allowance(address(account(0)), m.pool()), 0, "an account's allowance");
            eq(IERC20(token).allowance(address(portfolio), address(account(0))), 0, "the portfolio's allowance");
            eq(IERC20(token).balanceOf(address(account(0))), 0, "money left in the account");
        }
    }

    function test_two_accounts_hold_positions_and_limits_of_their_own() public {
        withdraw(0, "WBTC", units("WBTC", 20_000e8));
        supply(1, "WBTC", ALL);
        borrow(1, 5_000 * USDC);
        repay(0, 5_000 * USDC);
        rebalance(0);
        atLeast(account(1).owed(m.at("USDC")), 5_000 * USDC, "debt of the second account");
        borrow(1, 9_000 * USDC);
        repay(0, PREVIOUS);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "the second account's health is its own");
        refusedBy(answer, IRebalancer.TooSoon.selector, "the interval first");
        wait_(601);
        borrow(1, 9_000 * USDC);
        repay(0, PREVIOUS);
        (done, answer) = tryRebalance(0);
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health per account");
    }

    function test_no_risk_is_bought_elsewhere_while_an_account_is_under_the_floor() public {
        m.fund("USDC", address(portfolio), 1_000 * USDC);
        while (account(0).healthFactor() > 1.34e18) {
            m.moveAll(0.99e18);
        }
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        sell("USDC", 1_000 * USDC, m.poolOf("WETH", "USDC", 500));
        supply(1, "WETH", PREVIOUS);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "bought for the other account");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
    }

    function test_an_emode_belongs_to_one_account() public {
        string[] memory collateral = new string[](1);
        collateral[0] = "WBTC";
        m.openCategory(1, collateral, 9_000, 9_300);
        vm.prank(address(registry));
        portfolio.setCategory(1, 1);
        (uint256 inside,) = account(1).liquidation(m.at("WBTC"));
        (uint256 outside,) = account(0).liquidation(m.at("WBTC"));
        eq(inside, 9_300, "threshold in the category");
        eq(outside, 7_800, "threshold without");
    }

    function test_only_the_vault_moves_an_accounts_money() public {
        ILendingAccount a = account(0);
        address usdc = m.at("USDC");
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(a.supply, (usdc, 1));
        calls[1] = abi.encodeCall(a.withdraw, (usdc, 1));
        calls[2] = abi.encodeCall(a.borrow, (usdc, 1));
        calls[3] = abi.encodeCall(a.repay, (usdc, 1));
        calls[4] = abi.encodeCall(a.setCategory, (1));
        calls[5] = abi.encodeCall(a.flash, (usdc, 1, ""));
        address[5] memory callers = [KEEPER, GUARDIAN, OPERATIONS, address(rebalancer), STRANGER];
        for (uint256 i = 0; i < calls.length; i++) {
            for (uint256 k = 0; k < callers.length; k++) {
                vm.prank(callers[k]);
                (bool done, bytes memory answer) = address(a).call(calls[i]);
                check(!done, "moved");
                refusedBy(answer, ILendingAccount.NotVault.selector, "not the vault");
            }
        }
        vm.prank(STRANGER);
        vm.expectPartialRevert(ILendingAccount.NotVault.selector);
        a.remember(new address[](1));
        vm.prank(STRANGER);
        vm.expectPartialRevert(ILendingAccount.UnexpectedFlashLoan.selector);
        IFlashBorrower(address(a)).executeOperation(usdc, 1, 0, address(a), "");
    }

    function test_callbacks_are_accepted_only_from_whom_was_asked() public {
        address usdc = m.at("USDC");
        vm.expectPartialRevert(IPortfolio.UnexpectedCallback.selector);
        portfolio.onFlash(usdc, 1, 0, "");
        vm.expectPartialRevert(IPortfolio.UnexpectedCallback.selector);
        portfolio.uniswapV3SwapCallback(1, 0, "");
        address pool = m.poolOf("WETH", "USDC", 500);
        vm.prank(pool);
        vm.expectPartialRevert(IPortfolio.UnexpectedCallback.selector);
        portfolio.uniswapV3SwapCallback(1, 0, "");
        vm.expectPartialRevert(IPortfolio.CallerNotAllowed.selector);
        portfolio.run(Flash(0, address(0), 0), "");
    }

    function test_the_shape_of_the_whole_is_bounded() public {
        Policy memory p = policyByDefault();
        p.maxLeverage = 1.9e18;
        setPolicy(p);
        sell("USDC", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        supply(0, "WETH", PREVIOUS);
        borrow(0, 20_010 * USDC);
        (bool done, bytes memory answer) = tryRebalance(20_000 * USDC);
        check(!done, "levered over the cap");
        refusedBy(answer, IRebalancer.LeverageTooHigh.selector, "leverage");
    }

    function test_a_way_down_may_pass_through_a_token_and_not_end_in_it() public {
        withdraw(0, "LINK", 100e18);
        sell("LINK", PREVIOUS, m.poolOf("LINK", "WETH", 3_000));
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(0, PREVIOUS);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        withdraw(0, "LINK", 100e18);
        sell("LINK", PREVIOUS, m.poolOf("LINK", "WETH", 3_000));
        sell("WETH", 1e15, m.poolOf("WETH", "USDC", 500));
        repay(0, PREVIOUS);
        (done, answer) = tryLower(KEEPER, 0);
        check(!done, "kept some of it");
        refusedBy(answer, IPortfolio.StepRefused.selector, "raises");
    }

    function test_exact_output_buys_what_is_owed_and_no_more() public {
        address pool = m.poolOf("WETH", "USDC", 500);
        withdraw(0, "WETH", 3e18);
        buy("USDC", 5_000 * USDC, 3e18, pool);
        repay(0, PREVIOUS);
        supply(0, "WETH", ALL);
        uint256 before = account(0).owed(m.at("USDC"));
        rebalance(0);
        eq(before - account(0).owed(m.at("USDC")), 5_000 * USDC, "repaid");
        withdraw(0, "WETH", 3e18);
        buy("USDC", 5_000 * USDC, 2.5e18, pool);
        wait_(601);
        (bool done,) = tryRebalance(0);
        check(!done, "paid more than the limit");
    }
}

interface IFlashBorrower {
    function executeOperation(address token, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool);
}
