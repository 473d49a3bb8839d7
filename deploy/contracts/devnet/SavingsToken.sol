// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TestToken} from "./TestToken.sol";

/// @title An ERC-4626 share whose rate grows with time, as Savings Dai's does.
/// @notice The interest is minted in the dollar below it when somebody comes or goes, so every share is backed.
contract SavingsToken is ERC4626 {
    using Math for uint256;

    uint256 private constant WAD = 1e18;
    uint256 private constant YEAR = 365 days;

    uint256 public immutable firstRate;
    uint256 public immutable begin;
    uint256 public immutable yearly;

    /// @param firstRate_ Dollars per share until `begin_`, 18 decimals.
    /// @param yearly_ What a share earns in a year, a fraction with 18 decimals.
    constructor(string memory name, string memory symbol, uint256 firstRate_, uint256 begin_, uint256 yearly_)
        ERC20(name, symbol)
        ERC4626(new TestToken("Dai Stablecoin", "DAI", 18))
    {
        firstRate = firstRate_;
        begin = begin_;
        yearly = yearly_;
    }

    /// @notice Dollars per share now, 18 decimals.
    function rate() public view returns (uint256) {
        if (block.timestamp <= begin) return firstRate;
        return firstRate + firstRate.mulDiv(yearly * (block.timestamp - begin), WAD * YEAR);
    }

    function totalAssets() public view override returns (uint256) {
        return _convertToAssets(totalSupply(), Math.Rounding.Floor);
    }

    /// @notice Anybody can have dollars on the local chain.
    function mintDollars(address to, uint256 amount) external {
        TestToken(asset()).mint(to, amount);
    }

    function _convertToAssets(uint256 shares, Math.Rounding rounding) internal view override returns (uint256) {
        return shares.mulDiv(rate(), WAD, rounding);
    }

    function _convertToShares(uint256 assets, Math.Rounding rounding) internal view override returns (uint256) {
        return assets.mulDiv(WAD, rate(), rounding);
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        super._deposit(caller, receiver, assets, shares);
        _earn();
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        _earn();
        super._withdraw(caller, receiver, owner, assets, shares);
    }

    function _earn() private {
        uint256 due = _convertToAssets(totalSupply(), Math.Rounding.Ceil);
        uint256 held = TestToken(asset()).balanceOf(address(this));
        if (due > held) TestToken(asset()).mint(address(this), due - held);
    }
}
