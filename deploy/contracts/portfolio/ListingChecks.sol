// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Asset, IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";

/// @notice What an asset and a pool must be to be listed.
library ListingChecks {
    uint256 private constant BPS = 10_000;
    uint256 private constant MAX_ASSETS = 20;
    uint8 private constant MAX_DECIMALS = 18;
    uint16 private constant MAX_SLIPPAGE_BPS = 200;
    uint16 private constant MAX_LAG_BPS = 200;
    uint16 private constant MAX_WEIGHT_BPS = 40_000;
    /// @dev Four hours of memory and 50,000 dollars of each token: not the pool of an afternoon.
    uint32 private constant MIN_OBSERVED = 4 hours;
    uint256 private constant MIN_POOL_USD = 50_000e8;

    function asset(Asset memory a, uint256 place) public view {
        address token = a.token;
        if (IERC20Metadata(token).decimals() != a.decimals || a.decimals > MAX_DECIMALS) {
            revert IPolicyRegistry.AssetRefused(token, "decimals");
        }
        if (a.dustExponent > a.decimals) revert IPolicyRegistry.AssetRefused(token, "dustExponent");
        if (a.slippageBps > MAX_SLIPPAGE_BPS) revert IPolicyRegistry.AssetRefused(token, "slippageBps");
        if (a.lagBps > MAX_LAG_BPS) revert IPolicyRegistry.AssetRefused(token, "lagBps");
        if (a.maxWeightBps > MAX_WEIGHT_BPS) revert IPolicyRegistry.AssetRefused(token, "maxWeightBps");
        if (place >= MAX_ASSETS) revert IPolicyRegistry.AssetRefused(token, "count");
        if (place == 0 && !a.enabled) revert IPolicyRegistry.AssetRefused(token, "enabled");
    }

    function agreement(address token, IPriceBook book, address account, uint256 maxGapBps) public view {
        if (_quote(token, book, account, maxGapBps).fault != Fault.None) {
            revert IPolicyRegistry.AssetRefused(token, "agreement");
        }
    }

    /// @notice Only the factory's own pools of two listed tokens, with money in them and a price that was observed.
    function pool(address at, IUniswapV3Factory factory, IPriceBook book, address account, Asset[] memory assets)
        public
        view
        returns (IPolicyRegistry.PoolListing memory listing)
    {
        IUniswapV3Pool it = IUniswapV3Pool(at);
        listing = IPolicyRegistry.PoolListing(it.token0(), it.fee(), true, it.token1());
        if (factory.getPool(listing.token0, listing.token1, listing.fee) != at) {
            revert IPolicyRegistry.PoolRefused(at, "factory");
        }
        _requireDepth(at, listing.token0, book, account, assets);
        _requireDepth(at, listing.token1, book, account, assets);
        uint32[] memory ago = new uint32[](1);
        ago[0] = MIN_OBSERVED;
        try it.observe(ago) returns (int56[] memory, uint160[] memory) {}
        catch {
            revert IPolicyRegistry.PoolRefused(at, "age");
        }
    }

    function _requireDepth(address at, address token, IPriceBook book, address account, Asset[] memory assets)
        private
        view
    {
        uint256 place = 0;
        while (place < assets.length && assets[place].token != token) place++;
        if (place == assets.length) revert IPolicyRegistry.PoolRefused(at, "token");
        uint256 price = _quote(token, book, account, BPS).low;
        uint256 worth = IERC20(token).balanceOf(at) * price / 10 ** assets[place].decimals;
        if (worth < MIN_POOL_USD) revert IPolicyRegistry.PoolRefused(at, "liquidity");
    }

    function _quote(address token, IPriceBook book, address account, uint256 maxGapBps)
        private
        view
        returns (Quote memory)
    {
        address[] memory tokens = new address[](1);
        tokens[0] = token;
        (Quote[] memory quotes,) = book.quotes(tokens, ILendingAccount(account), maxGapBps);
        return quotes[0];
    }
}
