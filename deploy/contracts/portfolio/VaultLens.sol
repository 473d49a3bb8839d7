// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Asset, IPolicyRegistry, Policy} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "./interfaces/IPortfolio.sol";
import {IPriceBook, Quote} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {VaultShares} from "./VaultShares.sol";

/// @title Everything that people and the keeper read of a vault, in one call.
/// @notice It has no power and holds nothing; a better one can replace it.
contract VaultLens {
    /// @dev Raw units, in the order of the assets.
    struct AccountView {
        address account;
        uint256 healthFactor;
        uint256[] supplied;
        uint256[] owed;
        uint256[] thresholdsBps;
    }

    /// @dev `idle` raw units in the order of the assets. The last four are of the line: see VaultShares.line.
    struct VaultView {
        Policy policy;
        Asset[] assets;
        Quote[] quotes;
        uint256[] idle;
        AccountView[] accounts;
        IRebalancer.State state;
        bool sequencerUp;
        bool paused;
        bool silent;
        bool closed;
        uint256 netAssets;
        bool fairlyPriced;
        uint256 shareSupply;
        uint256 depositsClosedAt;
        uint256 redemptionsClosedAt;
        uint256 pendingAssets;
        uint256 pendingShares;
    }

    function look(VaultShares shares) external view returns (VaultView memory v) {
        IPolicyRegistry registry = shares.REGISTRY();
        IPortfolio portfolio = shares.PORTFOLIO();
        IRebalancer rebalancer = IRebalancer(registry.rebalancer());
        (v.policy, v.assets, v.paused) = (registry.policy(), registry.assets(), registry.paused());
        (v.state, v.silent, v.closed) = (rebalancer.state(), rebalancer.silent(), portfolio.closed());
        (v.netAssets, v.fairlyPriced) = shares.PRICER().present();
        v.shareSupply = shares.totalSupply();
        (v.depositsClosedAt, v.redemptionsClosedAt, v.pendingAssets, v.pendingShares) = shares.line();
        (address[] memory tokens,,) = portfolio.holdings();
        address[] memory accounts = registry.accounts();
        IPriceBook book = shares.PRICER().BOOK();
        (v.quotes, v.sequencerUp) = book.quotes(tokens, ILendingAccount(accounts[0]), v.policy.maxGapBps);
        v.idle = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            v.idle[i] = IERC20(tokens[i]).balanceOf(address(portfolio));
        }
        v.accounts = new AccountView[](accounts.length);
        for (uint256 k = 0; k < accounts.length; k++) {
            v.accounts[k] = _account(ILendingAccount(accounts[k]), tokens);
        }
    }

    function _account(ILendingAccount account, address[] memory tokens) private view returns (AccountView memory v) {
        (v.account, v.healthFactor) = (address(account), account.healthFactor());
        (v.supplied, v.owed,) = account.positions(tokens, false);
        v.thresholdsBps = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            (v.thresholdsBps[i],) = account.liquidation(tokens[i]);
        }
    }
}
