// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {MorphoScene} from "./support/MorphoScene.sol";

/// @notice Answers every question with one word, in less than one, or by burning all gas.
contract OddAnswer {
    enum How {
        Word,
        Short,
        Burn,
        Long
    }

    How private how;
    uint256 private word;

    function set(How how_, uint256 word_) external {
        (how, word) = (how_, word_);
    }

    fallback() external {
        uint256 told = word;
        if (how == How.Burn) while (true) told++;
        uint256 size = how == How.Short ? 31 : how == How.Long ? 1_000_000 : 32;
        assembly ("memory-safe") {
            mstore(0, told)
            return(0, size)
        }
    }
}

/// @notice A market whose oracle or rate model is dead, odd or wrong: what stops, and what goes on.
contract MorphoDeadTest is MorphoScene {
    function setUp() public {
        setMorphoScene();
        leveredOnMorpho();
        wait_(2 days);
    }

    function _killRates() private {
        vm.mockCallRevert(market.irm, abi.encodeWithSelector(rates.borrowRate.selector), "dead");
        vm.mockCallRevert(market.irm, abi.encodeWithSelector(rates.borrowRateView.selector), "dead");
        wait_(1 days);
    }

    function _killOracle() private {
        vm.mockCallRevert(market.oracle, abi.encodeWithSignature("price()"), "dead");
    }

    function _odd(address at) private returns (OddAnswer) {
        vm.etch(at, address(new OddAnswer()).code);
        return OddAnswer(at);
    }

    // ---------------------------------------------------------------- a dead oracle

    function test_a_dead_oracle_opens_no_emergency_and_lets_debt_be_repaid_whole() public {
        _killOracle();
        eq(here.healthFactor(), 0, "what cannot be seen is no cover");
        eq(here.look().price, 0, "said");
        check(nav() != 0, "positions do not need it");
        lowering(10_000e8);
        (bool done,) = tryLower(KEEPER, 0);
        check(!done, "Morpho lets no collateral go");
        m.fund("USDC", address(portfolio), 45_000 * USDC);
        repay(HERE, 30_000 * USDC);
        bytes memory answer;
        (done, answer) = tryLower(KEEPER, 0);
        refusedBy(answer, IRebalancer.HealthNotRaised.selector, "a part proves nothing");
        repay(HERE, ALL);
        (done, answer) = tryLower(KEEPER, 0);
        refusedBy(answer, IRebalancer.HealthBeyondTarget.selector, "and an emergency ends at its target");
        repay(HERE, ALL);
        withdraw(HERE, "WETH", ALL);
        rebalance(0);
        eq(here.owed(m.at("USDC")), 0, "repaid");
        eq(here.supplied(m.at("WETH")), 0, "and gone: without debt Morpho asks no oracle");
    }

    /// @dev Alone the account is in an emergency, which ends at its target, and all that may be repaid is all.
    function test_while_paused_debt_under_a_dead_oracle_is_repaid_in_a_call_that_touches_another_account() public {
        _killOracle();
        m.fund("USDC", address(portfolio), 45_000 * USDC);
        vm.prank(GUARDIAN);
        registry.pause();
        address[2] memory callers = [KEEPER, GUARDIAN];
        for (uint256 i = 0; i < 2; i++) {
            repay(HERE, ALL);
            (bool refused, bytes memory why) = tryLower(callers[i], 0);
            check(!refused, "alone");
            refusedBy(why, IRebalancer.HealthBeyondTarget.selector, "target");
        }
        repay(HERE, ALL);
        withdraw(0, "WBTC", 1);
        (bool done, bytes memory answer) = tryLower(GUARDIAN, 0);
        passed(done, answer);
        eq(here.owed(m.at("USDC")), 0, "repaid");
        check(portfolio.closed(), "and holders may leave");
    }

    // ---------------------------------------------------------------- a dead rate model

    function test_a_dead_rate_model_stops_its_own_market_and_not_the_vault() public {
        check(here.look().moves, "the market moves");
        _killRates();
        check(!here.look().moves, "and no longer");
        atLeast(here.owed(m.at("USDC")), 40_000 * USDC, "what Morpho has added is counted");
        repay(HERE, 1_000 * USDC);
        (bool done,) = tryRebalance(0);
        check(!done, "Morpho takes nothing back");
        borrow(0, 1_000 * USDC);
        repay(0, 500 * USDC);
        bytes memory answer;
        (done, answer) = tryRebalance(0);
        passed(done, answer);
    }

    function test_under_a_dead_rate_model_holders_leave_in_kind_with_what_is_elsewhere() public {
        m.fund("USDC", address(portfolio), 50_000 * USDC);
        repay(HERE, ALL);
        withdraw(HERE, "WETH", 10e18);
        supply(0, "WETH", 6e18);
        rebalance(0);
        _killRates();
        vm.prank(GUARDIAN);
        registry.pause();
        check(portfolio.closed(), "no debt, paused");
        portfolio.payInKind(DEPOSITOR, 1, 4, sortedTokens());
        atLeast(IERC20(m.at("WETH")).balanceOf(DEPOSITOR), 2.5e18 - 2, "of what is idle and on Aave");
    }

    function test_a_strangers_gift_to_an_empty_account_keeps_nobody_in() public {
        m.fund("USDC", address(portfolio), 50_000 * USDC);
        repay(HERE, ALL);
        withdraw(HERE, "WETH", ALL);
        rebalance(0);
        m.fund("WETH", STRANGER, 1);
        vm.startPrank(STRANGER);
        IERC20(market.collateralToken).approve(address(morpho), 1);
        morpho.supplyCollateral(market, 1, address(here), "");
        vm.stopPrank();
        _killRates();
        vm.prank(GUARDIAN);
        registry.pause();
        uint256 held = IERC20(m.at("WETH")).balanceOf(address(portfolio));
        portfolio.payInKind(DEPOSITOR, 1, 1, sortedTokens());
        eq(IERC20(m.at("WETH")).balanceOf(DEPOSITOR), held, "all that is idle");
    }

    function test_debt_under_a_dead_rate_model_keeps_the_vault_from_closing() public {
        _killRates();
        m.fund("USDC", address(portfolio), 45_000 * USDC);
        vm.prank(GUARDIAN);
        registry.pause();
        repay(HERE, ALL);
        withdraw(0, "WBTC", 1);
        (bool done,) = tryLower(GUARDIAN, 0);
        check(!done, "Morpho takes nothing back");
        check(!portfolio.closed(), "and what is owed is owed");
    }

    // ---------------------------------------------------------------- odd answers

    function test_no_odd_answer_of_a_rate_model_stops_the_vaults_other_accounts() public {
        OddAnswer odd = _odd(market.irm);
        for (uint256 i = 0; i < 5; i++) {
            odd.set(OddAnswer.How(i % 4), i == 4 ? uint256(1e40) : type(uint256).max);
            wait_(1 hours);
            atLeast(here.owed(m.at("USDC")), 40_000 * USDC, "what Morpho has added is counted");
            eq(here.supplied(m.at("WETH")), 0, "nothing can leave");
            borrow(0, 1_000 * USDC);
            repay(0, 500 * USDC);
            rebalance(0);
        }
    }

    function test_no_odd_answer_of_an_oracle_costs_more_than_its_gas_or_counts_above_the_feeds() public {
        uint256 health = here.healthFactor();
        OddAnswer odd = _odd(market.oracle);
        for (uint256 i = 0; i < 4; i++) {
            odd.set(OddAnswer.How(i), type(uint256).max);
            check(nav() != 0, "positions do not need it");
            eq(here.healthFactor(), i == 0 ? health : 0, "by the feeds where it answers, none where it does not");
            uint256 before = gasleft();
            here.look();
            atMost(before - gasleft(), 1_200_000, "gas");
        }
    }

    function test_who_sends_too_little_gas_cannot_make_an_answer_fail() public {
        _odd(market.oracle).set(OddAnswer.How.Burn, 0);
        eq(here.healthFactor(), 0, "burnt with enough");
        for (uint256 gas_ = 40_000; gas_ < 500_000; gas_ += 20_000) {
            (bool done,) = address(here).staticcall{gas: gas_}(abi.encodeCall(here.healthFactor, ()));
            check(!done, "no answer rather than a wrong one");
        }
    }

    // ---------------------------------------------------------------- a wrong oracle

    function test_an_oracle_above_the_feeds_lends_the_vault_nothing_more() public {
        uint256 health = here.healthFactor();
        uint256 told = here.look().price;
        vm.mockCall(market.oracle, abi.encodeWithSignature("price()"), abi.encode(told * 5 / 4));
        eq(here.healthFactor(), health, "by the feeds");
        eq(here.look().price, told, "and what is told of it");
        borrow(HERE, 20_000 * USDC);
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "borrowed");
        refusedBy(answer, IRebalancer.HealthTooLow.selector, "health");
    }

    function test_an_oracle_under_the_feeds_counts_because_morpho_liquidates_by_it() public {
        uint256 health = here.healthFactor();
        uint256 told = here.look().price;
        vm.mockCall(market.oracle, abi.encodeWithSignature("price()"), abi.encode(told * 3 / 4));
        atMost(here.healthFactor(), health * 3 / 4 + 1, "by Morpho's");
        eq(here.look().price, told * 3 / 4, "told");
    }
}
