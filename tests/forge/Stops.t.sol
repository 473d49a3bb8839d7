// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {IPolicyRegistry} from "portfolio/interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "portfolio/interfaces/IPortfolio.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {Scene} from "./support/Scene.sol";

/// @notice What a stranger, a thief or an absence could stop. Each test is one of the audit's, turned round.
contract StopsTest is Scene {
    function setUp() public {
        setScene(false); // UNI is Aave's, and not the vault's
        leveredTo18();
    }

    // ---------------------------------------------------------------- one wei of an unlisted reserve

    function _giftOfUni() private {
        m.fund("UNI", STRANGER, 1e18);
        address uni = m.at("UNI");
        address pool = m.pool();
        vm.startPrank(STRANGER);
        IERC20(uni).approve(pool, 1e18);
        IPool(pool).supply(uni, 1e12, address(account(0)), 0);
        vm.stopPrank();
        m.setFreeze("UNI", true);
    }

    function _sellSomeWeth() private {
        withdraw(0, "WETH", 1e17);
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
    }

    function test_anybody_drops_a_strangers_gift_whose_ltv_fell_to_zero() public {
        _giftOfUni();
        _sellSomeWeth();
        (bool done,) = tryRebalance(0);
        check(!done, "the gift blocks, as it did");
        ILendingAccount a = account(0);
        address uni = m.at("UNI");
        vm.prank(STRANGER);
        a.dropCollateral(uni);
        _sellSomeWeth();
        bytes memory answer;
        (done, answer) = tryRebalance(0);
        passed(done, answer);
        _sellSomeWeth();
        repay(0, ALL);
        (done, answer) = tryLower(GUARDIAN, 0);
        passed(done, answer);
        atLeast(IERC20(uni).balanceOf(address(portfolio)), 1e12 - 2, "the gift is the vault's");
    }

    function test_a_listed_token_is_not_dropped_by_a_stranger() public {
        ILendingAccount a = account(0);
        address weth = m.at("WETH");
        vm.prank(STRANGER);
        vm.expectPartialRevert(ILendingAccount.ListedToken.selector);
        a.dropCollateral(weth);
    }

    function test_the_positions_receipts_cannot_be_swept() public {
        ILendingAccount a = account(0);
        address receipt = IPool(m.pool()).getReserveAToken(m.at("WETH"));
        vm.prank(STRANGER);
        vm.expectPartialRevert(ILendingAccount.ListedToken.selector);
        a.sweep(receipt);
        m.fund("USDC", address(a), 7);
        eq(a.sweep(m.at("USDC")), 7, "money goes to the vault");
    }

    // ---------------------------------------------------------------- dust and a dead feed

    function test_dust_of_an_asset_whose_feed_is_dead_stops_nothing() public {
        withdraw(0, "LINK", ALL);
        sell("LINK", PREVIOUS, m.poolOf("LINK", "USDC", 3_000));
        repay(0, ALL);
        rebalance(0);
        m.fund("LINK", address(portfolio), 1);
        address feed = m.feed("LINK");
        vm.mockCallRevert(feed, abi.encodeWithSignature("latestRoundData()"), "dead");
        vm.mockCallRevert(feed, abi.encodeWithSignature("latestAnswer()"), "dead");
        vm.warp(block.timestamp + 601);
        _sellSomeWeth();
        (bool done, bytes memory answer) = tryRebalance(0);
        passed(done, answer);
        _sellSomeWeth();
        repay(0, ALL);
        (done, answer) = tryLower(KEEPER, 0);
        passed(done, answer);
    }

    // ---------------------------------------------------------------- a thief in the way of the guardian

    function test_a_thiefs_calls_do_not_keep_the_guardian_out() public {
        for (uint256 i = 0; i < 5; i++) {
            withdraw(0, "WETH", 1e13);
            sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
            repay(0, ALL);
            (bool before,) = tryLower(KEEPER, 0);
            check(before, "the thief was first");
        }
        vm.prank(GUARDIAN);
        registry.removeKeeper();
        withdraw(0, "WETH", 1e17);
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(0, ALL);
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        check(!done, "the thief is out at once");
        refusedBy(answer, IPortfolio.CallerNotAllowed.selector, "removed");
        eq(rebalancer.state().guardianEpoch, 0, "nobody moved the guardian's epoch");
        _sellSomeWeth();
        repay(0, ALL);
        (done, answer) = tryLower(GUARDIAN, 0);
        passed(done, answer);
        eq(rebalancer.state().guardianEpoch, 1, "the guardian's own");
    }

    function test_whoever_removes_pools_and_assets_does_not_lock_the_exits() public {
        address pool = m.poolOf("WETH", "USDC", 500);
        address weth = m.at("WETH");
        vm.prank(OPERATIONS);
        registry.removePool(pool);
        vm.prank(OPERATIONS);
        registry.disableAsset(weth);
        _sellSomeWeth();
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "no business with it");
        refusedBy(answer, IPortfolio.StepRefused.selector, "pool");
        _sellSomeWeth();
        repay(0, ALL);
        (done, answer) = tryLower(KEEPER, 0);
        passed(done, answer);
    }

    // ---------------------------------------------------------------- no way out

    function test_a_paused_vault_without_debt_is_closed_and_pays_in_kind() public {
        vm.prank(GUARDIAN);
        registry.pause();
        check(!portfolio.closed(), "there is debt");
        _repayAllByPieces();
        check(portfolio.closed(), "no debt, paused");
        address[] memory tokens = sortedTokens();
        uint256 held = account(0).supplied(m.at("WETH"));
        portfolio.payInKind(DEPOSITOR, 1, 2, tokens);
        uint256 got = IERC20(m.at("WETH")).balanceOf(DEPOSITOR);
        atMost(got, held / 2 + 1, "half");
        atLeast(got + 2, held / 2, "half");
    }

    function test_keeper_and_admin_silent_anybody_winds_down() public {
        withdraw(0, "WETH", 1e18);
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(0, ALL);
        (bool done, bytes memory answer) = tryWindDown(STRANGER, 0);
        check(!done, "not silent");
        refusedBy(answer, IRebalancer.NotSilent.selector, "not silent");
        wait_(31 days);
        check(rebalancer.silent(), "silent");
        check(!portfolio.closed(), "there is debt");
        for (uint256 i = 0; i < 12 && account(0).owed(m.at("USDC")) != 0; i++) {
            m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
            m.arbitrage(m.poolOf("WBTC", "USDC", 3_000), "WBTC", "USDC");
            string memory symbol = i % 2 == 0 ? "WETH" : "WBTC";
            if (worth(symbol) < 9_000e8) symbol = "LINK";
            withdraw(0, symbol, units(symbol, 9_000e8));
            sell(symbol, PREVIOUS, m.poolOf(symbol, "USDC", _same(symbol, "WETH") ? 500 : 3_000));
            repay(0, ALL);
            (done, answer) = tryWindDown(STRANGER, 0);
            passed(done, answer);
        }
        check(portfolio.closed(), "holders leave in kind");
    }

    /// @dev The health before is far above any floor, and afterwards there is no debt that a rise could be measured by.
    function test_a_paused_vault_closes_a_healthy_position_whole() public {
        vm.prank(GUARDIAN);
        registry.pause();
        _closeWhole();
        (bool done, bytes memory answer) = tryLower(KEEPER, 0);
        passed(done, answer);
        _checkNothingLeft();
    }

    function test_keeper_and_admin_silent_anybody_closes_a_healthy_position_whole() public {
        wait_(31 days);
        _closeWhole();
        (bool done, bytes memory answer) = tryWindDown(STRANGER, 0);
        passed(done, answer);
        _checkNothingLeft();
    }

    function test_the_guardians_heartbeat_does_not_hold_a_vault_shut() public {
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(IPolicyRegistry.NotAllowed.selector);
        registry.heartbeat();
        wait_(31 days);
        check(rebalancer.silent(), "silent");
        vm.prank(KEEPER);
        registry.heartbeat();
        check(!rebalancer.silent(), "the keeper is there");
    }

    // ---------------------------------------------------------------- the sequencer

    function test_while_the_sequencer_is_down_or_fresh_nobody_trades_on_old_prices() public {
        SequencerStub sequencer = new SequencerStub();
        vm.prank(address(registry));
        book.setSequencer(address(sequencer), 1 hours);
        (address feed, uint32 grace) = book.sequencer();
        check(feed == address(sequencer) && grace == 1 hours, "read back");
        sequencer.set(1, block.timestamp - 10);
        _sellSomeWeth();
        (bool done, bytes memory answer) = tryRebalance(0);
        check(!done, "down");
        refusedBy(answer, IRebalancer.SequencerDown.selector, "down");
        sequencer.set(0, block.timestamp - 10);
        _sellSomeWeth();
        (done, answer) = tryRebalance(0);
        refusedBy(answer, IRebalancer.SequencerDown.selector, "fresh");
        _sellSomeWeth();
        repay(0, ALL);
        (done, answer) = tryRipcord(STRANGER, 0);
        refusedBy(answer, IRebalancer.SequencerDown.selector, "a stranger");
        sequencer.set(0, block.timestamp - 2 hours);
        _sellSomeWeth();
        (done, answer) = tryRebalance(0);
        passed(done, answer);
    }

    // ---------------------------------------------------------------- helpers

    function _closeWhole() private {
        m.fund("USDC", address(portfolio), 90_000 * USDC);
        repay(0, ALL);
        for (uint256 i = 1; i < listed.length; i++) withdraw(0, listed[i], ALL);
    }

    function _checkNothingLeft() private view {
        eq(account(0).owed(m.at("USDC")), 0, "no debt");
        for (uint256 i = 1; i < listed.length; i++) eq(account(0).supplied(m.at(listed[i])), 0, "no collateral");
        check(portfolio.closed(), "holders leave in kind");
    }

    function _repayAllByPieces() private {
        for (uint256 i = 0; i < 12 && account(0).owed(m.at("USDC")) != 0; i++) {
            m.fund("USDC", address(portfolio), 10_000 * USDC);
            repay(0, ALL);
            (bool done, bytes memory answer) = tryLower(KEEPER, 0);
            passed(done, answer);
        }
    }
}

contract SequencerStub {
    int256 private _answer;
    uint256 private _startedAt = 1;

    function set(int256 answer, uint256 startedAt) external {
        (_answer, _startedAt) = (answer, startedAt);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer, _startedAt, block.timestamp, 1);
    }
}
