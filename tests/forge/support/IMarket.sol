// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice The market as the vault's tests see it. Through an interface, so that a test's change does not compile Aave.
interface IMarket {
    function openPools() external;
    function at(string memory symbol) external view returns (address);
    function feed(string memory symbol) external view returns (address);
    function decimalsOf(string memory symbol) external view returns (uint256);
    function pool() external view returns (address);
    function oracle() external view returns (address);
    function factory() external view returns (address);
    function fund(string memory symbol, address to, uint256 amount) external;
    function price(string memory symbol) external view returns (uint256);
    function publish(string memory symbol, uint256 answer) external;
    function refresh() external;
    function moveAll(uint256 factor) external;
    function openPool(string memory a, string memory b, uint24 fee, uint256 virtualUsd, uint256 factor)
        external
        returns (address made);
    function poolOf(string memory a, string memory b, uint24 fee) external view returns (address);
    function trade(address where, string memory symbol, uint256 amount) external;
    function skew(address where, string memory a, string memory b, uint256 bps) external;
    function arbitrage(address where, string memory a, string memory b) external;
    function setFreeze(string memory symbol, bool frozen) external;
    function setSource(string memory symbol, address source) external;
    function openCategory(uint8 id, string[] memory collateral, uint16 ltv, uint16 threshold) external;
    function lowerThreshold(string memory symbol, uint16 threshold) external;
    function upgradeReceipt(string memory symbol, address implementation) external;
}
