// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Id, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {MorphoBlueAccount} from "portfolio/accounts/MorphoBlueAccount.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {IMorphoBlue, MarketPosition} from "portfolio/interfaces/IMorphoBlue.sol";
import {Fault, Quote} from "portfolio/interfaces/IPriceBook.sol";
import {MorphoScene} from "./support/MorphoScene.sol";

/// @notice An account on Morpho's own code: what it does with money, and what it says of itself.
contract MorphoTest is MorphoScene {
    function setUp() public {
        setMorphoScene();
    }

    function _nothingLies() private view {
        string[2] memory symbols = ["USDC", "WETH"];
        for (uint256 i = 0; i < 2; i++) {
            IERC20 token = IERC20(m.at(symbols[i]));
            eq(token.balanceOf(address(here)), 0, "nothing lies in the account");
            eq(token.allowance(address(here), address(morpho)), 0, "no allowance is left");
        }
    }

    // ---------------------------------------------------------------- money

    function test_money_goes_from_the_vault_to_the_market_and_back_and_nothing_is_left_over() public {
        m.fund("WETH", address(portfolio), 50e18);
        supply(HERE, "WETH", 50e18);
        borrow(HERE, 40_000 * USDC);
        rebalance(0);
        _nothingLies();
        eq(here.supplied(m.at("WETH")), 50e18, "collateral");
        eq(IERC20(m.at("USDC")).balanceOf(address(portfolio)), 40_000 * USDC, "the loan is the vault's");
        wait_(90 days);
        uint256 owed = here.owed(m.at("USDC"));
        atLeast(owed, 40_100 * USDC, "a quarter's interest");
        repay(HERE, 10_000 * USDC);
        withdraw(HERE, "WETH", 5e18);
        rebalance(0);
        _nothingLies();
        atMost(here.owed(m.at("USDC")), owed - 10_000 * USDC + 1, "repaid");
        eq(IERC20(m.at("WETH")).balanceOf(address(portfolio)), 5e18, "the collateral is the vault's");
        m.fund("USDC", address(portfolio), 20_000 * USDC);
        wait_(1 days);
        repay(HERE, ALL);
        withdraw(HERE, "WETH", ALL);
        rebalance(0);
        _nothingLies();
        MarketPosition memory p = IMorphoBlue(address(morpho)).position(Id.unwrap(id), address(here));
        eq(p.supplyShares + p.borrowShares + p.collateral, 0, "not a share, not a wei");
        eq(here.healthFactor(), type(uint256).max, "no debt");
    }

    function test_what_the_debt_did_not_need_goes_back() public {
        m.fund("WETH", address(portfolio), 50e18);
        supply(HERE, "WETH", 50e18);
        borrow(HERE, 10_000 * USDC);
        sell("USDC", 5_000 * USDC, m.poolOf("WETH", "USDC", 500));
        rebalance(0);
        wait_(2 days);
        m.fund("USDC", address(portfolio), 10_000 * USDC);
        uint256 owed = here.owed(m.at("USDC"));
        repay(HERE, 14_000 * USDC);
        rebalance(0);
        _nothingLies();
        eq(here.owed(m.at("USDC")), 0, "all of it");
        eq(IERC20(m.at("USDC")).balanceOf(address(portfolio)), 15_000 * USDC - owed, "the rest is back");
    }

    function test_a_loan_costs_nothing_and_levers_in_one_call() public {
        m.fund("USDC", address(portfolio), 100_000 * USDC);
        sell("USDC", 108_000 * USDC, m.poolOf("WETH", "USDC", 500));
        supply(HERE, "WETH", PREVIOUS);
        borrow(HERE, 8_000 * USDC);
        (bool done, bytes memory answer) = tryRebalanceWithLoan(8_000 * USDC);
        passed(done, answer);
        _nothingLies();
        atMost(here.owed(m.at("USDC")), 8_000 * USDC + 1, "the loan without a fee, and a share's rounding");
        eq(IERC20(m.at("USDC")).balanceOf(address(portfolio)), 0, "spent to the last unit");
    }

    // ---------------------------------------------------------------- who, and which tokens

    function test_nobody_but_the_vault_moves_money() public {
        (address usdc, address weth) = (m.at("USDC"), m.at("WETH"));
        bytes[6] memory calls = [
            abi.encodeCall(ILendingAccount.supply, (weth, 1)),
            abi.encodeCall(ILendingAccount.withdraw, (weth, 1)),
            abi.encodeCall(ILendingAccount.borrow, (usdc, 1)),
            abi.encodeCall(ILendingAccount.repay, (usdc, 1)),
            abi.encodeCall(ILendingAccount.setCategory, (1)),
            abi.encodeCall(ILendingAccount.flash, (usdc, 1, ""))
        ];
        address[4] memory callers = [KEEPER, GUARDIAN, address(registry), address(rebalancer)];
        for (uint256 i = 0; i < calls.length; i++) {
            for (uint256 k = 0; k < callers.length; k++) {
                vm.prank(callers[k]);
                (bool done, bytes memory answer) = address(here).call(calls[i]);
                check(!done, "moved");
                refusedBy(answer, ILendingAccount.NotVault.selector, "not the vault");
            }
        }
        address[3] memory lenders = [STRANGER, address(portfolio), address(morpho)];
        for (uint256 k = 0; k < lenders.length; k++) {
            vm.prank(lenders[k]);
            vm.expectPartialRevert(ILendingAccount.UnexpectedFlashLoan.selector);
            here.onMorphoFlashLoan(1, "");
        }
    }

    function test_a_token_that_is_not_the_markets_is_refused_and_the_loan_token_is_no_collateral() public {
        (address usdc, address weth, address link) = (m.at("USDC"), m.at("WETH"), m.at("LINK"));
        bytes[9] memory calls = [
            abi.encodeCall(ILendingAccount.supply, (link, 1)),
            abi.encodeCall(ILendingAccount.supply, (usdc, 1)),
            abi.encodeCall(ILendingAccount.withdraw, (link, 1)),
            abi.encodeCall(ILendingAccount.borrow, (link, 1)),
            abi.encodeCall(ILendingAccount.borrow, (weth, 1)),
            abi.encodeCall(ILendingAccount.repay, (link, 1)),
            abi.encodeCall(ILendingAccount.repay, (weth, 1)),
            abi.encodeCall(ILendingAccount.flash, (link, 1, "")),
            abi.encodeCall(ILendingAccount.dropCollateral, (m.at("UNI")))
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            vm.prank(address(portfolio));
            (bool done, bytes memory answer) = address(here).call(calls[i]);
            check(!done, "taken");
            refusedBy(answer, ILendingAccount.UnknownReserve.selector, "unknown");
        }
        vm.prank(address(portfolio));
        vm.expectPartialRevert(MorphoBlueAccount.UnknownCategory.selector);
        here.setCategory(1);
    }

    function test_an_account_is_made_for_a_market_that_is_there_and_can_lend() public {
        vm.expectPartialRevert(MorphoBlueAccount.UnknownMarket.selector);
        new MorphoBlueAccount(IMorphoBlue(address(morpho)), keccak256("no market"));
        MarketParams memory idle = market;
        idle.oracle = address(0);
        morpho.createMarket(idle);
        vm.expectPartialRevert(MorphoBlueAccount.UnknownMarket.selector);
        new MorphoBlueAccount(IMorphoBlue(address(morpho)), keccak256(abi.encode(idle)));
    }

    // ---------------------------------------------------------------- what it says

    function testFuzz_it_counts_the_interest_that_morpho_will_add(uint256 time, uint256 amount) public {
        amount = within(amount, 1, 60_000 * USDC);
        m.fund("WETH", address(portfolio), 100e18);
        supply(HERE, "WETH", 100e18);
        borrow(HERE, amount);
        rebalance(0);
        wait_(within(time, 1, 365 days));
        uint256 owed = here.owed(m.at("USDC"));
        MorphoBlueAccount.MarketView memory v = here.look();
        eq(v.owed, owed, "seen");
        morpho.accrueInterest(market);
        eq(here.owed(m.at("USDC")), owed, "as it was counted");
        eq(morpho.market(id).totalBorrowAssets, v.state.totalBorrowAssets + v.interest, "borrowed");
        eq(morpho.market(id).totalSupplyAssets, v.state.totalSupplyAssets + v.interest, "supplied");
        (uint256[] memory supplies, uint256[] memory debts, uint256[] memory thresholds) = _positions();
        eq(supplies[2], 100e18, "supplied");
        eq(debts[0], owed, "owed");
        eq(thresholds[2], 8_600, "weighed");
        eq(supplies[0] + supplies[1] + supplies[3] + debts[1] + debts[2] + debts[3], 0, "of the others nothing");
    }

    /// @dev Whoever may be liquidated has a health below 1, and nobody else.
    function testFuzz_its_health_is_below_one_where_morpho_liquidates(uint256 seed) public {
        leveredOnMorpho();
        wait_(within(seed >> 64, 0, 200 days));
        uint256 price = m.price("WETH");
        m.publish("WETH", price * 1e18 / here.healthFactor() * within(seed, 999_990, 1_000_010) / 1_000_000);
        bool healthy = here.healthFactor() >= WAD;
        m.fund("USDC", STRANGER, 1_000 * USDC);
        vm.startPrank(STRANGER);
        IERC20(market.loanToken).approve(address(morpho), type(uint256).max);
        (bool done,) =
            address(morpho).call(abi.encodeCall(morpho.liquidate, (market, address(here), 1e15, 0, "")));
        vm.stopPrank();
        check(done != healthy, "Morpho says the same");
    }

    function test_a_liquidator_takes_what_the_account_foretells() public {
        (uint256 threshold, uint256 bonus) = here.liquidation(m.at("WETH"));
        eq(threshold, 8_600, "threshold");
        eq(bonus, 439, "1 / (1 - 0.3 * 0.14), rounded up");
        (threshold, bonus) = here.liquidation(m.at("USDC"));
        eq(threshold + bonus, 0, "no collateral");
        leveredOnMorpho();
        crashTo(0.99e18);
        m.fund("USDC", STRANGER, 40_000 * USDC);
        vm.startPrank(STRANGER);
        IERC20(market.loanToken).approve(address(morpho), type(uint256).max);
        (uint256 seized, uint256 paid) = morpho.liquidate(market, address(here), 10e18, 0, "");
        vm.stopPrank();
        uint256 worth = seized * m.price("WETH") / 1e20;
        atMost(worth, paid * 10_439 / 10_000 + 1, "at most the bonus");
        atLeast(worth, paid * 10_438 / 10_000, "and no less");
    }

    function test_morphos_oracle_knows_no_dollar_so_its_account_cannot_judge_the_feeds() public view {
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (m.at("USDC"), m.at("WETH"));
        (Quote[] memory quotes,) = book.quotes(tokens, here, 100);
        check(quotes[0].fault == Fault.Gap && quotes[1].fault == Fault.Gap, "no second opinion");
        eq(uint160(here.venueSource(tokens[0])), 0, "nor a source");
    }

    function _positions() private view returns (uint256[] memory, uint256[] memory, uint256[] memory) {
        address[] memory tokens = new address[](4);
        for (uint256 i = 0; i < 4; i++) tokens[i] = m.at(listed[i]);
        return here.positions(tokens, true);
    }
}
