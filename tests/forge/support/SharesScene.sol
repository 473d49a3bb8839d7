// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Terms} from "portfolio/Fees.sol";
import {SharePricer} from "portfolio/SharePricer.sol";
import {VaultShares} from "portfolio/VaultShares.sol";
import {Scene} from "./Scene.sol";

interface IRounds {
    function latestRound() external view returns (uint256);
    function getRoundData(uint80 id) external view returns (uint80, int256, uint256, uint256, uint80);
}

/// @notice A scene whose money comes through the shares.
abstract contract SharesScene is Scene {
    SharePricer internal pricer;
    VaultShares internal shares;

    function sharesContract() internal override returns (address) {
        pricer = new SharePricer(registry, book, portfolio);
        shares = new VaultShares(
            "Shares", "SHR", m.at("USDC"), registry, portfolio, pricer, 1 hours, termsByDefault()
        );
        return address(shares);
    }

    function termsByDefault() internal pure virtual returns (Terms memory) {
        return Terms(type(uint128).max, false, 0, 0, 5, address(0));
    }

    function _fundPortfolio(uint256 amount) internal override {
        request(DEPOSITOR, amount);
        closeBatches();
        settleDeposits();
        claim(DEPOSITOR);
    }

    function request(address who, uint256 amount) internal returns (uint256 id) {
        m.fund("USDC", who, amount);
        IERC20 usdc = IERC20(m.at("USDC"));
        vm.prank(who);
        usdc.approve(address(shares), amount);
        vm.prank(who);
        id = shares.requestDeposit(amount, who, who);
    }

    function requestRedeem(address who, uint256 amount) internal returns (uint256 id) {
        vm.prank(who);
        return shares.requestRedeem(amount, who, who);
    }

    /// @notice Closes, and lets every feed publish afterwards.
    function closeBatches() internal {
        vm.warp(block.timestamp + 1 hours);
        m.refresh();
        shares.close();
        wait_(60);
    }

    function settleDeposits() internal {
        (uint256 closedAt,,,) = shares.line();
        SharePricer.Hint[] memory found = hints(closedAt);
        shares.settleDeposits(found);
    }

    function settleRedemptions() internal {
        (, uint256 closedAt,,) = shares.line();
        SharePricer.Hint[] memory found = hints(closedAt);
        shares.settleRedemptions(found);
    }

    function claim(address who) internal returns (uint256 got) {
        uint256 all = shares.maxDeposit(who);
        vm.prank(who);
        return shares.deposit(all, who, who);
    }

    function claimRedeemed(address who) internal returns (uint256 got) {
        uint256 all = shares.maxRedeem(who);
        vm.prank(who);
        return shares.redeem(all, who, who);
    }

    /// @notice A deposit that is settled and claimed.
    function depositsOf(address who, uint256 amount) internal {
        request(who, amount);
        closeBatches();
        settleDeposits();
        claim(who);
    }

    function usdcOf(address who) internal view returns (uint256) {
        return IERC20(m.at("USDC")).balanceOf(who);
    }

    /// @notice What anybody finds by reading the feeds' rounds. Zeros where there is no such round yet.
    function hints(uint256 closedAt) internal view returns (SharePricer.Hint[] memory found) {
        found = new SharePricer.Hint[](listed.length);
        uint256 moment = 0;
        for (uint256 i = 0; i < listed.length; i++) {
            IRounds feed = IRounds(m.feed(listed[i]));
            uint256 id = feed.latestRound();
            if (_time(feed, id) <= closedAt) continue;
            while (uint64(id) > 1 && _time(feed, id - 1) > closedAt) id--;
            found[i].first = uint80(id);
            if (_time(feed, id) > moment) moment = _time(feed, id);
        }
        for (uint256 i = 0; i < listed.length; i++) {
            IRounds feed = IRounds(m.feed(listed[i]));
            uint256 id = feed.latestRound();
            while (uint64(id) > 1 && _time(feed, id) > moment) id--;
            found[i].last = uint80(id);
        }
    }

    function _time(IRounds feed, uint256 id) private view returns (uint256 updatedAt) {
        (,,, updatedAt,) = feed.getRoundData(uint80(id));
    }

    /// @notice Lowers the debt and raises cash: sells WETH.
    function raiseCash(uint256 usdc) internal {
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        withdraw(0, "WETH", units("WETH", usdc * 100));
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        rebalance(0);
    }
}
